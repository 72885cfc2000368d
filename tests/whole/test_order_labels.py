"""
What a shop writes on a purchase, what a unit cost, and when: in orders, events and lists, and never
in the 202.
"""

import pytest

from penstock import wait_until

LABELS = {"reference": "INV-1", "metadata": {"size": "ü 42", "channel": "app"}}


def opened(shop, sale="drop", **terms):
    shop.make_sale(sale, 20, **{"hold_seconds": 60, "limit_per_buyer": 5, **terms})
    for gate in getattr(shop, "gates", [shop]):
        wait_until(lambda: gate.buy(sale, "probe", key="p").status == 202, 30, "the sale at each gate")


def shown(shop, order):
    """As the operator reads it, with what only the ledger knows."""
    return wait_until(lambda: (answer := shop.order(order).json).get("updated_at") and answer, 30, "the order in the ledger")


def test_an_order_has_what_its_purchase_said(shop):
    opened(shop)
    answer = shop.buy("drop", "anna", key="k", body={"quantity": 2, **LABELS})
    assert answer.status == 202, answer.body
    assert not {"reference", "metadata", "price"} & answer.json.keys(), "the 202 is a function of the grant"
    order = shown(shop, answer.json["id"])
    assert {name: order[name] for name in LABELS} == LABELS
    assert order["price"] == {"amount": 100, "currency": "EUR"}
    assert order["updated_at"] == order["placed_at"] and "confirmed_at" not in order
    assert shop.operate("POST", f"/v1/orders/{order['id']}/confirm").status == 200
    order = wait_until(lambda: (now := shown(shop, order["id"])).get("confirmed_at") and now, 30, "the confirm in the ledger")
    assert order["confirmed_at"] == order["updated_at"] >= order["placed_at"]
    (reserved,) = [each["data"] for each in shop.operate("GET", "/v1/changes?limit=1000").json["changes"]
                   if each["data"]["event"]["kind"] == "order.reserved" and each["data"]["event"]["id"] == order["id"]]
    assert {name: reserved["event"][name] for name in LABELS} == LABELS
    assert reserved["event"]["price"] == 100
    assert {name: reserved["order"][name] for name in LABELS} == LABELS


def test_buyers_see_their_order_as_they_were_told(shop):
    opened(shop)
    told = shop.buy("drop", "anna", key="k", body=LABELS).json
    own = shop.ask("GET", "/v1/sales/drop/orders", "anna").json["orders"]
    for seen in (shop.ask("GET", f"/v1/orders/{told['id']}", "anna").json, *own):
        assert seen == told
    assert shop.ask("POST", f"/v1/orders/{told['id']}/cancel", "anna").json == {**told, "state": "cancelled"}


def test_orders_are_found_by_the_shops_own_name(shop):
    opened(shop)
    orders = [shop.buy("drop", buyer, key="k", body={"reference": "INV-1" if buyer != "carl" else "INV-2"}).json["id"]
              for buyer in ("anna", "bert", "carl")]
    wait_until(lambda: len(shop.orders(sale="drop")) >= 4, 30, "the orders in the ledger")
    assert [order["id"] for order in shop.orders(reference="INV-1")] == orders[:2]
    assert [order["id"] for order in shop.orders(reference="INV-2", buyer="carl", state="held")] == orders[2:]
    assert shop.orders(reference="INV-2", buyer="anna") == [] == shop.orders(reference="INV-3")


def test_another_label_under_the_same_key_is_another_request(shop):
    opened(shop)
    first = shop.buy("drop", "anna", key="k", body=LABELS)
    again = shop.buy("drop", "anna", key="k", body={**LABELS, "metadata": dict(reversed(LABELS["metadata"].items()))})
    assert (again.status, again.body, again.header("Idempotent-Replayed")) == (202, first.body, "true"), "in any order"
    for other in ({}, {"reference": "INV-1"}, {**LABELS, "reference": "INV-2"}, {**LABELS, "metadata": {"size": "43"}}):
        answer = shop.buy("drop", "anna", key="k", body=other)
        assert (answer.status, answer.code) == (422, "idempotency-key-reused"), other


