"""
Imports: items and sales of a file, all of them or none, and nothing when they are there already.
"""

import csv
import io
import json

import pytest

from commands import operate
from penstock import OPERATOR_TOKEN, request

ITEMS = [{"sku": "S", "name": "A shoe, small", "on_hand": 10}, {"sku": "M", "name": "A shoe, medium", "on_hand": 20}]
SALE = {
    "id": "drop", "name": "The drop", "lots": [{"sku": "S", "units": 4}, {"sku": "M", "units": 5}], "price": {"amount": 17900, "currency": "EUR"},
    "limit_per_buyer": 2, "hold_seconds": 90, "rate": {"requests": 5, "seconds": 30}, "opens_at": "2098-01-01T10:00:00.000Z", "schedule": True,
}  # fmt: skip
LINES = """sku,item_name,on_hand,sale,sale_name,units,price,currency,limit,hold,rate,opens_at,schedule
S,"A shoe, small",10,drop,The drop,4,17900,EUR,2,90s,5/30,2098-01-01T10:00:00Z,yes
M,"A shoe, medium",20,drop,,5,,,,,,,
"""


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request, serve):
    settings = {}
    if request.param == "postgres":
        postgres = request.getfixturevalue("shared_postgres")
        settings["ledger.url"] = postgres.url(postgres.make_database())
    return serve(settings)


def write(shop, text, name="file"):
    (shop.folder / name).write_text(text if isinstance(text, str) else json.dumps(text, indent=1))
    return name


def imported(shop, text, *arguments):
    return operate(shop, "import", write(shop, text), *arguments)


def counts(done):
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return tuple(told[kind][what] for kind in ("items", "sales") for what in ("created", "unchanged"))


def everything(shop):
    """Whatever an import could have changed."""
    log = shop.operate("GET", "/v1/log?limit=1000").json["rows"]
    return shop.operate("GET", "/v1/items").json["items"], shop.operate("GET", "/v1/sales").json["sales"], log


@pytest.mark.parametrize("text", [{"items": ITEMS, "sales": [SALE]}, LINES], ids=["json", "csv"])
def test_a_file_is_imported_and_again_changes_nothing(shop, text):
    before = everything(shop)
    assert counts(imported(shop, text, "--dry-run", "--json")) == (2, 0, 1, 0)
    assert everything(shop) == before
    assert counts(imported(shop, text, "--json")) == (2, 0, 1, 0)
    sale = shop.sale("drop")
    for name, value in SALE.items():
        if name != "lots":
            assert sale[name] == value, name
    assert (sale["state"], [(lot["sku"], lot["units"]) for lot in sale["lots"]]) == ("draft", [("S", 4), ("M", 5)])
    items = {item["sku"]: (item["name"], item["on_hand"]) for item in shop.operate("GET", "/v1/items").json["items"]}
    assert items == {"S": ("A shoe, small", 6), "M": ("A shoe, medium", 15)}
    before = everything(shop)
    done = imported(shop, text)
    assert done.returncode == 0 and "0 made, 2 there already" in done.stdout and "0 made, 1 there already" in done.stdout
    assert everything(shop) == before
    assert shop.audit()


@pytest.mark.parametrize("text", [json.dumps({"items": ITEMS, "sales": [SALE]}), LINES], ids=["json", "csv"])
def test_a_mark_of_byte_order_is_no_part_of_a_file(server, text):
    assert counts(imported(server, "\ufeff" + text, "--dry-run", "--json")) == (2, 0, 1, 0)


def test_an_import_leaves_what_has_moved_on_as_it_is(shop):
    text = {"items": ITEMS, "sales": [{**SALE, "opens_at": None, "schedule": False}]}
    assert counts(imported(shop, text, "--json")) == (2, 0, 1, 0)
    for command in (("sale", "arm", "drop"), ("sale", "open", "drop"), ("item", "receive", "S", "5"), ("sale", "add", "drop", "S", "1")):
        assert operate(shop, *command).returncode == 0
    assert shop.buy("drop", "anna", body={"sku": "S"}).status == 202
    assert counts(imported(shop, text, "--json")) == (0, 2, 0, 1)
    assert (shop.sale("drop")["state"], shop.lot("drop")["held"], shop.lot("drop")["units"]) == ("open", 1, 5)
    more = {"items": [*ITEMS, {"sku": "L", "name": "Large", "on_hand": 3}], "sales": text["sales"] + [{**SALE, "id": "next", "lots": [{"sku": "L", "units": 3}]}]}
    assert counts(imported(shop, more, "--json")) == (1, 2, 1, 1)
    assert shop.sale("next")["lots"][0]["units"] == 3


