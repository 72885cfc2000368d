"""The warehouse and the life of a sale by the operator's hand."""

import contextlib
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request

import pytest

import openapi
from penstock import OPERATOR_TOKEN, request, rfc3339, run, wait_until


def test_items_are_made_received_and_listed(server):
    answer = server.operate("POST", "/v1/items", {"sku": "A-1", "name": "Item", "on_hand": 5})
    assert (answer.status, answer.header("Location")) == (201, "/v1/items/A-1")
    assert server.operate("POST", "/v1/items/A-1/receive", {"units": 7}).json["on_hand"] == 12
    assert server.operate("GET", "/v1/items/A-1").json == {"sku": "A-1", "name": "Item", "on_hand": 12}
    assert server.operate("POST", "/v1/items", {"sku": "A-1", "name": "Other", "on_hand": 1}).code == "name-taken"
    assert server.operate("GET", "/v1/items/A-2").code == "unknown-item"
    assert server.operate("POST", "/v1/items/A-2/receive", {"units": 1}).code == "unknown-item"
    for i in range(2, 6):
        server.operate("POST", "/v1/items", {"sku": f"A-{i}", "name": "Item", "on_hand": 0})
    page = server.operate("GET", "/v1/items?limit=3").json
    assert [item["sku"] for item in page["items"]] == ["A-1", "A-2", "A-3"]
    page = server.operate("GET", f"/v1/items?limit=3&after={page['next']}").json
    assert [item["sku"] for item in page["items"]] == ["A-4", "A-5"] and page["next"] is None


@pytest.mark.parametrize(
    "change,code,field",
    [
        ({"id": "UPPER"}, "invalid-value", "id"),
        ({"id": None}, "invalid-value", "id"),
        ({"name": ""}, "invalid-value", "name"),
        ({"lots": []}, "invalid-value", "lots"),
        ({"lots": [{"sku": "A", "units": 0}]}, "invalid-value", "lots[0].units"),
        ({"lots": [{"sku": "A", "units": 1}, {"sku": "A", "units": 1}]}, "invalid-value", "lots"),
        ({"lots": [{"sku": "none", "units": 1}]}, "unknown-item", None),
        ({"lots": [{"sku": "A", "units": 11}]}, "not-enough-units", None),
        ({"price": {"amount": 1}}, "invalid-value", "price.currency"),
        ({"price": {"amount": 1, "currency": "euro"}}, "invalid-value", "price.currency"),
        ({"limit_per_buyer": 0}, "invalid-value", "limit_per_buyer"),
        ({"rate": {"requests": 61, "seconds": 1}}, "invalid-value", "rate.requests"),
        ({"hold_seconds": -1}, "invalid-value", "hold_seconds"),
        ({"opens_at": "tomorrow"}, "invalid-value", "opens_at"),
        ({"opens_at": "2030-01-02T00:00:00Z", "closes_at": "2030-01-01T00:00:00Z"}, "invalid-value", "closes_at"),
        ({"opens_at": "2020-01-01T00:00:00Z"}, "invalid-value", "opens_at"),
        ({"opens_at": "2099-01-01T00:00:00-00:00"}, "invalid-value", "opens_at"),
        ({"closes_at": "2020-01-01T00:00:00Z"}, "invalid-value", "closes_at"),
        ({"schedule": True}, "invalid-value", "schedule"),
        ({"colour": "red"}, "unknown-field", "colour"),
    ],
)
def test_a_bad_sale_is_refused_and_takes_no_units(server, change, code, field):
    server.operate("POST", "/v1/items", {"sku": "A", "name": "A", "on_hand": 10})
    body = {"id": "s", "name": "s", "lots": [{"sku": "A", "units": 1}], "price": {"amount": 1, "currency": "EUR"}, **change}
    answer = server.operate("POST", "/v1/sales", {k: v for k, v in body.items() if not (k == "id" and v is None)})
    assert (answer.code, answer.json.get("field")) == (code, field)
    assert server.operate("GET", "/v1/items/A").json["on_hand"] == 10
    server.audit()


@pytest.mark.parametrize("query,code,field", [("stat=held", "unknown-field", "stat"), ("state=", "invalid-value", "state"),
    ("state", "invalid-value", "state"), ("sale=&buyer=anna", "invalid-value", "sale"), ("limit=", "invalid-value", "limit"),
    ("state=held&state=held", "invalid-value", "state")])
def test_a_filter_that_is_misspelt_or_empty_does_not_show_everybodys_orders(server, query, code, field):
    answer = server.operate("GET", f"/v1/orders?{query}")
    assert (answer.status, answer.code, answer.json["field"]) == (422, code, field)


def test_every_route_refuses_a_parameter_that_it_does_not_know(server):
    server.make_sale("drop", 5)
    fill = {"{sale}": "drop", "{sku}": "drop-item", "{relay}": "shop", "{order}": "0193e0a1-5c3f-7000-9c1e-2f6a4b000001", "{file}": "swagger-ui.css"}
    for listener, ask in (("public", server.ask), ("operator", server.operate)):
        for path, method, _ in openapi.document(listener).operations():
            for name, value in fill.items():
                path = path.replace(name, value)
            body = None if method == "GET" else ""
            answer = ask(method, path + "?nonsense=1", body=body)
            assert (answer.status, answer.code, answer.json["field"]) == (422, "unknown-field", "nonsense"), (method, path)
    assert server.sale("drop")["state"] == "open"


def test_a_sale_takes_its_units_from_the_item_and_gives_back_what_is_left(server):
    server.operate("POST", "/v1/items", {"sku": "A", "name": "A", "on_hand": 10})
    server.make_sale("drop", lots={"A": 6}, hold_seconds=0)
    assert server.operate("GET", "/v1/items/A").json["on_hand"] == 4
    assert server.buy("drop", "anna").status == 202
    assert server.operate("POST", "/v1/sales/drop/end").json["state"] == "ended"
    wait_until(lambda: server.operate("GET", "/v1/items/A").json["on_hand"] == 9, 10)
    assert server.lot("drop") == {"sku": "A", "units": 6, "available": 0, "held": 0, "confirmed": 1, "withdrawn": 5}
    server.audit()


