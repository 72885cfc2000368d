"""
The published clients, as tools/clients has packed and installed them, against the program; and
between the two a way that loses answers.
"""

import json
import re
import subprocess
import tarfile
import tomllib
import zipfile
from itertools import count

import pytest

from openapi import document
from penstock import OPERATOR_TOKEN, ROOT, buyer_token, plain_environment
from unkind import LOSE, PASS, answer, problem, token, unkind_way

MADE = ROOT / "build-clients"
DRIVERS = {
    "python": [MADE / "venv/bin/python", ROOT / "tests/clients/driver.py"],
    "typescript": ["node", MADE / "typescript-user/driver.js"],
}
numbers = count()


@pytest.fixture(params=DRIVERS)
def drive(request, server):
    def run(what, sale, url=None, buyer=None, **options):
        buyer = buyer or f"b{next(numbers)}"
        options = {
            "url": url or server.public,
            "operator": server.operator,
            "token": buyer_token(buyer),
            "operatorToken": OPERATOR_TOKEN,
            "sale": sale,
            **options,
        }
        done = subprocess.run([*DRIVERS[request.param], what, json.dumps(options)], capture_output=True, text=True, timeout=120, env=plain_environment())
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def sale(server):
    """A new one, of ten units, or of one in each size."""

    def make(sizes=(), **terms):
        name = f"drop-{next(numbers)}"
        server.make_sale(name, lots={f"{name}-{size}": 1 for size in sizes}, **terms)
        return name

    return make


def units(server, sale):
    lot = server.lot(sale)
    return lot["held"] + lot["confirmed"]


# --- What the generators make ---


def test_a_purchase_a_confirm_a_refund_in_part_and_a_list(server, drive, sale):
    drop = sale(limit_per_buyer=2)
    told = drive("day", drop)
    assert told["confirmed"] == server.order(told["bought"]).json["state"] == "confirmed"
    assert told["back"] == 1 and told["listed"] == [[told["bought"], 1]]
    assert told["absent"] == "unknown-order"


# --- buy() ---


def test_it_buys_once_under_a_key_of_its_own(server, drive, sale):
    drop = sale()
    first, second = drive("buy", drop, buyer="one"), drive("buy", drop, buyer="two", quantity=1)
    assert first["bought"] != second["bought"] and first["key"] != second["key"]
    assert not first["replayed"] and first["waits"] == []
    assert units(server, drop) == 2


def test_what_the_shop_calls_it_goes_with_every_attempt(server, drive, sale):
    said = {"reference": f"INV-{next(numbers)}", "metadata": {"channel": "app", "basket": "7"}}
    with unkind_way(server.public, LOSE, PASS) as (url, _):
        told = drive("buy", sale(), url, **said)
    assert told["replayed"]
    order = server.order(told["bought"]).json
    assert {name: order[name] for name in said} == said


def test_a_lost_answer_is_asked_for_again_with_the_same_key(server, drive, sale):
    drop = sale()
    with unkind_way(server.public, LOSE, LOSE, PASS) as (url, asked):
        told = drive("buy", drop, url)
    assert told["replayed"] and units(server, drop) == 1
    assert [key for _, _, key in asked] == [told["key"]] * 3
    assert [refusal for _, refusal in told["waits"]] == [None, None]


def test_it_waits_as_long_as_the_server_says(server, drive, sale):
    drop = sale()
    with unkind_way(server.public, problem(503, "overloaded", Retry_After="2"), problem(409, "request-in-flight", Retry_After="1"), PASS) as (url, _):
        told = drive("buy", drop, url)
    assert told["bought"] and units(server, drop) == 1
    (first, overloaded), (second, in_flight) = told["waits"]
    assert (overloaded, in_flight) == ("overloaded", "request-in-flight")
    assert 2 <= first <= 2.5 and 1 <= second <= 1.25


@pytest.mark.parametrize("page", [answer(502, "<h1>Bad gateway</h1>", Content_Type="text/html"), answer(202, "{", Content_Type="application/json")])
def test_an_answer_that_tells_nothing_is_no_answer(server, drive, sale, page):
    drop = sale()
    with unkind_way(server.public, page, PASS) as (url, _):
        told = drive("buy", drop, url)
    assert told["bought"] and [refusal for _, refusal in told["waits"]] == [None]


def test_a_proxys_refusal_is_no_refusal_of_the_shop(server, drive, sale):
    drop = sale()
    with unkind_way(server.public, answer(403, "<h1>Go away</h1>", Content_Type="text/html")) as (url, asked):
        assert drive("buy", drop, url)["unexpected"] == 403
    assert len(asked) == 1
    with unkind_way(server.public, LOSE, answer(403, "<h1>Go away</h1>", Content_Type="text/html")) as (url, _):
        assert "unknown" in drive("buy", drop, url)


def test_each_refusal_is_known_with_what_it_brings(server, drive, sale):
    drop, armed, ended, sizes = sale(units=2, limit_per_buyer=1), sale(state="armed"), sale(), sale("SM")
    limited = sale(rate={"requests": 1, "seconds": 600}, limit_per_buyer=2)
    server.operate("POST", f"/v1/sales/{ended}/end")
    first = drive("buy", drop, buyer="ann")
    told = drive("buy", drop, buyer="ann", patience=0)
    assert (told["refused"], told["brought"]) == ("buyer-limit-reached", [first["bought"]])
    drive("buy", drop)
    told = drive("buy", drop)
    assert (told["refused"], told["brought"]) == ("sold-out", True)
    told = drive("buy", armed, patience=0)
    assert (told["refused"], told["brought"]) == ("sale-not-open", "armed")
    assert drive("buy", ended)["refused"] == "sale-ended"
    told = drive("buy", sizes)
    assert (told["refused"], told["brought"]) == ("invalid-value", "sku")
    assert drive("buy", "none")["refused"] == "unknown-sale"
    assert drive("buy", sizes, sku=f"{sizes}-S", token="none")["refused"] == "unauthorized"
    first = drive("buy", limited, buyer="bob")
    assert drive("buy", limited, buyer="bob", key=first["key"], quantity=2)["refused"] == "idempotency-key-reused"
    assert drive("buy", limited, buyer="bob", patience=0)["refused"] == "rate-limited"


