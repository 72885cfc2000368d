"""The life of an order: read, confirm, cancel, extend, expire."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from failpoints import serve_with_failpoints
from penstock import await_expiry, wait_until

pytestmark = pytest.mark.parametrize("ledger", ["sqlite", "postgres"], indirect=True)


def held(server, sale="drop", units=5, **terms):
    server.make_sale(sale, units, **{"hold_seconds": 60, **terms})
    answer = server.buy(sale, "anna", key="k")
    assert answer.status == 202
    return answer.json["id"]


def act(server, order, action, body=None):
    return server.operate("POST", f"/v1/orders/{order}/{action}", body)


def test_a_buyer_reads_its_own_order(server):
    order = held(server)
    answer = server.ask("GET", f"/v1/orders/{order}", "anna")
    assert answer.status == 200
    assert (answer.json["id"], answer.json["state"], answer.json["buyer"]) == (order, "held", "anna")
    assert "trace" not in answer.json


def test_another_buyers_order_is_unknown(server):
    order = held(server)
    for path in (f"/v1/orders/{order}", "/v1/orders/01900000-0000-7000-8000-000000000001", "/v1/orders/nonsense"):
        answer = server.ask("GET", path, "bert")
        assert (answer.status, answer.code) == (404, "unknown-order")
    assert server.ask("POST", f"/v1/orders/{order}/cancel", "bert", "").code == "unknown-order"
    assert server.order(order).json["state"] == "held"


def test_confirm(server):
    order = held(server)
    answer = act(server, order, "confirm")
    assert (answer.status, answer.json["state"], answer.json["buyer"]) == (200, "confirmed", "anna")
    assert act(server, order, "confirm").json["state"] == "confirmed"  # again is the same
    assert server.lot("drop")["confirmed"] == 1 and server.lot("drop")["held"] == 0
    server.kill()
    server.restart()
    assert server.order(order).json["state"] == "confirmed"
    assert server.lot("drop")["confirmed"] == 1
    server.audit()


def test_a_buyer_cancels_a_held_order_and_its_unit_is_sold_again(server):
    order = held(server, units=1)
    assert server.buy("drop", "bert").code == "sold-out"
    answer = server.ask("POST", f"/v1/orders/{order}/cancel", "anna", "")
    assert (answer.status, answer.json["state"]) == (200, "cancelled")
    assert server.ask("POST", f"/v1/orders/{order}/cancel", "anna", "").json["state"] == "cancelled"
    assert server.buy("drop", "bert").status == 202
    server.audit()


def test_a_buyer_cannot_cancel_what_is_confirmed_but_an_operator_can(server):
    order = held(server)
    act(server, order, "confirm")
    answer = server.ask("POST", f"/v1/orders/{order}/cancel", "anna", "")
    assert (answer.status, answer.code) == (409, "order-state")
    answer = act(server, order, "cancel")
    assert (answer.status, answer.json["state"]) == (200, "cancelled")
    assert server.lot("drop")["available"] == 5
    server.audit()


def test_a_cancelled_order_cannot_be_confirmed(server):
    order = held(server)
    act(server, order, "cancel")
    answer = act(server, order, "confirm")
    assert (answer.status, answer.code) == (409, "order-state")


def test_extend(server):
    order = held(server)
    before = server.order(order).json["hold_expires_at"]
    answer = act(server, order, "extend", {"seconds": 3600})
    assert answer.status == 200 and answer.json["hold_expires_at"] > before
    answer = act(server, order, "extend", {"seconds": 0})
    assert (answer.status, answer.json["field"]) == (422, "seconds")


def test_an_expired_hold_returns_its_unit(serve):
    server = serve({"sale.hold_grace": "100ms"})
    order = held(server, units=1, hold_seconds=5)
    assert server.buy("drop", "bert").json["may_return"] is True
    await_expiry(server, order)
    assert server.lot("drop")["available"] == 1
    assert server.buy("drop", "bert").status == 202
    server.audit()


def test_a_hold_is_not_taken_before_its_deadline(serve):
    server = serve({"sale.hold_grace": "0s"})
    started = time.monotonic()
    order = held(server, hold_seconds=1)
    wait_until(lambda: server.order(order).json["state"] == "expired", 10)
    assert time.monotonic() - started >= 1


def test_a_late_confirm_is_told_so(serve):
    server = serve({"sale.hold_grace": "100ms"})
    order = held(server, hold_seconds=1)
    await_expiry(server, order)
    answer = act(server, order, "confirm")
    assert (answer.status, answer.code) == (409, "hold-expired")
    assert act(server, order, "extend", {"seconds": 5}).code == "hold-expired"


def test_a_late_confirm_reserves_again_where_the_sale_allows_it(serve):
    server = serve({"sale.hold_grace": "100ms"})
    order = held(server, units=1, hold_seconds=1, late_confirm=True)
    await_expiry(server, order)
    answer = act(server, order, "confirm")
    assert (answer.status, answer.json["state"], answer.json["buyer"]) == (200, "confirmed", "anna")
    assert answer.json["id"] != order
    assert act(server, order, "confirm").json["id"] == answer.json["id"]
    assert server.lot("drop")["confirmed"] == 1
    server.audit()


def test_the_key_of_a_late_confirm_is_out_of_a_buyers_reach(serve):
    """Else the confirm would be answered with whatever order the buyer has made under it."""
    server = serve({"sale.hold_grace": "100ms"})
    order = held(server, units=3, hold_seconds=1, late_confirm=True, limit_per_buyer=2)
    answer = server.buy("drop", "anna", key=f"late-confirm {order}")
    assert (answer.status, answer.code, answer.json["field"]) == (422, "invalid-value", "Idempotency-Key")
    await_expiry(server, order)
    answer = act(server, order, "confirm")
    assert (answer.status, answer.json["state"]) == (200, "confirmed")
    server.audit()


def test_a_late_confirm_without_units_left_is_refused(serve):
    server = serve({"sale.hold_grace": "100ms"})
    order = held(server, units=1, hold_seconds=1, late_confirm=True)
    wait_until(lambda: server.buy("drop", "bert").status == 202, 10)
    assert act(server, order, "confirm").code == "hold-expired"


def test_holds_survive_a_restart_and_then_expire(serve):
    server = serve({"sale.hold_grace": "100ms"})
    order = held(server, units=1, hold_seconds=5)
    server.make_sale("long", 1, hold_seconds=600)
    longer = server.buy("long", "anna").json["id"]
    server.kill()
    server.restart()
    assert server.order(longer).json["state"] == "held"
    await_expiry(server, order)
    assert server.lot("drop")["available"] == 1
    assert server.lot("long")["held"] == 1
    server.audit()


@pytest.mark.parametrize("round", range(3))
def test_a_confirm_that_races_the_expiry_has_one_winner(serve, round):
    server = serve({"sale.hold_grace": "0s"})
    server.make_sale("drop", 20, hold_seconds=1)
    orders = [server.buy("drop", f"buyer-{i}").json["id"] for i in range(20)]

    def race(order):
        # Confirms are sent around the deadline, until one end is known.
        while True:
            answer = act(server, order, "confirm")
            if answer.status == 200 or answer.code == "hold-expired":
                return answer.status
            assert answer.code == "request-in-flight"

    started = time.monotonic()
    wait_until(lambda: time.monotonic() - started > 0.7 + round * 0.1)
    with ThreadPoolExecutor(20) as pool:
        ends = list(pool.map(race, orders))
    wait_until(lambda: server.lot("drop")["held"] == 0, 10)
    states = [server.order(order).json["state"] for order in orders]
    assert states == ["confirmed" if end == 200 else "expired" for end in ends]
    assert server.lot("drop")["confirmed"] == ends.count(200)
    server.audit()


def test_the_list_filters_and_pages(server):
    server.make_sale("one", 10)
    server.make_sale("two", 10)
    for i in range(5):
        assert server.buy("one", f"buyer-{i}").status == 202
        assert server.buy("two", f"buyer-{i}").status == 202
    act(server, server.orders(sale="one", buyer="buyer-3")[0]["id"], "confirm")
    assert len(server.orders()) == 10
    assert {order["sale"] for order in server.orders(sale="two")} == {"two"}
    assert len(server.orders(buyer="buyer-1")) == 2
    assert [order["buyer"] for order in server.orders(state="confirmed")] == ["buyer-3"]
    first = server.operate("GET", "/v1/orders?limit=4").json
    rest = server.operate("GET", f"/v1/orders?limit=100&after={first['next']}").json
    assert len(first["orders"]) == 4 and len(rest["orders"]) == 6 and rest["next"] is None
    for query, field in (("state=odd", "state"), ("limit=0", "limit"), ("after=x", "after")):
        assert server.operate("GET", f"/v1/orders?{query}").json["field"] == field
    assert server.operate("GET", "/v1/orders?sale=none").code == "unknown-sale"


def test_a_journal_that_hangs_leaves_nobody_without_an_answer(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    order = held(server, hold_seconds=600)
    failpoints.set("ledger.before_commit=hold")
    with ThreadPoolExecutor(3) as pool:
        buying = pool.submit(server.buy, "drop", "bert", "key")
        wait_until(lambda: server.metric('penstock_stock_outbox_entries') == 1)
        cancelling = pool.submit(server.ask, "POST", f"/v1/orders/{order}/cancel", "anna", "")
        confirming = pool.submit(act, server, order, "confirm")
        codes = {call.result().code for call in (buying, cancelling, confirming)}
    assert codes <= {"outcome-unknown", "request-in-flight"}
    assert "outcome-unknown" in codes
    # When it is well again the retry resolves it.
    failpoints.lift()
    wait_until(lambda: server.buy("drop", "bert", "key").status == 202, 15)
    server.audit()


def test_a_settlement_that_is_sent_again_changes_nothing_and_checks_its_key(server):
    order = held(server, hold_seconds=600)
    other = server.buy("drop", "bert").json["id"]

    def send(order, action, key="k", body=None):
        return server.operate("POST", f"/v1/orders/{order}/{action}", body, headers={"Idempotency-Key": key})

    assert [send(order, "confirm").json["state"] for _ in range(2)] == ["confirmed"] * 2
    assert [send(other, "cancel").json["state"] for _ in range(2)] == ["cancelled"] * 2
    assert send(order, "confirm", body={"paid": 1}).status == 422
    for action, body in (("confirm", None), ("cancel", None), ("extend", {"seconds": 5})):
        assert send(order, action, "x" * 129, body).json["field"] == "Idempotency-Key"
    assert server.order(order).json["state"] == "confirmed"
    server.audit()


def keyed(server, order, action, key, body=None):
    answer = server.operate("POST", f"/v1/orders/{order}/{action}", body, headers={"Idempotency-Key": key})
    return answer.status, answer.json.get("state") or answer.code, answer.header("Idempotent-Replayed")


def test_a_confirm_with_a_key_is_known_after_the_refund(server):
    order = held(server)
    assert keyed(server, order, "confirm", "paid") == (200, "confirmed", None)
    assert keyed(server, order, "cancel", "back") == (200, "cancelled", None)
    for _ in range(2):
        assert keyed(server, order, "confirm", "paid") == (200, "cancelled", "true")
        assert keyed(server, order, "cancel", "back") == (200, "cancelled", "true")
        assert keyed(server, order, "confirm", "another") == (409, "order-state", None)
        server.kill()
        server.restart()
    actions = [row["action"] for row in server.operate("GET", f"/v1/log?subject={order}").json["rows"]]
    assert actions == ["order.confirm", "order.refund"]
    server.audit()


def test_a_cancel_of_what_was_held_is_no_refund_when_it_is_sent_again(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    order = held(server, hold_seconds=600)
    failpoints.set("ledger.insert=error:5")
    assert keyed(server, order, "cancel", "end")[:2] == (503, "journal-unavailable")
    failpoints.lift()
    wait_until(lambda: keyed(server, order, "confirm", "paid")[:2] == (200, "confirmed"), 15)
    assert keyed(server, order, "cancel", "end") == (409, "order-state", None)
    server.kill()
    server.restart()
    assert keyed(server, order, "cancel", "end") == (409, "order-state", None)
    assert server.order(order).json["state"] == "confirmed"
    assert keyed(server, order, "cancel", "back") == (200, "cancelled", None)
    assert keyed(server, order, "cancel", "end") == (200, "cancelled", "true")
    server.audit()


def test_a_late_confirm_with_a_key_is_known_after_the_refund(serve):
    server = serve({"sale.hold_grace": "100ms"})
    order = held(server, hold_seconds=1, late_confirm=True)
    await_expiry(server, order)
    path, key = f"/v1/orders/{order}/confirm", {"Idempotency-Key": "paid"}
    fresh = server.operate("POST", path, headers=key).json
    assert fresh["state"] == "confirmed" and fresh["id"] != order
    assert keyed(server, fresh["id"], "cancel", "back")[:2] == (200, "cancelled")
    again = server.operate("POST", path, headers=key)
    assert (again.status, again.json["id"], again.json["state"]) == (200, fresh["id"], "cancelled")
    assert again.header("Idempotent-Replayed") == "true"
    assert keyed(server, order, "confirm", "another") == (409, "hold-expired", None)
    server.audit()