def test_a_draft_is_never_public_and_is_deleted(server):
    server.operate("POST", "/v1/items", {"sku": "A", "name": "A", "on_hand": 10})
    first = server.make_sale("drop", lots={"A": 6}, state="draft")
    refusal = server.operate("POST", "/v1/sales/drop/end")
    assert (refusal.code, refusal.json["state"]) == ("sale-state", "draft") and "deleted" in refusal.json["detail"]
    assert server.ask("GET", "/v1/sales/drop").code == "unknown-sale"
    assert server.buy("drop", "anna").code == "unknown-sale"
    gone = server.operate("POST", "/v1/sales/drop/delete").json
    assert (gone["id"], gone["state"], gone["lots"][0]["withdrawn"]) == ("drop", "deleted", 6)
    assert server.operate("GET", "/v1/items/A").json["on_hand"] == 10
    assert server.operate("GET", "/v1/sales/drop").code == "unknown-sale"
    assert server.operate("POST", "/v1/sales/drop/delete").code == "unknown-sale"
    assert server.operate("GET", "/v1/sales").json["sales"] == [] and server.ask("GET", "/v1/sales").json["sales"] == []
    again = server.make_sale("drop", lots={"A": 10})
    assert again["number"] > first["number"]
    assert server.operate("POST", "/v1/sales/drop/delete").code == "sale-state"
    assert server.buy("drop", "anna").status == 202
    server.audit()
    server.kill()
    server.restart()
    assert [sale["number"] for sale in server.operate("GET", "/v1/sales").json["sales"]] == [again["number"]]
    server.audit()


def test_an_announced_draft_is_coming(server):
    opens_at = "2099-01-01T10:00:00.000Z"
    server.make_sale("drop", 5, state="draft", opens_at=opens_at, announce=True)
    assert server.ask("GET", "/v1/sales/drop").json == {
        "id": "drop", "name": "drop", "state": "coming", "opens_at": opens_at, "closes_at": None
    }
    assert [sale["state"] for sale in server.ask("GET", "/v1/sales").json["sales"]] == ["coming"]
    refusal = server.buy("drop", "anna")
    assert (refusal.code, refusal.json["state"], refusal.json["opens_at"]) == ("sale-not-open", "coming", opens_at)
    assert server.operate("PATCH", "/v1/sales/drop", {"announce": False}).json["announce"] is False
    assert server.ask("GET", "/v1/sales/drop").code == "unknown-sale"


def test_the_clock_opens_what_is_scheduled_and_no_other_draft(server):
    at = in_seconds(6)
    server.make_sale("draft", 5, state="draft", opens_at=at)
    server.make_sale("scheduled", 5, state="draft", opens_at=at, schedule=True)
    wait_until(lambda: server.buy("scheduled", "anna").status == 202, 10)
    assert server.sale("draft")["state"] == "draft"
    assert server.buy("draft", "anna").code == "unknown-sale"
    arm = server.operate("POST", "/v1/sales/draft/arm")
    assert (arm.status, arm.json["field"]) == (422, "opens_at")
    assert server.operate("POST", "/v1/sales/draft/open").json["state"] == "open"


def test_holds_of_an_ended_sale_still_live_and_their_units_go_back(serve):
    server = serve({"sale.hold_grace": "100ms"})
    server.operate("POST", "/v1/items", {"sku": "A", "name": "A", "on_hand": 2})
    server.make_sale("drop", lots={"A": 2}, hold_seconds=10)
    one, two = (server.buy("drop", buyer).json["id"] for buyer in ("anna", "bert"))
    server.operate("POST", "/v1/sales/drop/end")
    assert server.operate("POST", f"/v1/orders/{one}/confirm").status == 200
    wait_until(lambda: server.operate("GET", "/v1/items/A").json["on_hand"] == 1, 10)
    assert server.order(two).json["state"] == "expired"
    server.audit()


def test_units_are_added_and_withdrawn_while_it_runs(server):
    server.operate("POST", "/v1/items", {"sku": "A", "name": "A", "on_hand": 10})
    server.make_sale("drop", lots={"A": 1}, hold_seconds=0)
    assert server.buy("drop", "anna").status == 202
    assert server.buy("drop", "bert").code == "sold-out"
    assert server.buy("drop", "bert").code == "sold-out"
    answer = server.operate("POST", "/v1/sales/drop/lots/A/add", {"units": 3})
    assert (answer.status, answer.json["available"], answer.json["units"]) == (200, 3, 4)
    assert server.buy("drop", "bert").status == 202  # the latch has lifted
    answer = server.operate("POST", "/v1/sales/drop/lots/A/withdraw", {"units": 5, "up_to": True})
    assert (answer.json["units_withdrawn"], answer.json["available"], answer.json["withdrawn"]) == (2, 0, 2)
    assert server.operate("GET", "/v1/items/A").json["on_hand"] == 8
    refusal = server.operate("POST", "/v1/sales/drop/lots/A/add", {"units": 9})
    assert (refusal.code, refusal.json["detail"]) == ("not-enough-units", "The item A has 8 units on hand, and 9 were asked for.")
    assert server.operate("POST", "/v1/sales/drop/lots/B/add", {"units": 1}).status == 404
    assert server.buy("drop", "carl").code == "sold-out"
    server.audit()
    server.kill()
    server.restart()
    assert server.lot("drop") == {"sku": "A", "units": 4, "available": 0, "held": 0, "confirmed": 2, "withdrawn": 2}
    server.audit()


def keyed(server, path, body, key, **options):
    return server.operate("POST", path, body, headers={"Idempotency-Key": key}, **options)


