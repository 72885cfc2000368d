"""
The peer that such a service is usually made of: Spring, Redisson, Kafka and PostgreSQL
(bench/peers/usual). It shares Kafka and PostgreSQL with the cluster that it is held against, each
start with a topic and a database of its own; its Redis is its own.
"""

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from cluster import services
from measure import Failed, cpu_seconds, resident_bytes, wait_until
from peers import Peer, free_port
from redis import Redis
from server import ROOT, SCRATCH

JAR = ROOT / "build-usual/usual.jar"
PATIENCE = 300  # a Java program on a machine that others are using


class Usual(Peer):
    """sync: appendfsync of its Redis, `always` or `everysec`."""

    name = "the usual service"
    made = 0

    def __init__(self, sync):
        Usual.made += 1
        self.topic = f"usual-{Usual.made}"
        self.redis = Redis(appendfsync=sync)
        self.log = SCRATCH / f"{self.topic}.log"

    def start(self):
        if subprocess.run([ROOT / "tools/usual-jar"], stdout=subprocess.DEVNULL).returncode != 0:
            raise Failed("the usual service cannot be built: run tools/setup bench")
        SCRATCH.mkdir(parents=True, exist_ok=True)
        self.database = services.postgres.make_database()
        self.redis.start()
        self.run()

    def run(self):
        """Its program, before the data that are there."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        told = {
            "server.port": port,
            "usual.redis": f"redis://127.0.0.1:{self.redis.port}",
            "usual.topic": self.topic,
            "spring.kafka.bootstrap-servers": services.kafka.brokers,
            "spring.datasource.url": f"jdbc:postgresql://127.0.0.1:{services.postgres.port}/{self.database}",
        }
        command = ["java", "-Xmx512m", "-jar", str(JAR), *(f"--{name}={value}" for name, value in told.items())]
        with open(self.log, "ab") as log:
            begin = time.monotonic()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.answers, "the usual service", PATIENCE, 0.01)
        self.start_seconds = time.monotonic() - begin

    @property
    def pid(self):
        return self.process.pid

    def answers(self):
        if self.process.poll() is not None:
            raise Failed(f"the usual service ended: {self.log.read_text()}")
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def open(self, sale, units):
        self.redis.call("SET", f"{{{sale}}}:units", units)

    def units_left(self, sale):
        return int(self.redis.call("GET", f"{{{sale}}}:units"))

    def cpu_seconds(self):
        """Of everything that it stands on, too."""
        return cpu_seconds(self.process.pid) + cpu_seconds(self.redis.process.pid) + services.cpu_seconds()

    def resident_bytes(self):
        return resident_bytes(self.process.pid, self.redis.process.pid)

    def count(self, sale):
        return int(self.ledger(f"SELECT count(*) FROM orders WHERE sale = '{sale}'")[0][0])

    def orders(self, sale):
        """(id, buyer) of each that is in the ledger."""
        return self.ledger(f"SELECT id, buyer FROM orders WHERE sale = '{sale}'")

    def ledger(self, query):
        return services.postgres.sql(query, self.database)

    def settle(self, sale, orders):
        """Everything that was produced is in the ledger, and so many of that sale at least."""
        all_of_it = "SELECT count(*) FROM orders"
        wait_until(
            lambda: self.produced() <= int(self.ledger(all_of_it)[0][0]) and self.count(sale) >= orders,
            f"{orders:,} orders of the usual service in its ledger",
            PATIENCE,
            0.1,
        )

    def produced(self):
        """Records in its topic."""
        ends = services.kafka.kcat("-Q", *(word for partition in range(3) for word in ("-t", f"{self.topic}:{partition}:-1")))
        return sum(int(line.rsplit(" ", 1)[1]) for line in ends.splitlines())

    def prove(self):
        """It has no audit."""

    def kill(self):
        """-9, all of it at once but for Kafka and PostgreSQL."""
        self.process.kill()
        self.process.wait(30)
        self.redis.kill()

    def restart(self):
        self.redis.restart()
        self.run()

    def stop(self):
        self.process.terminate()

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self.redis.free()


# --- It is what it is said to be, or nothing is measured ---


def buy(peer, sale, buyer, key, seconds=60):
    """Status of the answer, and the order's id."""
    headers = {"X-Buyer-Id": buyer, "Idempotency-Key": key, "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{peer.url}/v1/sales/{sale}/orders", b'{"quantity":1}', headers), timeout=seconds) as answer:
            return answer.status, json.load(answer)["id"]
    except urllib.error.HTTPError as refusal:
        return refusal.code, None


