"""
Who has changed an order, and why: in the order that operators read, in its events and in the
operator log; never in what its buyer reads.
"""

from penstock import wait_until

REASON = 'Käufer rief an: "zu groß" \\ 42'


def opened(shop, **terms):
    shop.make_sale("drop", 20, **{"hold_seconds": 60, "limit_per_buyer": 5, **terms})
    for gate in getattr(shop, "gates", [shop]):
        wait_until(lambda: gate.buy("drop", "probe", key="p").status == 202, 30, "the sale at each gate")


def bought(shop, buyer, **more):
    answer = shop.buy("drop", buyer, key="k", **more)
    assert answer.status == 202, answer.body
    return answer.json


def change(shop, order, action, body=None, key=None):
    return shop.operate("POST", f"/v1/orders/{order['id']}/{action}", body, headers={"Idempotency-Key": key} if key else None)


def said(shop, order, state, reason=None, **more):
    """As the operator reads it once the ledger has the change: who and why."""

    def look():
        now = shop.order(order["id"]).json
        return now.get("state") == state and now.get("actor") and now.get("reason") == reason and all(now[n] == v for n, v in more.items()) and now

    now = wait_until(look, 60, f"the order as it was {state}")
    return now["actor"], now["actor_kind"]


def events(shop, order, count):
    """
    What the feed tells of the order, once that is so many: a change that is not committed yet holds
    back those behind it.
    """

    def look():
        answer = shop.operate("GET", "/v1/changes?limit=1000")
        found = [each["data"]["event"] for each in answer.json.get("changes", []) if each["data"]["event"]["id"] == order["id"]]
        return len(found) >= count and found

    return wait_until(look, 60, f"{count} changes of the order")


def test_an_order_says_who_has_changed_it_and_why(shop):
    opened(shop)
    order = bought(shop, "anna")
    assert said(shop, order, "held") == ("anna", "buyer")
    me = shop.operate("GET", "/v1/whoami").json["name"]
    assert change(shop, order, "extend", {"seconds": 600, "reason": "the bank is slow"}).status == 200
    assert said(shop, order, "held", "the bank is slow") == (me, "operator")
    assert change(shop, order, "confirm", {"payment": {"reference": "pi_1"}}).status == 200
    assert said(shop, order, "confirmed") == (me, "operator"), "the reason of an earlier change is not that of this one"
    assert change(shop, order, "cancel", {"reason": REASON}).status == 200
    assert said(shop, order, "cancelled", REASON) == (me, "operator")
    told = [(each["kind"], each["actor"], each["actor_kind"], each.get("reason")) for each in events(shop, order, 4)]
    assert told == [("order.reserved", "anna", "buyer", None), ("order.extended", me, "operator", "the bank is slow"),
                    ("order.confirmed", me, "operator", None), ("order.refunded", me, "operator", REASON)]
    rows = shop.operate("GET", f"/v1/log?subject={order['id']}").json["rows"]
    assert [(row["action"], row["actor"], row["detail"].get("reason")) for row in rows] == [
        ("order.extend", me, "the bank is slow"), ("order.confirm", me, None), ("order.refund", me, REASON)]
    assert shop.orders(buyer="anna")[0]["reason"] == REASON


def test_buyers_read_neither_who_nor_why(shop):
    opened(shop)
    order = bought(shop, "anna")
    assert change(shop, order, "extend", {"seconds": 600, "reason": REASON}).status == 200
    said(shop, order, "held", REASON)
    told = {**order, "hold_expires_at": shop.order(order["id"]).json["hold_expires_at"]}
    own = shop.ask("GET", "/v1/sales/drop/orders", "anna").json["orders"]
    assert [shop.ask("GET", f"/v1/orders/{order['id']}", "anna").json, *own] == [told, told]
    answer = shop.ask("POST", f"/v1/orders/{order['id']}/cancel", "anna", {"reason": "changed my mind"})
    assert (answer.status, answer.json) == (200, {**told, "state": "cancelled"})
    assert said(shop, order, "cancelled", "changed my mind") == ("anna", "buyer")
    assert events(shop, order, 3)[-1]["reason"] == "changed my mind"
    assert shop.operate("GET", f"/v1/log?subject={order['id']}&kind=payments").json["rows"][-1]["action"] == "order.extend", "it is no operator's"
    assert shop.ask("GET", f"/v1/orders/{order['id']}", "anna").json == {**told, "state": "cancelled"}