def test_a_receipt_that_is_sent_again_comes_in_once_and_is_taken_back_with_a_reason(server):
    server.operate("POST", "/v1/items", {"sku": "A", "name": "A", "on_hand": 10})
    first = keyed(server, "/v1/items/A/receive", {"units": 5}, "k")
    again = keyed(server, "/v1/items/A/receive", {"units": 5}, "k")
    assert [answer.json["on_hand"] for answer in (first, again)] == [15, 15]
    assert (first.header("Idempotent-Replayed"), again.header("Idempotent-Replayed")) == (None, "true")
    server.kill()
    server.restart()
    assert keyed(server, "/v1/items/A/receive", {"units": 5}, "k").json["on_hand"] == 15
    assert keyed(server, "/v1/items/A/receive", {"units": 6}, "k").code == "idempotency-key-reused"
    assert keyed(server, "/v1/items/A/receive", {"units": 5}, "other").json["on_hand"] == 20
    assert server.operate("POST", "/v1/items/A/adjust", {"units": -5, "reason": "counted twice"}).json["on_hand"] == 15
    refusal = server.operate("POST", "/v1/items/A/adjust", {"units": -16, "reason": "all"})
    assert (refusal.code, refusal.json["detail"]) == ("not-enough-units", "The item A has 15 units on hand, and 16 were asked for.")
    assert server.operate("POST", "/v1/items/A/adjust", {"units": 0, "reason": "none"}).json["field"] == "units"
    assert server.operate("POST", "/v1/items/A/adjust", {"units": 1}).json["field"] == "reason"
    assert keyed(server, "/v1/items/A/receive", {"units": 5}, "").json["field"] == "Idempotency-Key"
    server.audit()


def test_what_an_operator_sends_again_is_done_once(server):
    item = {"sku": "A", "name": "A", "on_hand": 10}
    assert [keyed(server, "/v1/items", item, "item").status for _ in range(2)] == [201, 201]
    sale = {"id": "drop", "name": "drop", "lots": [{"sku": "A", "units": 6}], "price": {"amount": 1, "currency": "EUR"}, "rate": None}
    made = [keyed(server, "/v1/sales", sale, "sale") for _ in range(2)]
    assert [answer.status for answer in made] == [201, 201] and made[0].json["number"] == made[1].json["number"]
    assert keyed(server, "/v1/sales/drop/open", "", "open").json["state"] == "open"
    withdrawn = [keyed(server, "/v1/sales/drop/lots/A/withdraw", {"units": 2}, "w").json["units_withdrawn"] for _ in range(3)]
    assert withdrawn == [2, 2, 2]
    assert keyed(server, "/v1/sales/drop/lots/A/withdraw", {"units": 3}, "w").code == "idempotency-key-reused"
    added = [keyed(server, "/v1/sales/drop/lots/A/add", {"units": 1}, "a").json["units"] for _ in range(2)]
    assert added == [7, 7]
    server.kill()
    server.restart()
    assert keyed(server, "/v1/sales/drop/lots/A/withdraw", {"units": 2}, "w").json["units_withdrawn"] == 2
    assert server.lot("drop") == {"sku": "A", "units": 7, "available": 5, "held": 0, "confirmed": 0, "withdrawn": 2}
    assert keyed(server, "/v1/sales/drop/end", "", "end").json["state"] == "ended"
    assert keyed(server, "/v1/sales/drop/open", "", "open").json["state"] == "ended"
    server.audit()


def test_an_extension_with_a_key_is_done_once(server):
    server.make_sale("drop", 3, hold_seconds=60)
    order = server.buy("drop", "anna").json["id"]
    path = f"/v1/orders/{order}/extend"

    def extend(key="k", seconds=600):
        return keyed(server, path, {"seconds": seconds}, key)

    first = extend()
    again = extend()
    assert (first.status, again.status) == (200, 200)
    assert (first.header("Idempotent-Replayed"), again.header("Idempotent-Replayed")) == (None, "true")
    assert again.json["hold_expires_at"] == first.json["hold_expires_at"]
    refusal = extend(seconds=900)
    assert (refusal.status, refusal.code) == (422, "idempotency-key-reused")
    server.kill()
    server.restart()
    assert extend().json["hold_expires_at"] == first.json["hold_expires_at"]
    # Another has moved it further since: it stays there.
    further = extend("other", 1200)
    assert further.json["hold_expires_at"] > first.json["hold_expires_at"] and not further.header("Idempotent-Replayed")
    assert extend().json["hold_expires_at"] == further.json["hold_expires_at"]
    # Whatever became of the order since.
    confirm = f"/v1/orders/{order}/confirm"
    confirmed = [keyed(server, confirm, None, "c").header("Idempotent-Replayed") for _ in range(2)]
    assert confirmed == [None, "true"]
    answer = extend()
    assert (answer.status, answer.json["state"], answer.header("Idempotent-Replayed")) == (200, "confirmed", "true")
    assert extend("late").code == "order-state"
    assert extend("late").code == "order-state", "a refusal uses no key up, and is none that was done"
    actions = [row["action"] for row in server.operate("GET", f"/v1/log?subject={order}").json["rows"]]
    assert actions == ["order.extend", "order.extend", "order.confirm"]
    server.audit()


def test_an_extension_of_a_cancelled_order_is_refused_when_its_sale_has_left_the_stock(serve):
    server = serve()
    server.make_sale("drop", 3, hold_seconds=60)
    order = server.buy("drop", "anna").json["id"]
    assert server.operate("POST", f"/v1/orders/{order}/cancel").status == 200
    assert server.operate("POST", "/v1/sales/drop/end").status == 200
    server.stop()
    with contextlib.closing(sqlite3.connect(server.ledger)) as ledger, ledger:
        ledger.execute("update sales set ended_at_ms = ended_at_ms - 3 * 86400000")
    server.start()
    # Where it was stopped before the units that were left had gone back, that comes first.
    wait_until(lambda: request(server.public, "GET", "/v1/sales/drop").status == 404, 20, "the end of its retention")
    assert server.operate("POST", f"/v1/orders/{order}/extend", {"seconds": 60}).code == "order-state"


