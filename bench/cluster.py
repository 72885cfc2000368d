"""
A cluster to be measured: Redis, Kafka and PostgreSQL as the tests start them (tools/services), each
once for the whole run and only where a figure needs it; gates and drains over them. All of it is on
this one machine, and ends with the bench.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path

from measure import Failed, Watch, cpu_seconds, wait_until
from server import ANY_CORE, PROGRAM, ROOT, Server

sys.path.append(str(ROOT / "tools/services"))

from kafka import Kafka  # noqa: E402
from postgres import Postgres  # noqa: E402
from redis import Redis  # noqa: E402

MILLION = 1_000_000
FETCH_SECONDS = 0.1  # src/journal/kafka/group.c
HEADER_IDENTITY = {"identity.mode": "header", "gate.trusted_proxies": "127.0.0.1"}


class Services:
    """with services: each starts when it is first asked for."""

    def __enter__(self):
        self.stack = ExitStack()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def begin(self, service):
        self.stack.callback(service.free)
        return service.start()

    @cached_property
    def redis(self):
        return self.begin(Redis())

    @cached_property
    def kafka(self):
        return self.begin(Kafka())

    @cached_property
    def postgres(self):
        return self.begin(Postgres(max_wal_size="4GB"))  # so that no round has a checkpoint that others have not

    def cpu_seconds(self):
        """Of those that run."""
        spent = 0.0
        if "redis" in self.__dict__:
            spent += cpu_seconds(self.redis.process.pid)
        if "kafka" in self.__dict__:
            spent += sum(cpu_seconds(node.process.pid) for node in self.kafka.nodes)
        if "postgres" in self.__dict__:
            spent += with_the_ended(self.postgres.process.pid)
            for pid in self.postgres.children():
                with suppress(OSError):  # it has ended meanwhile
                    spent += cpu_seconds(pid)
        return spent


def with_the_ended(pid):
    """CPU time of a process and of its children that have ended, such as PostgreSQL's sessions."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def pin(pid, cores):
    """
    A process that runs, with all its threads; those that it makes from now on are where the one
    that makes them is.
    """
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {int(core) for core in cores.split(",")})


class Process(Server):
    """A gate or a drain."""

    def __init__(self, cluster, name, command="serve", core=ANY_CORE, **settings):
        listens = {} if command == "serve" else {"drain.listen": "127.0.0.1:0"}
        super().__init__(name, core, command, **{**HEADER_IDENTITY, **cluster.settings, **listens, **settings})
        self.cluster = cluster

    def sells(self, sale):
        """
        It knows the sale, its stock and that it is open. An operator is told what the ledger has,
        and its buyers what the gate has heard of.
        """
        try:
            seen = json.loads(self.operate("GET", f"/v1/sales/{sale}"))
            with urllib.request.urlopen(f"{self.public}/v1/sales/{sale}", timeout=30) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError:
            return False
        return seen["state"] == told["state"] == "open" and all(lot.get("available") is not None for lot in seen["lots"])

    def metric(self, name):
        """One series of a drain or a gate; None: it is not known yet."""
        for line in self.metrics().splitlines():
            if line.startswith(name + " "):
                value = line.rsplit(" ", 1)[1]
                return None if value == "NaN" else float(value)
        raise Failed(f"there is no metric {name}")


class Cluster:
    """
    An empty one: nothing in Redis, a new database, a new topic. Gates and drains are started as
    they are asked for.
    """

    made = 0

    def __init__(self):
        Cluster.made += 1
        services.redis.call("FLUSHALL")
        services.redis.call("FUNCTION", "FLUSH")  # another build's library may be newer
        self.topic = f"bench-{Cluster.made}"
        self.database = services.postgres.make_database()
        self.processes = []

    @property
    def settings(self):
        return {
            "stock.url": services.redis.url(),
            "journal.url": services.kafka.url(self.topic),
            "journal.kafka.partitions": "3",
            "journal.kafka.replication": "1",
            "journal.kafka.min_insync": "1",
            "ledger.url": services.postgres.url(self.database),
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()

    def start(self, name, command="serve", program=PROGRAM, environment=None, **settings):
        process = Process(self, f"{self.topic}-{name}", command, **settings).fresh()
        process.program, process.environment = program, environment or {}
        self.processes.append(process)
        process.start()
        return process

    def gate(self, name="gate", **settings):
        return self.start(name, **settings)

    def drain(self, name="drain", **settings):
        return self.start(name, "drain", **settings)

    def sell(self, gate, units=MILLION, **terms):
        gate.make_item(units)
        gate.make_sale("s", units, **terms)

    def cpu_seconds(self):
        """Of everything that is the cluster."""
        alive = [process.pid for process in self.processes if process.process.poll() is None]
        return sum(map(cpu_seconds, alive)) + services.cpu_seconds()

    def watch(self):
        return Watch(self.cpu_seconds)

    # --- Proof ---

    def orders(self):
        return int(services.postgres.sql("SELECT count(*) FROM penstock.orders", self.database)[0][0])

    def settle(self, drain, pause=0.02):
        """
        Everything that was journalled is in the ledger. pause: seconds between two looks, which
        cost the drain CPU. A drain hears of a record within FETCH_SECONDS, and before that it is
        not in its lag.
        """
        busy = time.monotonic()

        def is_settled():
            nonlocal busy
            now = time.monotonic()
            if drain.metric("penstock_drain_lag_records") != 0:
                busy = now
            return now - busy > 3 * FETCH_SECONDS

        wait_until(is_settled, "the end of the drain's lag", 60, pause)

    def prove(self):
        audit = subprocess.run([PROGRAM, "audit", self.settings["ledger.url"], "--json"], capture_output=True, text=True)
        if audit.returncode != 0:
            raise Failed(f"the audit of {self.database} fails: {audit.stdout}{audit.stderr}")

    def branch(self):
        """
        Another ledger as this one is now, before the same topic. Nobody is connected to this one.
        """
        other = object.__new__(Cluster)
        other.topic, other.processes = self.topic, []
        other.database = f"{self.database}_{Cluster.made}"
        Cluster.made += 1
        services.postgres.sql(f"CREATE DATABASE {other.database} TEMPLATE {self.database}")
        return other

    def drop(self):
        services.postgres.sql(f"DROP DATABASE {self.database}")


services = Services()


def helper(name, *arguments, core=ANY_CORE):
    """What a program of bench/ says, as JSON."""
    command = ["taskset", "-c", core, PROGRAM.parent / "bench" / name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Failed(f"{name}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
