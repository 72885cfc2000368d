"""The whole cluster: gates and drains over Redis, Kafka and PostgreSQL."""


def test_an_order_is_known_at_once_at_every_gate_and_soon_in_the_ledger(gates, kafka):
    cluster = gates(2, kafka=kafka)
    a, b = cluster.gates
    cluster.make_sale("drop", 5, hold_seconds=60)
    order = a.buy("drop", "anna", key="k")
    assert order.status == 202, order.body
    assert b.order(order.json["id"]).json["state"] == "held"
    cluster.settle()
    assert {row[4] for row in cluster.order_rows("drop").values()} == {"held"}