def test_what_takes_no_body_ignores_none(server):
    """
    Found: `open`, `end` and the audit took any body, and somebody's `{"state": "draft"}` was lost
    without a word.
    """
    server.make_sale("drop", 3, state="armed")
    order = "/v1/orders/01900000-0000-7000-8000-000000000001"
    moves = [f"/v1/sales/drop/{move}" for move in ("arm", "open", "pause", "resume", "disarm", "end", "delete")]
    for path in [*moves, "/v1/audit", f"{order}/confirm"]:
        refusal = server.operate("POST", path, {"quantity": 1})
        assert (refusal.status, refusal.code, refusal.json["field"]) == (422, "unknown-field", "quantity"), path
    refusal = server.ask("POST", f"{order}/cancel", buyer="anna", body={"quantity": 1})
    assert (refusal.status, refusal.json["field"]) == (422, "quantity")
    assert server.sale("drop")["state"] == "armed"
    assert server.operate("POST", "/v1/sales/drop/open", {}).json["state"] == "open"
    assert server.operate("POST", "/v1/audit", {}).json["ok"]


def test_a_withdrawal_is_exact(server):
    server.make_sale("drop", 3, hold_seconds=0)
    refusal = server.operate("POST", "/v1/sales/drop/lots/drop-item/withdraw", {"units": 4})
    assert (refusal.status, refusal.code) == (409, "not-enough-units") and "3 units available" in refusal.json["detail"]
    assert server.lot("drop")["available"] == 3
    assert server.operate("POST", "/v1/sales/drop/lots/drop-item/withdraw", {"units": 3}).json["units_withdrawn"] == 3


def test_a_drafts_lots_are_changed(server):
    server.operate("POST", "/v1/items", {"sku": "A", "name": "A", "on_hand": 10})
    server.operate("POST", "/v1/items", {"sku": "B", "name": "B", "on_hand": 10})
    server.make_sale("drop", lots={"A": 6}, state="draft")
    changed = server.operate("PATCH", "/v1/sales/drop", {"lots": [{"sku": "A", "units": 2}, {"sku": "B", "units": 3}]})
    assert [(lot["sku"], lot["available"]) for lot in changed.json["lots"]] == [("A", 2), ("B", 3)]
    assert server.operate("GET", "/v1/items/A").json["on_hand"] == 8
    refusal = server.operate("PATCH", "/v1/sales/drop", {"lots": [{"sku": "B", "units": 99}]})
    assert refusal.code == "not-enough-units"
    assert refusal.json["detail"] == "The item B has 7 units on hand beside those that the lot has, and 99 were asked for."
    refusal = server.operate("POST", "/v1/sales", {"id": "more", "name": "More", "price": {"amount": 1, "currency": "EUR"}, "lots": [{"sku": "A", "units": 9}]})
    assert (refusal.code, refusal.json["detail"]) == ("not-enough-units", "The item A has 8 units on hand, and 9 were asked for.")
    assert server.operate("PATCH", "/v1/sales/drop", {"lots": [{"sku": "C", "units": 1}]}).code == "unknown-item"
    assert server.operate("PATCH", "/v1/sales/drop", {"name": "x", "lots": [{"sku": "B", "units": 1}]}).json["field"] == "lots"
    server.operate("POST", "/v1/sales/drop/open")
    assert server.operate("PATCH", "/v1/sales/drop", {"lots": [{"sku": "B", "units": 1}]}).code == "sale-state"
    server.audit()


def test_the_moves_that_a_state_does_not_allow(server):
    server.make_sale("drop", 5, state="draft")
    refusal = server.operate("POST", "/v1/sales/drop/pause")
    assert (refusal.code, refusal.json["state"]) == ("sale-state", "draft") and "armed" in refusal.json["detail"]
    assert server.operate("POST", "/v1/sales/drop/arm").json["state"] == "armed"
    assert server.operate("POST", "/v1/sales/drop/arm").json["state"] == "armed"
    assert server.operate("POST", "/v1/sales/drop/resume").json["state"] == "armed"
    assert server.operate("POST", "/v1/sales/drop/open").json["state"] == "open"
    assert server.operate("POST", "/v1/sales/drop/end").json["state"] == "ended"
    assert server.operate("POST", "/v1/sales/drop/open").code == "sale-state"
    assert server.operate("POST", "/v1/sales/none/open").code == "unknown-sale"


def test_what_can_be_changed_before_and_after_arming(server):
    server.make_sale("drop", 5, state="draft")
    for nothing in (None, {}):
        refusal = server.operate("PATCH", "/v1/sales/drop", nothing)
        assert refusal.code == "invalid-value" and "at least one field" in refusal.json["detail"]
    answer = server.operate("PATCH", "/v1/sales/drop", {"name": "New", "limit_per_buyer": 4, "rate": {"requests": 9, "seconds": 9}})
    assert (answer.json["name"], answer.json["limit_per_buyer"], answer.json["rate"]) == ("New", 4, {"requests": 9, "seconds": 9})
    server.operate("POST", "/v1/sales/drop/arm")
    refusal = server.operate("PATCH", "/v1/sales/drop", {"limit_per_buyer": 5})
    assert refusal.code == "sale-state" and "Disarm it" in refusal.json["detail"]
    change = {"price": {"amount": 1, "currency": "USD"}, "hold_seconds": 7, "opens_at": "2098-01-01T00:00:00.000Z", "late_confirm": True}
    answer = server.operate("PATCH", "/v1/sales/drop", change).json
    assert {name: answer[name] for name in change} == change and answer["state"] == "armed"
    assert server.ask("GET", "/v1/sales/drop").json["price"] == change["price"]
    refusal = server.buy("drop", "anna")
    assert (refusal.code, refusal.json["opens_at"]) == ("sale-not-open", change["opens_at"])
    assert server.operate("PATCH", "/v1/sales/drop", {"name": "Newer", "closes_at": "2099-01-01T00:00:00.000Z"}).json["name"] == "Newer"
    assert server.operate("PATCH", "/v1/sales/drop", {"opens_at": "never"}).json["field"] == "opens_at"
    answer = server.operate("PATCH", "/v1/sales/drop", {"closes_at": "2099-01-01T01:00:00+01:00"})
    assert answer.json["closes_at"] == "2099-01-01T00:00:00.000Z"