def faulty():
    """(what is wrong with it, the file, the line that is told, a word)"""
    sold = {**SALE, "lots": [{"sku": "S", "units": 11}]}
    yield "units", {"items": ITEMS, "sales": [sold]}, "file:", "S has 10 units on hand, and 11 were asked for"
    twice = {"items": ITEMS, "sales": [SALE, {**sold, "id": "next"}]}
    yield "units of two sales", twice, "file:", "S has 6 units on hand beside what earlier sales of the import take, and 11 were asked for"
    yield "an item", {"items": ITEMS, "sales": [{**SALE, "lots": [{"sku": "S", "units": 1}, {"sku": "NONE", "units": 1}]}]}, "file:", "no item NONE"
    yield "a field", {"items": [*ITEMS, {"sku": "L", "name": "L", "on_hand": -1}]}, "file:", "on_hand"
    yield "unknown", {"items": ITEMS, "sales": [{**SALE, "colour": "red"}]}, "file:", "colour"
    yield "times", {"items": ITEMS, "sales": [{**SALE, "opens_at": "2001-01-01T00:00:00Z"}]}, "file:", "over"
    yield "twice", {"items": [*ITEMS, ITEMS[0]]}, "file:", "twice"
    yield "csv units", LINES.replace("drop,,5", "drop,,21"), "file:2:", "M has 20 units on hand, and 21 were asked for"
    yield "csv field", LINES.replace("drop,,5", "drop,,many"), "file:3:", "units"
    yield "csv other", LINES + "S,Another name,,drop,,1,,,,,,,\n", "file:4:", "item_name"
    yield "csv time", LINES.replace("2098-01-01T10:00:00Z", "soon"), "file:2:", "opens_at"
    yield "csv title", LINES.replace("item_name", "colour"), "file:1:", "colour"
    yield "csv quote", LINES + 'L,"open\n', "file:4:", "quote"
    yield "csv comma", "sku,item_name,on_hand\nL,Large,1,000\n", "file:2:", "more fields than in the first line"
    yield "csv titles alone", "sku,item_name,on_hand\n", "file:", "neither an item nor a sale"
    yield "json", '{"items":[\n{"sku":}]}', "file:2:", ""
    yield "empty", "", "file:", "empty"


@pytest.mark.parametrize("name,text,line,word", [pytest.param(*case, id=case[0]) for case in faulty()])
def test_a_fault_is_told_by_its_line_and_nothing_is_made(server, name, text, line, word):
    before = everything(server)
    for dry in ([], ["--dry-run"]):
        done = imported(server, text, *dry)
        assert done.returncode in (1, 2) and done.stdout == "", done.stdout
        assert line in done.stderr and word in done.stderr, done.stderr
        assert everything(server) == before


@pytest.mark.parametrize("body", [None, {}, {"dry_run": True}], ids=["no body", "an empty object", "dry_run alone"])
def test_an_import_of_neither_items_nor_sales_is_refused(server, body):
    before = everything(server)
    answer = server.operate("POST", "/v1/imports", body)
    assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "invalid-value", "") and "neither" in answer.json["detail"]
    assert everything(server) == before


def test_lines_of_json_are_counted_where_elements_begin(server):
    text = '{\n "items": [\n  {"sku": "S", "name": "brace { and \\" quote", "on_hand": 3},\n\n  {"sku": "M",\n   "name": "M", "on_hand": "x"}\n ]\n}\n'
    done = imported(server, text)
    assert done.returncode == 1 and "file:5: items[1].on_hand" in done.stderr, done.stderr


def test_what_is_there_with_other_content_is_refused(server):
    assert imported(server, {"items": ITEMS, "sales": [SALE]}).returncode == 0
    before = everything(server)
    for other, word in (
        ({"items": [{**ITEMS[0], "name": "Another"}]}, "another name"),
        ({"sales": [{**SALE, "price": {"amount": 1, "currency": "EUR"}}]}, "other terms"),
        ({"sales": [{**SALE, "lots": [{"sku": "S", "units": 4}]}]}, "other terms or lots"),
    ):
        done = imported(server, {"items": [{"sku": "L", "name": "L", "on_hand": 1}], **other} if "sales" in other else other)
        assert done.returncode == 1 and word in done.stderr, done.stderr
        assert everything(server) == before


def test_a_large_import_is_one_transaction(server):
    """More than a buyer's request may have, and less than the operators' listener takes."""
    items = [{"sku": f"SKU-{i}", "name": f"Item number {i}", "on_hand": i} for i in range(3000)]
    sales = [{**SALE, "id": f"sale-{i}", "lots": [{"sku": f"SKU-{i}", "units": i}]} for i in range(1, 100)]
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["sku", "item_name", "on_hand"])
    rows.writerows((item["sku"], item["name"], item["on_hand"]) for item in items)
    assert counts(imported(server, out.getvalue(), "--json")) == (3000, 0, 0, 0)
    assert counts(imported(server, {"items": items[:10], "sales": sales}, "--json")) == (0, 10, 99, 0)
    assert server.audit()
    done = imported(server, {"items": [{**item, "name": "x" * 200} for item in items]})
    assert done.returncode == 1 and "body-too-large" in done.stderr


def test_an_import_that_is_sent_again_is_done_once(server):
    body = {"items": ITEMS, "sales": [SALE]}
    first = server.operate("POST", "/v1/imports", body, headers={"Idempotency-Key": "k"})
    assert (first.status, first.json["items"]) == (200, {"created": 2, "unchanged": 0})
    again = server.operate("POST", "/v1/imports", body, headers={"Idempotency-Key": "k"})
    assert (again.status, again.json["items"], again.json["sales"]) == (200, {"created": 0, "unchanged": 2}, {"created": 0, "unchanged": 1})
    other = server.operate("POST", "/v1/imports", {"items": [{"sku": "L", "name": "L", "on_hand": 1}]}, headers={"Idempotency-Key": "k"})
    assert (other.status, other.code) == (422, "idempotency-key-reused")
    log = server.operate("GET", "/v1/log?limit=1000").json["rows"]
    assert [row["action"] for row in log] == ["item.create", "item.create", "sale.create", "import"]
    assert log[-1]["detail"] == {"items": 2, "sales": 1}


def test_only_the_operators_listener_takes_large_bodies(server):
    large = {"items": [], "x": "x" * 20000}
    assert server.operate("POST", "/v1/imports", large).code == "unknown-field"
    answer = request(server.public, "POST", "/v1/sales/drop/orders", large, {"Authorization": f"Bearer {OPERATOR_TOKEN}"})
    assert (answer.status, answer.code) == (413, "body-too-large")
