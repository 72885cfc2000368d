"""The whole cluster: gates and drains over Redis, Kafka and PostgreSQL."""

from rush import rush


def test_an_order_is_known_at_once_at_every_gate_and_soon_in_the_ledger(gates, kafka):
    cluster = gates(2, kafka=kafka)
    a, b = cluster.gates
    cluster.make_sale("drop", 5, hold_seconds=60)
    order = a.buy("drop", "anna", key="k")
    assert order.status == 202, order.body
    assert b.order(order.json["id"]).json["state"] == "held"
    cluster.settle()
    assert {row[4] for row in cluster.order_rows("drop").values()} == {"held"}


def test_a_crowd_at_two_gates_with_two_drains(gates, kafka):
    cluster = gates(2, kafka=kafka)
    cluster.add_drain()
    rush(cluster, "two drains", lambda: None)


def test_redis_dies_and_comes_back_empty(gates, kafka):
    cluster = gates(2, kafka=kafka)

    def fault():
        cluster.redis.kill()
        cluster.redis.restart(empty=True)

    rush(cluster, "empty", fault)