def test_an_armed_sale_is_disarmed_corrected_and_armed_again(server):
    server.operate("POST", "/v1/items", {"sku": "A", "name": "A", "on_hand": 10})
    server.make_sale("drop", lots={"A": 6}, state="armed", opens_at="2099-01-01T10:00:00.000Z")
    assert server.operate("POST", "/v1/sales/drop/pause").json["state"] == "paused"
    assert server.operate("POST", "/v1/sales/drop/resume").json["state"] == "armed"
    assert server.operate("POST", "/v1/sales/drop/pause").json["state"] == "paused"
    epoch = server.sale("drop")["epoch"]
    answer = server.operate("POST", "/v1/sales/drop/disarm").json
    assert (answer["state"], answer["schedule"]) == ("draft", False) and answer["epoch"] > epoch
    assert server.operate("POST", "/v1/sales/drop/disarm").json["state"] == "draft"
    assert server.ask("GET", "/v1/sales/drop").code == "unknown-sale"
    assert server.operate("PATCH", "/v1/sales/drop", {"limit_per_buyer": 2, "opens_at": None}).status == 200
    assert server.operate("PATCH", "/v1/sales/drop", {"lots": [{"sku": "A", "units": 3}]}).status == 200
    assert server.operate("GET", "/v1/items/A").json["on_hand"] == 7
    assert server.operate("POST", "/v1/sales/drop/open").json["state"] == "open"
    assert server.operate("POST", "/v1/sales/drop/disarm").code == "sale-state"
    assert server.buy("drop", "anna", body={"quantity": 2}).status == 202
    assert server.buy("drop", "bert", body={"quantity": 2}).code == "sold-out"
    log = [row["action"] for row in server.operate("GET", "/v1/log").json["rows"] if row["subject"] == "drop"]
    assert [action for action in log if action not in ("sale.pause", "sale.resume")] == ["sale.create", "sale.arm", "sale.disarm", "sale.update", "sale.lots", "sale.arm", "sale.open"]
    server.audit()
    server.kill()
    server.restart()
    assert server.sale("drop")["lots"][0]["available"] == 1
    server.audit()


def in_seconds(seconds):
    """
    Enough of them that what is asked before that moment is answered before it on a busy machine,
    too.
    """
    return rfc3339(time.time() + seconds)


def test_a_sale_that_is_paused_before_it_opens_is_corrected_and_opened_by_the_clock_after_it_is_resumed(server):
    server.make_sale("drop", 3, state="armed", opens_at=in_seconds(6))
    assert server.operate("POST", "/v1/sales/drop/pause").json["state"] == "paused"
    opens_at = server.sale("drop")["opens_at"]
    wait_until(lambda: in_seconds(0) > opens_at, 10, "its opening time")
    answer = server.buy("drop", "anna")
    assert (answer.code, answer.json["state"]) == ("sale-not-open", "paused")
    server.kill()
    server.restart()
    assert server.sale("drop")["state"] == "paused"
    assert server.operate("PATCH", "/v1/sales/drop", {"price": {"amount": 5, "currency": "EUR"}}).json["price"]["amount"] == 5
    later = in_seconds(6)
    assert server.operate("PATCH", "/v1/sales/drop", {"opens_at": later}).json["opens_at"] == later
    refusal = server.operate("POST", "/v1/sales/drop/open")
    assert (refusal.code, refusal.json["state"]) == ("sale-state", "paused") and "resumed, disarmed" in refusal.json["detail"]
    assert server.operate("POST", "/v1/sales/drop/resume").json["state"] in ("armed", "open")
    wait_until(lambda: server.buy("drop", "anna", key="k").status == 202, 10, "the sale")
    assert server.operate("PATCH", "/v1/sales/drop", {"price": {"amount": 6, "currency": "EUR"}}).code == "sale-state"
    assert server.operate("POST", "/v1/sales/drop/pause").json["state"] == "paused"
    assert server.operate("POST", "/v1/sales/drop/disarm").code == "sale-state"
    # The ledger may not have heard yet that the sale was opened; it is sold from all the same.
    assert server.operate("POST", "/v1/sales/drop/resume").json["state"] in ("armed", "open")
    wait_until(lambda: server.buy("drop", "berta", key="k").status == 202, 10, "the sale again")
    server.audit()


