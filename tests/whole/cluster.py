"""A cluster as an operator runs it: several gates, and drains where there is a broker, over one
Redis, one PostgreSQL and one Kafka; all of them real.

To a crowd it is one server: each look at `public` or `operator` is another gate's.
"""

import itertools
from contextlib import suppress
from pathlib import Path

from penstock import ORDER_ROWS, PROGRAM, Server, request, wait_until

numbers = itertools.count(1)
PARTITIONS = 3


class Cluster:
    def __init__(self, folder, postgres, redis, kafka=None, program=PROGRAM, settings=None, environment=None):
        """Starts nothing. kafka: None leaves the journal direct."""
        self.folder, self.postgres, self.redis, self.kafka = Path(folder), postgres, redis, kafka
        self.program, self.environment = program, environment or {}
        self.database = postgres.make_database()
        self.settings = {"ledger.url": postgres.url(self.database), "stock.url": redis.url(), **(settings or {})}
        if kafka:
            self.topic = f"penstock-{next(numbers)}-{self.database}"
            brokers = {"journal.kafka.replication": len(kafka.nodes), "journal.kafka.min_insync": (len(kafka.nodes) + 1) // 2}
            self.settings = {"journal.url": kafka.url(self.topic), "journal.kafka.partitions": PARTITIONS, **brokers, **self.settings}
        self.gates, self.drains = [], []
        self.turn = itertools.count()

    def start(self, gates=2, drains=1):
        for _ in range(gates):
            self.add_gate()
        for _ in range(drains if self.kafka else 0):
            self.add_drain()
        return self

    def add_gate(self, **options):
        return self._add(self.gates, "gate", "serve", **options)

    def add_drain(self, **options):
        return self._add(self.drains, "drain", "drain", **options)

    def _add(self, them, name, command, settings=None, environment=None, program=None, **options):
        server = Server(
            self.folder / f"{name}-{len(them) + 1}",
            command=command,
            program=program or self.program,
            settings={**self.settings, **(settings or {})},
            environment={**self.environment, **(environment or {})},
            **options,
        )
        them.append(server)
        return server.start()

    def free(self):
        for server in [*self.gates, *self.drains]:
            server.kill()

    # --- one server to a crowd ---

    def alive(self):
        return [gate for gate in self.gates if gate.public and gate.process.poll() is None]

    def next_of(self, gates):
        """Another each time."""
        return gates[next(self.turn) % len(gates)]

    def gate(self):
        alive = self.alive()
        assert alive, "no gate is alive"
        return self.next_of(alive)

    @property
    def public(self):
        """Where a client goes. While all gates are dead that is the place of a dead one."""
        return self.next_of(self.alive() or [gate for gate in self.gates if gate.public]).public

    @property
    def operator(self):
        return self.next_of(self.alive() or [gate for gate in self.gates if gate.public]).operator

    def __getattr__(self, name):
        """buy, ask, operate, make_sale, sale, lot, order, orders, audit: any gate's."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.gate(), name)

    def metric(self, name):
        """Summed over the gates."""
        return sum(gate.metric(name) for gate in self.alive())

    def dead(self):
        return "".join(server.dead() for server in [*self.gates, *self.drains])

    def order_rows(self, sale):
        query = ORDER_ROWS.format(id="replace(o.id::text, '-', '')", schema="penstock.", sale=f"'{sale}'")
        rows = self.postgres.sql(query, self.database)
        return {row[0]: (row[1], row[2] or None, row[3], int(row[4]), row[5]) for row in rows}

    # --- waiting ---

    def is_selling(self, sale):
        """
        Every living gate's stock decides purchases: it is not fenced, away or just being rebuilt.
        The one that is asked for is always the same.
        """
        for gate in self.alive():
            with suppress(OSError, AssertionError):
                sku = gate.sale(sale)["lots"][0]["sku"]
                probe = gate.buy(sale, "probe", key="probe", body={"sku": sku})
                # One that has not heard of the sale, or of its opening, decides nothing yet.
                if probe.status not in (404, 503) and probe.json.get("code") != "sale-not-open":
                    continue
            return False
        return True

    def is_settled(self):
        """Nothing is on its way: not in an outbox, not in the journal."""
        with suppress(OSError):
            if any(gate.metric("penstock_stock_outbox_entries") for gate in self.alive()):
                return False
            return self.is_drained()
        return False

    def is_drained(self):
        """By the log and the ledger themselves."""
        if not self.kafka:
            return True
        ends = self.kafka.ends(self.topic, PARTITIONS)
        rows = self.postgres.sql("SELECT partition, next FROM penstock.journal_offsets", self.database)
        return len(ends) == PARTITIONS and ends == {**dict.fromkeys(range(PARTITIONS), 0), **{int(p): int(n) for p, n in rows}}

    def settle(self, seconds=30):
        """
        Twice in a row: what was in nobody's hands between two looks has arrived by the second.
        """
        for _ in range(2):
            wait_until(self.is_settled, seconds, "the end of what is on its way")
