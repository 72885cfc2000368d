"""A ledger that is restored from a backup catches up from the journal (docs/operations.md), also where the stock was rebuilt after the backup was made."""

from penstock import wait_until


def test_a_restored_ledger_catches_up_and_sells_on(gates, kafka, own_postgres):
    cluster = gates(2, kafka=kafka, postgres=own_postgres)
    cluster.make_sale("drop", 50, hold_seconds=600)
    orders = {}

    def buy(buyer):
        answer = cluster.buy("drop", buyer, key="k")
        if answer.status == 202:
            orders[buyer] = answer.json["id"]
        return answer.status == 202

    def rebuild(buyer):
        cluster.redis.call("FLUSHALL")
        wait_until(lambda: buy(buyer), 30, "the stock")

    wait_until(lambda: buy("before"), 10, "the sale at every gate")
    cluster.settle()
    backup = own_postgres.folder / "backup"
    own_postgres.program("pg_dump", "-Fc", "--schema=penstock", "-f", backup, "-d", own_postgres.url(cluster.database))
    # Two epochs that the backup does not know, and orders in each.
    rebuild("first")
    rebuild("second")
    cluster.settle()
    for server in (*cluster.gates, *cluster.drains):
        server.stop()
    own_postgres.sql("DROP SCHEMA penstock CASCADE", cluster.database)
    own_postgres.program("pg_restore", "-d", own_postgres.url(cluster.database), backup)
    assert len(cluster.order_rows("drop")) == 1
    drain = cluster.drains[0].start()
    wait_until(lambda: len(cluster.order_rows("drop")) == 3, 20, "what the backup lacked")
    wait_until(lambda: drain.metric("penstock_drain_lag_records") == 0, 20, "the journal's end")
    cluster.redis.call("FLUSHALL")
    for gate in cluster.gates:
        gate.start()
    wait_until(lambda: buy("after"), 30, "the stock")
    before = dict(orders)
    assert all(buy(buyer) for buyer in before) and orders == before
    cluster.settle()
    # An epoch that lay below a barrier of the journal would be void, with the orders that were answered in it.
    assert {order.replace("-", "") for order in orders.values()} == set(cluster.order_rows("drop"))
    assert drain.metric('penstock_drain_events_total{outcome="void"}') == 0
    assert cluster.audit_ledger()[0] == 0
