"""
Ours as the peers are (bench/one_script.py, bench/usual.py): the same sale behind one interface.
Everything that a contender needs is on any core, beside the load. Redis syncs before it answers,
Kafka has the record, SQLite and PostgreSQL sync.
"""

import json
import sqlite3

from cluster import HEADER_IDENTITY, MILLION, Cluster, services
from measure import cpu_seconds, resident_bytes, wait_until
from server import ANY_CORE, Server

SYNC = "always"
LIMITS = {"rate": {"requests": 5, "seconds": 10}}  # one script counts a buyer's requests, so ours do too


class Ours:
    """What is told to, and asked of, the one server that has the sale."""

    @property
    def url(self):
        return self.server.public

    @property
    def pid(self):
        return self.server.pid

    @property
    def start_seconds(self):
        return self.server.start_seconds

    def open(self, sale, units):
        self.server.make_sale(sale, units, **LIMITS)
        wait_until(lambda: self.available(sale) is not None, "the sale", pause=0.01)

    def available(self, sale):
        """Units that nobody has; None: that is not known yet."""
        seen = json.loads(self.server.operate("GET", f"/v1/sales/{sale}"))
        return seen["lots"][0].get("available") if seen["state"] == "open" else None

    def units_left(self, sale):
        wait_until(lambda: self.available(sale) is not None, "the stock's count", pause=0.01)
        return self.available(sale)

    def count(self, sale):
        return len(self.orders(sale))


class Embedded(Ours):
    name = "embedded"

    def __enter__(self):
        self.server = Server("contender", ANY_CORE, **HEADER_IDENTITY).fresh()
        self.server.start()
        self.server.make_item(4 * MILLION)
        return self

    def __exit__(self, *_):
        self.server.kill()

    def cpu_seconds(self):
        return cpu_seconds(self.pid)

    def resident_bytes(self):
        return resident_bytes(self.pid)

    def settle(self, sale, orders):
        """Its ledger is its journal: a 202 is there."""

    def orders(self, sale):
        """(id, buyer) of each that is in the ledger."""
        ledger = sqlite3.connect(f"file:{self.server.ledger}?mode=ro", uri=True)
        try:
            query = "SELECT lower(hex(orders.id)), buyer FROM orders JOIN sales ON sales.number = orders.sale WHERE sales.id = ?"
            return ledger.execute(query, (sale,)).fetchall()
        finally:
            ledger.close()

    def kill(self):
        """-9."""
        self.server.kill()

    def restart(self):
        self.server.start()

    def prove(self):
        self.server.stop()
        self.server.prove()


class GateAndDrain(Ours):
    name = "cluster"

    def __enter__(self):
        self.cluster = Cluster().__enter__()
        services.redis.call("CONFIG", "SET", "appendfsync", SYNC)
        self.server = self.cluster.gate()
        self.drain = self.cluster.drain()
        self.server.make_item(4 * MILLION)
        return self

    def __exit__(self, *exception):
        self.cluster.__exit__(*exception)
        services.redis.call("CONFIG", "SET", "appendfsync", "everysec")

    def cpu_seconds(self):
        return self.cluster.cpu_seconds()

    def resident_bytes(self):
        return resident_bytes(self.pid, self.drain.pid, services.redis.process.pid)

    def settle(self, sale, orders):
        self.cluster.settle(self.drain, 0.1)

    def orders(self, sale):
        """(id, buyer) of each that is in the ledger."""
        query = f"SELECT orders.id, buyer FROM penstock.orders JOIN penstock.sales ON sales.number = orders.sale WHERE sales.id = '{sale}'"
        return services.postgres.sql(query, self.cluster.database)

    def kill(self):
        """-9, all of it at once but for Kafka and PostgreSQL."""
        for process in (self.server, self.drain, services.redis):
            process.kill()

    def restart(self):
        services.redis.restart()
        services.redis.call("CONFIG", "SET", "appendfsync", SYNC)
        self.server.start()
        self.drain.start()

    def prove(self):
        self.server.stop()
        self.drain.stop()
        self.cluster.prove()