def test_what_is_no_label_is_refused_by_its_field(server):
    opened(server)
    wrong = {
        "reference": ["", "a b", "x" * 129, "ü", 7, None],
        "metadata": [[], "a", None, {"a": 1}, {"a": None}, {"a": {"b": "c"}}, {"": "a"}, {"a b": "c"}, {"x" * 41: "a"},
                     {str(i): "" for i in range(9)}, {"a": "x" * 505}],
    }
    for field, values in wrong.items():
        for value in values:
            answer = server.buy("drop", "anna", body={field: value})
            assert (answer.status, answer.code, answer.json["field"]) == (422, "invalid-value", field), value
    assert server.buy("drop", "anna", body={"metadata": {"a": "x" * 504}, "reference": "x" * 128}).status == 202
    assert server.buy("drop", "anna", body={"metadata": {}}).status == 202


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"], indirect=True)
def test_labels_are_compared_after_a_crash(server):
    opened(server)
    first = server.buy("drop", "anna", key="k", body=LABELS)
    bare = server.buy("drop", "anna", key="bare")
    server.kill()
    server.restart()
    assert server.buy("drop", "anna", key="k", body=LABELS).body == first.body
    assert server.buy("drop", "anna", key="bare").body == bare.body
    for key, body in (("k", {}), ("bare", LABELS)):
        assert server.buy("drop", "anna", key=key, body=body).code == "idempotency-key-reused"
    server.audit()


def test_labels_are_compared_after_a_redis_that_forgets(gates):
    cluster = gates(2)
    opened(cluster)
    first = cluster.buy("drop", "anna", key="k", body=LABELS)
    cluster.redis.call("FLUSHALL")
    wait_until(lambda: all(gate.buy("drop", "anna", key="k", body=LABELS).status == 202 for gate in cluster.gates), 60, "the rebuilt stock")
    assert cluster.buy("drop", "anna", key="k", body=LABELS).body == first.body
    assert cluster.buy("drop", "anna", key="k").code == "idempotency-key-reused"
    cluster.settle()


def test_labels_go_through_a_journal_in_kafka(gates, kafka):
    cluster = gates(2, kafka=kafka)
    opened(cluster)
    first = cluster.buy("drop", "anna", key="k", body=LABELS)
    cluster.redis.call("FLUSHALL")  # the tail of the journal brings them back
    wait_until(lambda: all(gate.buy("drop", "anna", key="k", body=LABELS).status == 202 for gate in cluster.gates), 60, "the rebuilt stock")
    assert cluster.buy("drop", "anna", key="k", body=LABELS).body == first.body
    assert cluster.buy("drop", "anna", key="k").code == "idempotency-key-reused"
    order = shown(cluster, first.json["id"])
    assert {name: order[name] for name in LABELS} == LABELS and order["price"]["amount"] == 100
    cluster.settle()


def test_a_late_payment_makes_an_order_with_the_labels_of_the_first(shop):
    opened(shop, hold_seconds=1, late_confirm=True)
    order = shop.buy("drop", "anna", key="k", body=LABELS).json["id"]
    wait_until(lambda: shop.order(order).json["state"] == "expired", 30, "the expiry")
    wait_until(lambda: shop.orders(reference="INV-1"), 30, "the order in the ledger")
    fresh = shop.operate("POST", f"/v1/orders/{order}/confirm", {"payment": {"reference": "pi_1"}})
    assert fresh.status == 200 and fresh.json["id"] != order
    assert shop.operate("POST", f"/v1/orders/{order}/confirm", {"payment": {"reference": "pi_1"}}).json["id"] == fresh.json["id"]
    found = wait_until(lambda: (found := shop.orders(reference="INV-1")) and len(found) == 2 and found, 30, "both in the ledger")
    assert found[1]["id"] == fresh.json["id"] and found[1]["metadata"] == LABELS["metadata"] and found[1]["price"]["amount"] == 100