def test_an_expiry_is_the_clocks(shop):
    opened(shop, hold_seconds=1)
    order = bought(shop, "clock")  # a buyer may be called so
    assert said(shop, order, "expired") == ("clock", "clock")
    assert [(each["kind"], each["actor_kind"]) for each in events(shop, order, 2)] == [("order.reserved", "buyer"), ("order.expired", "clock")]


def test_the_first_reason_stays(shop):
    """
    Sent again with another one it is answered as before: a reason is no part of what is compared.
    """
    opened(shop)
    orders = [bought(shop, buyer) for buyer in ("anna", "bert")]
    for key, order in zip(("k1", None), orders):
        for reason in (REASON, "another"):
            assert change(shop, order, "confirm", {"payment": {"reference": order["id"]}, "reason": reason}, key).status == 200
            said(shop, order, "confirmed", REASON)
        for reason in ("torn", "another"):
            assert change(shop, order, "cancel", {"reason": reason}, key).status == 200
            said(shop, order, "cancelled", "torn")
    order = bought(shop, "carl")
    assert change(shop, order, "extend", {"seconds": 600, "reason": REASON}, "k1").status == 200
    assert change(shop, order, "extend", {"seconds": 600, "reason": REASON}, "k1").status == 200
    assert change(shop, order, "extend", {"seconds": 600, "reason": "another"}, "k1").code == "idempotency-key-reused"
    said(shop, order, "held", REASON)


def test_a_late_payment_says_who_has_made_its_order_and_why(shop):
    opened(shop, hold_seconds=1, late_confirm=True)
    order = bought(shop, "anna")
    said(shop, order, "expired")
    fresh = change(shop, order, "confirm", {"reason": "paid late"}).json
    assert fresh["id"] != order["id"] and fresh["reason"] == "paid late" and fresh["actor_kind"] == "operator"
    assert change(shop, order, "confirm", {"reason": "another"}).json["id"] == fresh["id"]
    me = shop.operate("GET", "/v1/whoami").json["name"]
    assert said(shop, fresh, "confirmed", "paid late") == (me, "operator")
    (event,) = events(shop, fresh, 1)
    assert (event["kind"], event["buyer"], event["actor"], event["actor_kind"], event["reason"]) == ("order.reserved", "anna", me, "operator", "paid late")
    assert said(shop, order, "expired") == ("clock", "clock"), "the one that has expired stays what it was"


def test_what_is_no_reason_is_refused_by_its_field(server):
    opened(server)
    order = bought(server, "anna")
    bodies = {"extend": {"seconds": 600}, "confirm": {}, "cancel": {}}
    for wrong in ("", "a\nb", "\u007f", "x" * 201, "ü" * 101, 7, None, ["a"]):
        answers = [change(server, order, action, {**body, "reason": wrong}) for action, body in bodies.items()]
        answers.append(server.ask("POST", f"/v1/orders/{order['id']}/cancel", "anna", {"reason": wrong}))
        for answer in answers:
            assert (answer.status, answer.code, answer.json["field"]) == (422, "invalid-value", "reason"), wrong
    assert server.ask("POST", f"/v1/orders/{order['id']}/cancel", "anna", {"why": "x"}).code == "unknown-field"
    assert server.order(order["id"]).json["state"] == "held"
    for action, body in bodies.items():
        assert change(server, order, action, {**body, "reason": "ü" * 100}).status == 200


def test_a_reason_goes_through_a_journal_in_kafka_and_a_redis_that_forgets(gates, kafka):
    cluster = gates(2, kafka=kafka)
    opened(cluster)
    order = bought(cluster, "anna")
    assert change(cluster, order, "cancel", {"reason": REASON}).status == 200
    cluster.redis.call("FLUSHALL")
    wait_until(lambda: all(gate.buy("drop", "bert", key="k").status == 202 for gate in cluster.gates), 60, "the rebuilt stock")
    me = cluster.operate("GET", "/v1/whoami").json["name"]
    assert said(cluster, order, "cancelled", REASON) == (me, "operator")
    assert events(cluster, order, 2)[-1]["reason"] == REASON
    cluster.settle()
