"""
What a page of another origin may ask, what a cache may keep, and the clock that a countdown goes
by.
"""

import json
import time

import pytest

from penstock import request, run
from wire import Wire

SHOP, OTHER = "https://shop.example", "https://evil.example"
HEADERS = {"authorization", "content-type", "idempotency-key", "traceparent", "last-event-id", "if-none-match"}
EXPOSED = {"location", "retry-after", "ratelimit", "ratelimit-policy", "idempotent-replayed", "etag", "date", "traceparent"}


@pytest.fixture
def shop(serve):
    server = serve({"gate.origins": f"{SHOP}, http://localhost:5173"})
    server.make_sale("drop", 2, limit_per_buyer=1)
    return server


def words(text):
    return {word.strip().lower() for word in (text or "").split(",")}


def preflight(base, path, method, origin=SHOP):
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,idempotency-key"}
    return request(base, "OPTIONS", path, headers={"Origin": origin, **asked})


def test_a_preflight_says_what_the_path_takes_and_for_how_long(shop):
    answer = preflight(shop.public, "/v1/sales/drop/orders", "POST")
    assert answer.status == 204 and answer.header("Access-Control-Allow-Origin") == SHOP
    assert words(answer.header("Access-Control-Allow-Methods")) == {"get", "head", "post", "options"}
    assert words(answer.header("Access-Control-Allow-Headers")) == HEADERS
    assert answer.header("Access-Control-Max-Age") == "86400"
    assert answer.header("Access-Control-Allow-Credentials") is None


def test_another_origin_is_allowed_nothing(shop):
    answer = preflight(shop.public, "/v1/sales/drop/orders", "POST", OTHER)
    assert answer.status == 204
    asked = shop.ask("GET", "/v1/sales/drop", headers={"Origin": OTHER})
    assert asked.status == 200
    for each in (answer, asked, shop.ask("GET", "/v1/sales/drop")):
        assert each.header("Vary") == "Origin"
        assert [name for name in each.headers if name.startswith("access-control")] == []


def test_every_answer_to_a_page_can_be_read_by_it(shop):
    """Those that come later too: the purchase waits for the ledger."""
    bought = shop.buy("drop", "anna", key="k", Origin=SHOP)
    assert bought.status == 202
    answers = [
        bought,
        shop.buy("drop", "anna", key="k", Origin=SHOP),
        shop.buy("drop", "anna", key="other", Origin=SHOP),
        shop.ask("GET", bought.header("Location"), buyer="anna", headers={"Origin": SHOP}),
        shop.ask("POST", "/v1/sales/drop/orders", headers={"Origin": SHOP}),
        shop.ask("GET", "/v1/sales/drop", headers={"Origin": SHOP}),
        request(shop.public, "GET", "/nowhere", headers={"Origin": SHOP}, documented=False),
    ]
    assert [answer.status for answer in answers] == [202, 202, 409, 200, 401, 200, 404]
    for answer in answers:
        assert answer.header("Access-Control-Allow-Origin") == SHOP
        assert words(answer.header("Access-Control-Expose-Headers")) == EXPOSED


def test_the_next_request_of_a_connection_has_its_own_origin(shop):
    with Wire(shop.public) as wire:
        first = wire.ask(f"GET /v1/sales HTTP/1.1\r\nHost: x\r\nOrigin: {SHOP}\r\n\r\n")
        second = wire.ask("GET /v1/sales HTTP/1.1\r\nHost: x\r\n\r\n")
    assert first.header("access-control-allow-origin") == SHOP
    assert second.header("access-control-allow-origin") is None


def test_all_origins(serve):
    server = serve({"gate.origins": "*"})
    answer = server.ask("GET", "/v1/time", headers={"Origin": OTHER})
    assert answer.header("Access-Control-Allow-Origin") == "*" and answer.header("Vary") is None


def test_the_operators_listener_answers_no_other_page(shop):
    answer = shop.operate("GET", "/v1/sales/drop", headers={"Origin": SHOP})
    assert answer.status == 200 and answer.header("Access-Control-Allow-Origin") is None
    assert preflight(shop.operator, "/v1/sales/drop/pause", "POST").header("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("path", ["/v1/sales", "/v1/sales/drop"])
def test_what_is_the_same_for_all_may_be_cached_for_a_second(shop, path):
    first = shop.ask("GET", path)
    assert first.header("Cache-Control") == "public, max-age=1, stale-while-revalidate=5"
    tag = first.header("ETag")
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = shop.ask("GET", path, headers={"If-None-Match": known})
        assert same.status == 304 and same.body == b"" and same.header("ETag") == tag
    for buyer in ("anna", "bert"):
        assert shop.buy("drop", buyer, key="k").status == 202
    changed = shop.ask("GET", path, headers={"If-None-Match": tag})
    assert changed.status == 200 and changed.header("ETag") != tag and b'"sold_out":true' in changed.body


def test_the_clock_is_told_to_the_millisecond_and_never_from_a_cache(shop):
    before = time.time_ns() // 1_000_000
    answer = shop.ask("GET", "/v1/time")
    after = time.time_ns() // 1_000_000
    assert before <= answer.json["unix_ms"] <= after
    assert answer.header("Cache-Control") == "no-store"
    assert answer.json["time"].endswith(f'.{answer.json["unix_ms"] % 1000:03}Z')


def test_a_stream_tells_the_time_first_and_is_gathered_by_no_proxy(shop):
    with Wire(shop.public) as wire:
        stream = wire.ask(f"GET /v1/sales/drop/events HTTP/1.1\r\nHost: x\r\nOrigin: {SHOP}\r\n\r\n")
        assert stream.header("x-accel-buffering") == "no" and stream.header("access-control-allow-origin") == SHOP
        assert wire.read_until(b"\n\n") == b"retry: 1000"
        name, data = wire.read_until(b"\n\n").decode().split("\n")
        assert name == "event: time"
        assert abs(json.loads(data.removeprefix("data: "))["unix_ms"] - time.time() * 1000) < 60_000


@pytest.mark.parametrize(
    "bad",
    [
        "shop.example",
        "https://shop.example/",
        "https://Shop.example",
        "https://shop.example:443",
        "ftp://shop.example",
        "*, https://shop.example",
        "https://shop.example,",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(bad, tmp_path):
    done = run("config", f"--gate.origins={bad}", cwd=tmp_path)
    assert done.returncode != 0
    assert "gate.origins" in done.stderr and "https://shop.example" in done.stderr