def expect(true, what):
    if not true:
        raise Failed(f"the usual service is not what it is said to be: {what}")


def check(peer):
    """The usual mistakes are not in it: what is measured is worth to be held against."""
    with ThreadPoolExecutor(32) as pool:
        sells_what_there_is(peer, pool)
        sells_one_a_buyer(peer, pool)
    sets_its_limiter_once(peer)
    tells_what_kafka_has(peer)


def sells_what_there_is(peer, pool):
    """
    No unit more and no unit less, whoever comes at once; rows come to the ledger many in a
    transaction.
    """
    units, buyers = 200, 300
    peer.open("few", units)
    answers = list(pool.map(lambda i: buy(peer, "few", f"few-{i}", f"key-{i}"), range(buyers)))
    statuses = Counter(status for status, _ in answers)
    expect(statuses == {202: units, 410: buyers - units}, f"{units} units, and {buyers} buyers are answered {dict(statuses)}")
    peer.settle("few", units)
    rows = {order for order, _ in peer.orders("few")}
    expect(rows == {order for status, order in answers if status == 202}, "not everybody who was told so has an order in the ledger")
    expect(peer.units_left("few") == 0, f"{peer.units_left('few')} units are left of none")
    transactions = int(peer.ledger("SELECT count(DISTINCT xmin::text) FROM orders WHERE sale = 'few'")[0][0])
    expect(transactions <= units // 2, f"{units} rows took {transactions} transactions")


def sells_one_a_buyer(peer, pool):
    """A buyer who asks many times at once has one order, and a retry gets it again."""
    tries = 24
    peer.open("one", 100)
    statuses = Counter(status for status, _ in pool.map(lambda i: buy(peer, "one", "eager", f"key-{i}"), range(tries)))
    expect(statuses[202] == 1 and set(statuses) <= {202, 409, 503}, f"one buyer is answered {dict(statuses)}")
    first, again = buy(peer, "one", "retry", "key"), buy(peer, "one", "retry", "key")
    expect(first[0] == 202 and first == again, f"a retry of {first} gets {again}")
    expect(peer.units_left("one") == 98, "a buyer has cost more than a unit")


def sets_its_limiter_once(peer):
    """
    Its settings are those of its start, though somebody has changed them since; a request only
    takes a permit.
    """
    peer.redis.call("HSET", "limiter", "rate", "999999")
    buy(peer, "one", "limited", "key")
    rate = peer.redis.call("HGET", "limiter", "rate")
    peer.redis.call("HSET", "limiter", "rate", "1000000")
    expect(rate == b"999999", f"a request sets the limiter to {rate}")
    commands = peer.redis.info("commandstats")
    expect("cmdstat_hsetnx" in commands, "nothing has set the limiter")


def tells_what_kafka_has(peer):
    """Where Kafka says nothing, neither does it."""
    with ThreadPoolExecutor(1) as pool:
        services.kafka.freeze_node(1)
        try:
            told = pool.submit(buy, peer, "one", "patient", "key")
            wait_until(lambda: peer.units_left("one") == 96, "the unit of whoever waits for Kafka")
            time.sleep(0.5)
            early = told.done()
        finally:
            services.kafka.nodes[0].process.send_signal(signal.SIGCONT)
        status, order = told.result(60)
    expect(not early and status == 202, f"a buyer is answered {status} {'before' if early else 'after'} Kafka has answered")
    wait_until(lambda: order in {one for one, _ in peer.orders("one")}, "the order that waited for Kafka", PATIENCE, 0.05)
