"""Some units of an order are given back: how many, where they go, and never twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from failpoints import serve_with_failpoints
from penstock import wait_until

pytestmark = pytest.mark.parametrize("ledger", ["sqlite", "postgres"], indirect=True)


def bought(server, quantity=3, **terms):
    server.make_sale("drop", 10, **{"hold_seconds": 600, "limit_per_buyer": 3, **terms})
    answer = server.buy("drop", "anna", "k", {"quantity": quantity})
    assert answer.status == 202, answer.body
    return answer.json["id"]


def give(server, order, key, **body):
    return server.operate("POST", f"/v1/orders/{order}/cancel", body, headers={"Idempotency-Key": key} if key else {})


def told(answer):
    return answer.status, answer.json.get("quantity"), answer.json.get("state") or answer.code, answer.header("Idempotent-Replayed")


def units(server):
    lot = server.lot("drop")
    return lot["available"], lot["held"], lot["confirmed"], lot["withdrawn"]


def on_hand(server):
    return server.operate("GET", "/v1/items/drop-item").json["on_hand"]


def restart(server):
    server.kill()
    server.restart()


def test_units_go_where_they_are_sent(server):
    order = bought(server)
    assert told(give(server, order, "1", quantity=1)) == (200, 2, "held", None)
    assert units(server) == (8, 2, 0, 0)
    assert server.operate("POST", f"/v1/orders/{order}/confirm").status == 200
    assert told(give(server, order, "2", quantity=1, units="warehouse", reference="re_1", reason="torn")) == (200, 1, "confirmed", None)
    assert (units(server), on_hand(server)) == ((8, 0, 1, 1), 1)
    restart(server)
    assert (units(server), server.order(order).json["quantity"]) == ((8, 0, 1, 1), 1)
    assert told(give(server, order, "3", quantity=1, units="gone")) == (200, 1, "cancelled", None)
    assert (units(server), on_hand(server)) == ((8, 0, 0, 2), 1)
    audit = server.audit()["totals"]
    assert (audit["units_withdrawn"], audit["units_gone"]) == (2, 1)
    changes = [change["data"] for change in server.operate("GET", "/v1/changes?limit=100").json["changes"]]
    events = [(c["event"]["kind"], c["event"].get("quantity"), c["event"].get("left"), c["event"].get("units"), c["state"]) for c in changes]
    assert events == [
        ("order.reserved", 3, None, None, "held"),
        ("order.reduced", 1, 2, None, "held"),
        ("order.confirmed", None, None, None, "confirmed"),
        ("order.reduced", 1, 1, "warehouse", "confirmed"),
        ("order.refunded", 1, None, "gone", "cancelled"),
    ]
    assert (changes[3]["event"]["reference"], changes[3]["event"]["reason"]) == ("re_1", "torn")


def test_a_whole_order_is_sent_where_it_is_said(server):
    order = bought(server)
    assert told(give(server, order, None, units="warehouse", reference="re_1")) == (200, 3, "cancelled", None)
    assert (units(server), on_hand(server)) == ((7, 0, 0, 3), 3)
    other = server.buy("drop", "bert", "k").json["id"]
    assert server.operate("POST", f"/v1/orders/{other}/confirm").status == 200
    for replayed in (None, "true"):
        assert told(give(server, other, "k", units="gone")) == (200, 1, "cancelled", replayed)
    assert give(server, other, "k", units="sale").code == "idempotency-key-reused"
    assert (units(server), server.audit()["totals"]["units_gone"]) == ((6, 0, 0, 4), 1)


def test_what_cannot_be_given_back_is_refused_and_changes_nothing(server):
    order = bought(server)
    assert told(give(server, order, None, quantity=1))[:3] == (422, None, "invalid-value")
    for body in ({"quantity": 0}, {"quantity": "1"}, {"quantity": 1.5}, {"units": "bin"}, {"units": 1}, {"reference": "a b"}, {"reference": ""}):
        answer = give(server, order, "k", **body)
        assert (answer.status, answer.json["field"]) == (422, next(iter(body)))
    assert told(give(server, order, "k", quantity=4)) == (409, 3, "order-quantity", None)
    assert give(server, "01900000-0000-7000-8000-000000000001", "k", quantity=1).code == "unknown-order"
    answer = server.ask("POST", f"/v1/orders/{order}/cancel", "anna", {"quantity": 1})
    assert (answer.status, answer.code) in ((422, "unknown-field"), (422, "invalid-value"))
    assert (units(server), server.order(order).json["quantity"]) == ((7, 3, 0, 0), 3)
    assert told(give(server, order, "k", quantity=3)) == (200, 3, "cancelled", None)  # a refusal uses no key up
    assert told(give(server, order, "other", quantity=1))[:3] == (409, None, "order-state")
    server.audit()


def test_a_key_gives_back_once(server):
    order = bought(server)
    assert told(give(server, order, "k", quantity=1)) == (200, 2, "held", None)
    for _ in range(2):
        assert told(give(server, order, "k", quantity=1)) == (200, 2, "held", "true")
        assert give(server, order, "k", quantity=2).code == "idempotency-key-reused"
        assert give(server, order, "k", quantity=1, units="gone").code == "idempotency-key-reused"
        restart(server)
    assert told(give(server, order, "2", quantity=2)) == (200, 2, "cancelled", None)
    assert told(give(server, order, "k", quantity=1)) == (200, 2, "cancelled", "true")
    assert told(give(server, order, "2", quantity=2)) == (200, 2, "cancelled", "true")
    assert units(server) == (10, 0, 0, 0)
    server.audit()


def test_a_retry_after_a_death_gives_back_once(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    order = bought(server)
    for left, failpoint in ((2, "reduce.fixed=kill"), (1, "ledger.before_commit=kill@1"), (0, "ledger.after_commit=kill@1")):
        failpoints.set(failpoint)
        with pytest.raises(OSError):
            give(server, order, failpoint, quantity=1)
        wait_until(lambda: server.process.poll() is not None, 15, "the gate's death")
        failpoints.lift()
        restart(server)
        for _ in range(2):
            answer = give(server, order, failpoint, quantity=1)
            assert answer.status == 200, answer.body
        assert units(server) == (10 - left, left, 0, 0)
    assert server.order(order).json["state"] == "cancelled"
    server.audit()


def test_of_two_who_give_back_the_last_unit_one_is_told_that_it_did(server):
    server.make_sale("drop", 10, hold_seconds=600)
    for number in range(8):
        order = server.buy("drop", f"b{number}", "k").json["id"]
        assert server.operate("POST", f"/v1/orders/{order}/confirm").status == 200
        keys = ["a", "b", "c"]
        with ThreadPoolExecutor(3) as pool:
            first = dict(zip(keys, pool.map(lambda key: give(server, order, key, quantity=1), keys)))
        assert {answer.status for answer in first.values()} <= {200, 409}
        last = {key: give(server, order, key, quantity=1).status for key in keys}
        assert sorted(last.values()) == [200, 409, 409]
        assert {key for key, answer in first.items() if answer.status == 200} <= {key for key, status in last.items() if status == 200}
    assert units(server) == (10, 0, 0, 0)
    server.audit()


def test_a_key_that_was_overtaken_does_nothing(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    order = bought(server)
    failpoints.set("ledger.insert=error:5")
    assert give(server, order, "first", quantity=1).code == "journal-unavailable"
    failpoints.lift()
    wait_until(lambda: give(server, order, "second", quantity=1).status == 200, 15)
    for _ in range(2):
        refused = give(server, order, "first", quantity=1)
        assert told(refused) == (409, 2, "order-quantity", None)
        assert "another key and the same reference" in refused.json["detail"]
        restart(server)
    assert units(server) == (8, 2, 0, 0)
    assert give(server, order, "third", quantity=2).json["state"] == "cancelled"
    assert told(give(server, order, "first", quantity=1))[:3] == (409, None, "order-state")
    server.audit()


def test_a_hold_that_was_to_be_reduced_is_not_refunded(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    order = bought(server)
    failpoints.set("ledger.insert=error:5")
    assert give(server, order, "k", quantity=1).code == "journal-unavailable"
    failpoints.lift()
    wait_until(lambda: server.operate("POST", f"/v1/orders/{order}/confirm").status == 200, 15)
    assert told(give(server, order, "k", quantity=1))[:3] == (409, None, "order-state")
    assert told(give(server, order, "other", quantity=1)) == (200, 2, "confirmed", None)
    assert units(server) == (8, 0, 2, 0)
    server.audit()


def test_what_was_bought_is_told_as_it_was_bought(server):
    order = bought(server)
    first = server.buy("drop", "anna", "k", {"quantity": 3})
    assert give(server, order, "1", quantity=2).status == 200
    for _ in range(2):
        again = server.buy("drop", "anna", "k", {"quantity": 3})
        assert (again.status, again.body) == (202, first.body)
        assert server.buy("drop", "anna", "k", {"quantity": 1}).code == "idempotency-key-reused"
        restart(server)
    assert server.buy("drop", "anna", "more", {"quantity": 3}).code == "buyer-limit-reached"
    assert server.buy("drop", "anna", "more", {"quantity": 2}).status == 202  # live units count, and no others
    server.audit()


def test_what_is_due_is_the_price_of_what_is_left(server):
    order = bought(server)
    assert give(server, order, "1", quantity=1).status == 200
    for _ in range(2):
        wrong = server.operate("POST", f"/v1/orders/{order}/confirm", {"payment": {"reference": "pi_1", "amount": 300}})
        assert (wrong.code, wrong.json["due"]["amount"]) == ("wrong-amount", 200)
        restart(server)
    assert server.operate("POST", f"/v1/orders/{order}/confirm", {"payment": {"reference": "pi_1", "amount": 200}}).status == 200
    server.audit()
