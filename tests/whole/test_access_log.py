"""The access log: one request in so many, and each that the server could not answer."""

import errno
import json
from itertools import count

from failpoints import serve_with_failpoints
from penstock import wait_until


def answered(server):
    """The lines of the access log. The log is whole once the server has ended."""
    lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["message"] == "answered"]


def test_nothing_is_logged_of_requests_by_default(server):
    for _ in range(20):
        assert server.ask("GET", "/v1/time").status == 200
    assert server.stop() == 0 and answered(server) == []


def test_one_request_in_so_many_is_logged(serve):
    server = serve({"gate.access_log": 4, "gate.threads": 1})
    for _ in range(3):
        for path, status in (("/v1/time", 200), ("/v1/sales", 200), ("/v1/time", 200), ("/v1/sales/nothing", 404)):
            assert server.ask("GET", path).status == status
    assert server.stop() == 0
    lines = [line for line in answered(server) if line["listener"] == "public"]
    assert [(line["route"], line["status"], line["problem"]) for line in lines] == [("sale", 404, "unknown-sale")] * 3
    assert all(line["level"] == "info" and line["microseconds"] >= 0 and line["trace"].startswith("00-") for line in lines)


def test_who_asked_and_how_is_logged(serve):
    """
    Behind a proxy that is trusted the client is whom it names; and so where the answer came later.
    """
    server = serve({"gate.access_log": 1, "gate.threads": 1, "gate.trusted_proxies": "127.0.0.1"})
    server.make_sale("drop", 5)
    behind = {"X-Forwarded-For": "198.51.100.9, 2001:db8::7"}
    assert server.ask("HEAD", "/v1/time", headers=behind).status == 200
    assert server.buy("drop", "ann", **behind).status == 202
    assert server.ask("GET", "/v1/time").status == 200
    assert server.stop() == 0
    lines = [(line["client"], line["method"], line["route"]) for line in answered(server) if line["listener"] == "public"]
    assert lines == [("2001:db8::7", "HEAD", "time"), ("2001:db8::7", "POST", "buy"), ("127.0.0.1", "GET", "time")]


def test_who_says_of_himself_where_he_is_is_not_believed(serve):
    server = serve({"gate.access_log": 1, "gate.threads": 1})
    assert server.ask("GET", "/v1/time", headers={"X-Forwarded-For": "198.51.100.9"}).status == 200
    assert server.stop() == 0
    assert {line["client"] for line in answered(server)} == {"127.0.0.1"}


def test_each_request_that_could_not_be_answered_is_logged(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path, {"gate.access_log": 1000000, "gate.threads": 1})
    server.make_sale("drop", 100000)
    buyers = count()
    told = []

    def buy():
        told.append(server.buy("drop", f"b{next(buyers)}").status)
        return told[-1] == 503

    failpoints.set(f"ledger.begin=error:{errno.EIO}")
    wait_until(buy, 60, "a ledger that fails")
    for _ in range(3):
        buy()
    failpoints.lift()
    server.stop()
    lines = [line for line in answered(server) if line["listener"] == "public"]
    assert [(line["route"], line["status"]) for line in lines] == [("buy", 503)] * told.count(503)
    assert told.count(503) >= 1 and {*told} <= {202, 503}