def test_a_refusal_of_a_newer_server_is_a_refusal(server, drive, sale):
    with unkind_way(server.public, problem(409, "queue-joined")) as (url, asked):
        assert drive("buy", sale(), url)["refused"] == "queue-joined"
    assert len(asked) == 1


# --- What is not known is never called refused ---


def test_without_an_answer_it_is_unknown_and_its_key_finds_it(server, drive, sale):
    drop = sale()
    with unkind_way(server.public, LOSE) as (url, _):
        lost = drive("buy", drop, url, buyer="eve", patience=1)
    assert lost["unknown"] is None
    found = drive("buy", drop, buyer="eve", key=lost["key"])
    assert found["replayed"] and units(server, drop) == 1


def test_a_503_after_a_lost_answer_is_unknown(server, drive, sale):
    drop = sale()
    with unkind_way(server.public, LOSE, problem(503, "overloaded", Retry_After="60")) as (url, _):
        lost = drive("buy", drop, url, patience=10)
    assert lost["unknown"] == "overloaded"
    with unkind_way(server.public, problem(503, "overloaded", Retry_After="60")) as (url, _):
        assert drive("buy", drop, url, patience=10)["refused"] == "overloaded"


def test_an_unknown_outcome_is_never_a_refusal(server, drive, sale):
    with unkind_way(server.public, problem(503, "outcome-unknown", Retry_After="1")) as (url, _):
        assert drive("buy", sale(), url, patience=0)["unknown"] == "outcome-unknown"


def test_a_login_that_lapsed_in_between_leaves_it_unknown(server, drive, sale):
    with unkind_way(server.public, LOSE, token("")) as (url, _):
        assert drive("buy", sale(), url)["unknown"] == "unauthorized"


def test_what_is_public_is_no_answer_to_a_login_that_lapsed(server, drive, sale):
    """
    The purchase was done and its answer lost; to a token that has run out the sale is sold out, and
    no more.
    """
    drop = sale(units=1)
    assert server.buy(drop, "fay", key="fay's").status == 202
    assert server.buy(drop, "gus").code == "sold-out"
    lapsed = token(buyer_token("fay", lifetime=-60))
    with unkind_way(server.public, answer(504, ""), lapsed) as (url, asked):
        told = drive("buy", drop, url, buyer="fay", key="fay's")
    assert told["unknown"] == "sold-out" and [method for method, _, _ in asked] == ["POST", "POST", "GET"]
    assert drive("buy", drop, buyer="fay", key="fay's")["replayed"]


def test_sold_out_to_a_login_that_holds_is_a_refusal(server, drive, sale):
    """The first request never came to the server, and the units went to another."""
    drop = sale(units=1)
    drive("buy", drop)
    with unkind_way(server.public, answer(504, ""), PASS) as (url, asked):
        assert drive("buy", drop, url)["refused"] == "sold-out"
    assert [method for method, _, _ in asked] == ["POST", "POST", "GET"]


@pytest.mark.parametrize("drive", ["typescript"], indirect=True)
def test_whoever_stops_waiting_is_told_that_it_is_unknown(server, drive, sale):
    with unkind_way(server.public, LOSE) as (url, asked):
        assert drive("buy", sale(), url, abortAfterWait=True)["unknown"] is None
    assert len(asked) == 1


# --- The packages ---


def test_python_has_a_class_for_each_code():
    codes = document("public").json["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    program = "import penstock_client as p; print(*p.Refused.types); print(len({*p.Refused.types.values()}))"
    told, types = subprocess.check_output([DRIVERS["python"][0], "-c", program], text=True).splitlines()
    assert sorted(told.split()) == sorted(codes) and int(types) == len(codes)


def test_the_packages_have_the_programs_version_and_all_that_they_need():
    version = re.search(r"^  version : '([^']+)'", (ROOT / "meson.build").read_text(), re.M).group(1)
    manifest = json.loads((ROOT / "clients/typescript/package.json").read_text())
    project = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]
    assert (manifest["name"], project["name"]) == ("penstock-client", "penstock-client")
    assert manifest["version"] == project["version"] == document("public").json["info"]["version"] == version
    with tarfile.open(MADE / f"penstock-client-{version}.tgz") as package:
        names = set(package.getnames())
    assert {f"package/dist/{name}" for name in ("index.js", "index.d.ts", "public.d.ts", "operator.d.ts")} | {"package/LICENSE", "package/README.md"} <= names
    with zipfile.ZipFile(MADE / f"penstock_client-{version}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
    assert {f"penstock_client/{name}" for name in ("py.typed", "__init__.py", "public/client.py", "operator/client.py")} <= names
    assert any(name.endswith("LICENSE") for name in names)


@pytest.mark.parametrize("path", ["typescript/src/index.ts", "python/src/penstock_client/__init__.py"])
def test_a_client_is_thin(path):
    assert len((ROOT / "clients" / path).read_text().splitlines()) < 300