def test_who_watches_a_sale_that_is_disarmed_sees_nothing_of_the_draft(server):
    server.make_sale("drop", 5, state="armed", opens_at="2099-01-01T10:00:00.000Z")
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.settimeout(30)
        connection.sendall(b"GET /v1/sales/drop/events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert any(b'"state":"armed"' in line for line in stream)
        server.operate("POST", "/v1/sales/drop/disarm")
        server.operate("PATCH", "/v1/sales/drop", {"name": "Secret"})
        rest = stream.read()  # it ends
    assert b"draft" not in rest and b"Secret" not in rest
    assert server.ask("GET", "/v1/sales/drop/events").code == "unknown-sale"


def test_a_sale_opens_and_closes_by_the_clock(server):
    now = time.time()
    server.make_sale("drop", 50, state="draft", schedule=True, opens_at=rfc3339(now + 4), closes_at=rfc3339(now + 10))
    wait_until(lambda: server.sale("drop")["state"] == "armed", 5)
    assert server.buy("drop", "anna").code == "sale-not-open"
    wait_until(lambda: server.buy("drop", "anna").status == 202, 5)
    opened = time.time()
    assert opened >= now + 4
    wait_until(lambda: server.buy("drop", "bert").code == "sale-ended" if time.time() > now + 10.1 else None, 5)
    wait_until(lambda: server.sale("drop")["state"] == "ended", 5)
    server.audit()


def test_thousands_of_sales_are_independent(server):
    server.operate("POST", "/v1/items", {"sku": "A", "name": "A", "on_hand": 100000})
    for i in range(300):
        server.make_sale(f"sale-{i}", lots={"A": 2}, hold_seconds=0)
    assert server.buy("sale-7", "anna").status == 202
    assert server.buy("sale-299", "anna").status == 202
    assert server.lot("sale-8")["available"] == 2
    page = request(server.public, "GET", "/v1/sales?limit=200").json
    assert len(page["sales"]) == 200 and page["next"]
    server.kill()
    server.restart()
    assert server.lot("sale-7")["available"] == 1
    server.audit()


def test_the_log_tells_who_did_what_and_is_chained(server):
    server.make_sale("drop", 5)
    server.operate("POST", "/v1/sales/drop/pause")
    log = lambda: server.operate("GET", "/v1/log").json["rows"]  # noqa: E731
    rows = wait_until(lambda: log()[-1]["action"] == "sale.pause" and log(), 10, "the pause in the ledger, where it goes last")
    assert {row["actor"] for row in rows} == {"operator"}
    assert len({row["hash"] for row in rows}) == len(rows)
    assert server.audit()["operator_log"] == {"rows": len(rows), "broken": 0}


def test_the_operator_log_is_whole_and_narrowed(server):
    server.make_sale("drop", 5, hold_seconds=60)
    order = server.buy("drop", "anna").json["id"]
    assert server.operate("POST", f"/v1/orders/{order}/extend", {"seconds": 600}).status == 200
    assert server.operate("POST", f"/v1/orders/{order}/confirm").status == 200
    server.operate("PUT", "/v1/log-level", {"level": "debug"})

    def actions(query=""):
        answer = server.operate("GET", f"/v1/log?limit=1000{query}")
        assert answer.status == 200, answer.body
        return [row["action"] for row in answer.json["rows"]]

    for _ in range(3):
        assert server.operate("GET", "/v1/items", token="a-token-of-nobody").status == 401
    wait_until(lambda: "operator.refused" in actions(), 10, "the failed logins")
    whole = actions()
    assert {"sale.create", "sale.open", "order.extend", "order.confirm", "log.level"} <= set(whole)
    assert whole.count("operator.refused") == 1
    assert actions("&order=newest") == whole[::-1]
    assert actions("&kind=payments") == ["order.extend", "order.confirm"]
    assert actions("&kind=doings") == [action for action in whole if not action.startswith("order.")]
    assert actions("&action=sale") == [action for action in whole if action.startswith("sale.")]
    assert actions("&action=order.extend") == ["order.extend"]
    for unknown in ("nosuch", "sal", "sale.", "sale.opened"):
        refusal = server.operate("GET", f"/v1/log?action={unknown}")
        assert (refusal.status, refusal.code, refusal.json["field"]) == (422, "invalid-value", "action"), unknown
        assert all(action in refusal.json["detail"] for action in whole) and "settings.reload" in refusal.json["detail"]
    assert actions(f"&subject={order}") == ["order.extend", "order.confirm"]
    assert actions("&actor=stranger") == [] and actions("&since=2099-01-01T00:00:00%2B01:00") == []
    for query, field in (("since=yesterday", "since"), ("kind=all", "kind"), ("order=up", "order"), ("actor=", "actor")):
        assert server.operate("GET", f"/v1/log?{query}").json["field"] == field
    page = server.operate("GET", "/v1/log?order=newest&limit=2").json
    older = server.operate("GET", f"/v1/log?order=newest&limit=2&after={page['next']}").json
    assert [row["action"] for row in page["rows"] + older["rows"]] == whole[::-1][:4]
    server.audit()


def test_an_operator_who_is_called_as_the_buyer_is_in_the_log(serve):
    """And the buyer, whatever it is called, is not."""
    done = run("token", "--operator", "anna", "--scopes", "read+orders+stock")
    words = done.stdout.split()
    token, entry = words[words.index("token") + 1], words[words.index("=") + 1]
    server = serve(environment={"PENSTOCK_OPERATOR_TOKENS": entry})
    server.make_sale("drop", 5, hold_seconds=60, limit_per_buyer=5)
    annas, own, clocks = (server.buy("drop", buyer).json["id"] for buyer in ("anna", "anna", "clock"))
    assert server.operate("POST", f"/v1/orders/{annas}/extend", {"seconds": 600}, token=token).status == 200
    assert server.operate("POST", f"/v1/orders/{annas}/cancel", token=token).status == 200
    assert server.operate("POST", f"/v1/orders/{clocks}/confirm", token=token).status == 200
    assert server.ask("POST", f"/v1/orders/{own}/cancel", buyer="anna").status == 200
    rows = [row for row in server.operate("GET", "/v1/log", token=token).json["rows"] if row["action"].startswith("order.")]
    assert [(row["action"], row["actor"], row["subject"]) for row in rows] == [
        ("order.extend", "anna", annas),
        ("order.cancel", "anna", annas),
        ("order.confirm", "anna", clocks),
    ]
    server.audit()


def test_operators_have_scopes(serve, tmp_path):
    entries, tokens = [], {}
    for name, scopes in (("reader", "read"), ("payments", "orders"), ("stock", "read+stock")):
        done = run("token", "--operator", name, "--scopes", scopes)
        assert done.returncode == 0, done.stderr
        words = done.stdout.split()
        tokens[name], entry = words[words.index("token") + 1], words[words.index("=") + 1]
        entries.append(entry)
    server = serve(environment={"PENSTOCK_OPERATOR_TOKENS": ", ".join(entries)})
    server.make_sale("drop", 5)
    order = server.buy("drop", "anna").json["id"]
    assert server.operate("GET", "/v1/sales", token=tokens["reader"]).status == 200
    assert server.operate("POST", "/v1/sales/drop/pause", token=tokens["reader"]).code == "forbidden"
    assert server.operate("GET", "/v1/sales", token=tokens["payments"]).code == "forbidden"
    assert server.operate("POST", f"/v1/orders/{order}/confirm", token=tokens["payments"]).status == 200
    assert server.operate("POST", "/v1/sales/drop/pause", token=tokens["stock"]).status == 200
    assert server.operate("GET", "/v1/whoami", token=tokens["reader"]).json == {"name": "reader", "scopes": ["read"]}
    assert server.operate("GET", "/v1/whoami", token=tokens["stock"]).json == {"name": "stock", "scopes": ["read", "stock"]}
    assert server.operate("GET", "/v1/whoami", token=tokens["payments"]).code == "forbidden"
    assert server.operate("GET", "/v1/sales", token=None).code == "unauthorized"
    assert server.operate("GET", "/v1/sales", token="not-a-token-of-anybody").code == "unauthorized"
    pauses = "/v1/log?action=sale.pause"  # a failed login may come behind it
    wait_until(lambda: [row["actor"] for row in server.operate("GET", pauses).json["rows"]] == ["stock"], 10, "the pause in the log")
    for text in tokens.values():
        assert text not in server.log()


def test_the_operators_routes_do_not_exist_for_the_public(server):
    for method, path in (("GET", "/metrics"), ("GET", "/v1/items"), ("POST", "/v1/audit"), ("GET", "/health"), ("GET", "/dashboard")):
        assert request(server.public, method, path, "" if method == "POST" else None).status == 404


def test_a_public_operator_listener_needs_a_token(serve):
    server = serve({"operator.listen": "0.0.0.0:0"}, environment={"PENSTOCK_OPERATOR_TOKEN": ""}, wait=False)
    assert server.wait() != 0
    server.await_log("operator.token")


def test_the_feed_tells_of_changes(server):
    server.make_sale("drop", 2, hold_seconds=0)
    events, lines = [], server.connect()
    lines.sendall(b"GET /v1/sales/drop/events HTTP/1.1\r\nHost: x\r\n\r\n")

    def read():
        stream = lines.makefile("rb")
        for line in stream:
            if line.startswith(b"data: "):
                events.append(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    wait_until(lambda: len(events) >= 3, 5)
    assert b'"unix_ms":' in events[0] and b'"sold_out":false' in events[2]
    server.buy("drop", "anna")
    server.buy("drop", "bert")
    wait_until(lambda: any(b'"sold_out":true' in event for event in events), 5)
    server.operate("POST", "/v1/sales/drop/pause")
    wait_until(lambda: any(b'"state":"paused"' in event for event in events), 5)
    server.stop()
    reader.join(5)
    lines.close()


def note_events(connection, events):
    """The data of what tells of the sale, until the connection ends."""
    name = None
    with contextlib.suppress(OSError):
        for line in connection.makefile("rb"):
            if line.startswith(b"event: "):
                name = line.split()[1]
            elif line.startswith(b"data: ") and name in (b"sale", b"stock"):
                events.append(line)


def watch_all(server, sales):
    """
    The data of the events of each stream as they come, but for the time, and the streams'
    connections.
    """
    seen, connections = [[] for _ in sales], [server.connect() for _ in sales]
    for sale, connection, events in zip(sales, connections, seen):
        connection.sendall(f"GET /v1/sales/{sale}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        threading.Thread(target=note_events, args=(connection, events), daemon=True).start()
    return seen, connections


def test_streams_of_one_sale_are_all_told_and_those_of_another_are_not(serve):
    """
    A sale is rendered once for all who watch it: also when the first of them leaves, and when it is
    watched anew.
    """
    server = serve({"gate.threads": 1})
    for sale in ("drop", "other"):
        server.make_sale(sale, 1, hold_seconds=0)
    seen, connections = watch_all(server, ["drop", "drop", "other", "drop"])
    wait_until(lambda: all(len(events) == 2 for events in seen), 20)
    connections[0].shutdown(socket.SHUT_RDWR)
    server.buy("drop", "anna")
    wait_until(lambda: all(b'"sold_out":true' in seen[i][-1] for i in (1, 3)), 20)
    assert len(seen[2]) == 2
    server.buy("other", "anna")
    wait_until(lambda: b'"sold_out":true' in seen[2][-1], 20)
    for connection in connections[1:]:
        connection.shutdown(socket.SHUT_RDWR)
    (late,), connections = watch_all(server, ["drop"])
    wait_until(lambda: len(late) == 2, 20)
    assert b'"id":"drop"' in late[0] and b'"sold_out":true' in late[1]
    server.stop()
    connections[0].close()


STATES = {
    "draft": [], "armed": ["arm"], "open": ["open"], "paused before it opened": ["arm", "pause"], "paused": ["open", "pause"], "ended": ["open", "end"],
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_the_moves_that_a_sale_tells_are_those_that_it_takes(server, state):
    for move in ("arm", "open", "pause", "resume", "end", "delete", "disarm"):
        sale = f"a-{move}"
        server.make_sale(sale, 5, state="draft")
        for step in STATES[state]:
            assert server.operate("POST", f"/v1/sales/{sale}/{step}").status == 200, step
        before = server.sale(sale)
        answer = server.operate("POST", f"/v1/sales/{sale}/{move}")
        moved = answer.status == 200 and answer.json["state"] != before["state"]
        assert moved == (move in before["moves"]), (state, move, before["moves"], answer.body)


class Views:
    """The events `view` of an operator's stream as they come."""

    def __init__(self, server, sale):
        self.seen = []
        self.answer = urllib.request.urlopen(
            urllib.request.Request(f"{server.operator}/v1/sales/{sale}/events", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}), timeout=60
        )
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        name = None
        with contextlib.suppress(OSError, ValueError, AttributeError):  # until it is closed
            for line in self.answer:
                if line.startswith(b"event: "):
                    name = line.split()[1]
                elif line.startswith(b"data: ") and name == b"view":
                    self.seen.append(json.loads(line[6:]))

    def points(self):
        return [dict(zip(view["columns"], point)) for view in list(self.seen) for point in view["points"]]

    def total(self, column):
        return sum(point[column] for point in self.points())


def test_operators_are_told_a_sales_past_and_then_all_its_figures_at_one_instant(server):
    server.make_sale("drop", lots={"AJ1-41": 2, "AJ1-42": 5}, hold_seconds=600)
    server.make_sale("other", 5, hold_seconds=0)
    first = Views(server, "drop")
    assert server.buy("other", "anna").status == 202
    answers = [server.buy("drop", f"b{i}", key="k", body={"sku": "AJ1-41"}).status for i in (0, 1, 2, 0)]
    assert answers == [202, 202, 410, 202] and server.buy("drop", "b9", body={"sku": "none"}).status == 422
    told = {"accepted": 2, "replayed": 1, "gone": 1, "refused": 1, "unavailable": 0}
    wait_until(lambda: {name: first.total(name) for name in told} == told, 60, "the purchases in the points")
    later = Views(server, "drop")
    wait_until(lambda: {name: later.total(name) for name in told} == told, 60, "the past of a page that is opened now")
    assert later.points()[0] == first.points()[0]
    for view in [*first.seen, *later.seen]:
        assert view["trouble"] == view["broken"] == [] and not view["more"]
        if view["points"]:
            newest = dict(zip(view["columns"], view["points"][-1]))
            units = ("available", "held", "confirmed", "withdrawn")
            assert newest["unix_ms"] == view["unix_ms"] and [lot["sku"] for lot in view["lots"]] == ["AJ1-41", "AJ1-42"]
            assert [newest[unit] for unit in units] == [sum(lot[unit] for lot in view["lots"]) for unit in units]
    times = [point["unix_ms"] for point in first.points()]
    assert times == sorted(set(times))
    server.stop()


def test_metrics_count_purchases_by_outcome(server):
    server.make_sale("drop", 1, hold_seconds=0)
    server.buy("drop", "anna", key="k")
    server.buy("drop", "anna", key="k")
    server.buy("drop", "bert")
    assert server.metric('penstock_purchases_total{outcome="accepted"}') == 1
    assert server.metric('penstock_purchases_total{outcome="replayed"}') == 1
    assert server.metric('penstock_purchases_total{outcome="sold-out"}') == 1
    assert server.metric('penstock_http_request_duration_seconds_count{route="buy"}') == 3
    for promise in ("P1", "P2", "P3", "P4", "P5"):
        assert server.metric(f'penstock_promise_broken_total{{promise="{promise}"}}') == 0


def of_sale(server, sale):
    """What /metrics says of the sale: {the sample's other labels: its value}."""
    text = request(server.operator, "GET", "/metrics").body.decode()
    found = re.findall(rf'^penstock_sale_(?:units|purchases_total)\{{sale="{sale}",(.*)\}} (\d+)$', text, re.MULTILINE)
    return {labels: int(value) for labels, value in found}


def test_metrics_by_sale_are_there_until_it_ends(serve):
    server = serve({"gate.threads": 2})
    server.make_sale("drop", lots={"AJ1-41": 2, "AJ1-42": 5}, hold_seconds=600)
    server.make_sale("other", 5, hold_seconds=0)
    server.make_sale("coming", 5, state="draft")
    bought = [server.buy("drop", f"b{i}", body={"sku": "AJ1-41"}).status for i in range(4)]
    assert bought == [202, 202, 410, 410]
    assert server.buy("drop", "b0", body={"sku": "none"}).status == 422
    assert server.buy("other", "b0", key="k").status == server.buy("other", "b0", key="k").status == 202
    assert of_sale(server, "drop") == {
        **{f'sku="{sku}",state="{state}"': units for sku, figures in (("AJ1-41", (0, 2, 0, 0)), ("AJ1-42", (5, 0, 0, 0)))
           for state, units in zip(("available", "held", "confirmed", "withdrawn"), figures)},
        'outcome="accepted"': 2, 'outcome="replayed"': 0, 'outcome="sold-out"': 2, 'outcome="invalid-value"': 1,
    }  # fmt: skip
    others = of_sale(server, "other")
    assert (others['outcome="accepted"'], others['outcome="replayed"'], others['sku="other-item",state="confirmed"']) == (1, 1, 1)
    assert of_sale(server, "coming") == {} and server.metric("penstock_sales_left_out") == 0
    assert server.operate("POST", "/v1/sales/drop/end").status == 200
    wait_until(lambda: of_sale(server, "drop") == {}, 30, "the ended sale leaving /metrics")
    assert of_sale(server, "other")['outcome="accepted"'] == 1


def test_metrics_of_more_sales_than_have_room_are_left_out_and_counted(server):
    for i in range(3):
        server.make_sale(f"wide-{i}", lots={f"w{i}-{j}": 1 for j in range(200)})
    assert len(of_sale(server, "wide-0")) == 0 and len(of_sale(server, "wide-2")) == 200 * 4 + 3
    assert server.metric("penstock_sales_left_out") == 1


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_metrics_are_as_prometheus_wants_them(server):
    server.make_sale("drop", 1, hold_seconds=0)
    assert [server.buy("drop", buyer).status for buyer in ("anna", "bert")] == [202, 410]
    text = request(server.operator, "GET", "/metrics").body
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_health_and_readiness(server):
    assert request(server.public, "GET", "/livez").status == 200
    ready = request(server.public, "GET", "/readyz?verbose")
    assert ready.status == 200 and b"[+]journal ok" in ready.body
    health = request(server.operator, "GET", "/health").json
    assert health["status"] == "UP" and set(health["components"]) >= {"ledger", "journal", "stock", "sales", "lanes", "promises"}


def test_the_log_level_changes_at_run_time(server):
    server.make_sale("drop", 5)
    assert server.operate("PUT", "/v1/log-level", {"level": "debug"}).json == {"level": "debug"}
    trace = server.buy("drop", "anna").header("traceparent")
    wait_until(lambda: trace in server.log(), 5)
    assert server.operate("PUT", "/v1/log-level", {"level": "loud"}).json["field"] == "level"
    assert server.operate("PUT", "/v1/log-level", {"level": "info"}).json == {"level": "info"}


def test_a_lot_is_not_given_more_units_than_it_may_have(server):
    server.operate("POST", "/v1/items", {"sku": "BOLT", "name": "Bolt", "on_hand": 1000000000})
    server.operate("POST", "/v1/items/BOLT/receive", {"units": 1000000000})
    lots = [{"sku": "BOLT", "units": 999999999}]
    made = {"id": "bolts", "name": "Bolts", "price": {"amount": 1, "currency": "EUR"}, "lots": lots}
    assert server.operate("POST", "/v1/sales", made).status == 201
    for move in ("arm", "open"):
        assert server.operate("POST", f"/v1/sales/bolts/{move}").status == 200
    for units, status in ((2, 422), (1, 200), (1, 422)):
        answer = server.operate("POST", "/v1/sales/bolts/lots/BOLT/add", {"units": units})
        assert answer.status == status, answer.body
    assert "1000000000 in all" in answer.json["detail"]
    assert server.operate("GET", "/v1/items/BOLT").json["on_hand"] == 1000000000
