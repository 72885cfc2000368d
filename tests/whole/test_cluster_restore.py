"""
A ledger that is restored from a backup catches up from the journal (docs/operations.md), also where
the stock was rebuilt after the backup was made.
"""

from penstock import wait_until


class Shop:
    """
    One sale, what it has answered with 202, and a backup of the ledger with the first order alone:
    two more epochs and their orders are in the journal.
    """

    def __init__(self, cluster, postgres):
        self.cluster, self.postgres, self.orders = cluster, postgres, {}
        cluster.make_sale("drop", 50, hold_seconds=600)
        wait_until(lambda: self.buy("before"), 10, "the sale at every gate")
        cluster.settle()
        self.backup = postgres.folder / "backup"
        postgres.program("pg_dump", "-Fc", "--schema=penstock", "-f", self.backup, "-d", postgres.url(cluster.database))
        for epoch in ("second", "third"):
            cluster.redis.call("FLUSHALL")
            wait_until(lambda: self.buy(f"{epoch}-0"), 30, "the stock")
            assert all(self.buy(f"{epoch}-{i}") for i in range(1, 4))
        cluster.settle()

    def buy(self, buyer):
        """
        At every gate: the first makes the order, and each knows it by its key once the stock is
        there for it.
        """
        answers = [gate.buy("drop", buyer, key="k") for gate in self.cluster.alive()]
        told = {answer.json["id"] for answer in answers if answer.status == 202}
        assert len(told) <= 1, answers
        self.orders.update((buyer, order) for order in told)
        return all(answer.status == 202 for answer in answers)

    def restore(self):
        """All have stopped, the backup is in place, and Redis is empty."""
        for server in (*self.cluster.gates, *self.cluster.drains):
            server.stop()
        self.postgres.sql("DROP SCHEMA penstock CASCADE", self.cluster.database)
        self.postgres.program("pg_restore", "-d", self.postgres.url(self.cluster.database), self.backup)
        assert len(self.cluster.order_rows("drop")) == 1
        self.cluster.redis.call("FLUSHALL")

    def check(self):
        """Who was told has the same order by the same key, and it is in the ledger."""
        before = dict(self.orders)
        assert all(self.buy(buyer) for buyer in before) and self.orders == before
        self.cluster.settle()
        # An epoch that lay below a barrier of the journal would be void, with the orders that were
        # answered in it.
        assert {order.replace("-", "") for order in self.orders.values()} == set(self.cluster.order_rows("drop"))
        assert self.cluster.drains[-1].metric('penstock_drain_events_total{outcome="void"}') == 0
        assert self.cluster.audit_ledger()[0] == 0


def test_a_restored_ledger_catches_up_and_sells_on(gates, kafka, own_postgres):
    shop = Shop(gates(2, kafka=kafka, postgres=own_postgres), own_postgres)
    shop.restore()
    drain = shop.cluster.drains[0].start()
    wait_until(lambda: len(shop.cluster.order_rows("drop")) == 9, 20, "what the backup lacked")
    wait_until(lambda: drain.metric("penstock_drain_lag_records") == 0, 20, "the journal's end")
    for gate in shop.cluster.gates:
        gate.start()
    wait_until(lambda: shop.buy("after"), 30, "the stock")
    shop.check()


def test_a_gate_that_is_there_before_the_drain_sells_above_every_epoch_of_the_journal(gates, kafka, own_postgres):
    """
    The ledger does not know of the epochs that the journal has. A rebuild that used one of them
    again would take the old barrier of that number for its own, load too few orders, and the next
    barrier would void what it answers.
    """
    shop = Shop(gates(1, kafka=kafka, postgres=own_postgres), own_postgres)
    cluster, gate = shop.cluster, shop.cluster.gates[0]
    shop.restore()
    gate.start()
    wait_until(lambda: shop.buy("after"), 60, "the stock, without a drain")
    assert len(cluster.order_rows("drop")) == 1
    cluster.add_drain(settings={"drain.max_rate": 5})
    shop.check()
