"""
A journal that is away, late, silent, or another one; a ledger that is away; and what a drain cannot
apply. All of them real.
"""

import contextlib
import itertools
import json
import shutil
import subprocess
import time

import pytest
from kafka import Kafka, Proxied

from cluster import PARTITIONS
from crowd import Crowd, new_seed
from penstock import request, run, wait_until
from rush import TERMS, finish, rush


@pytest.fixture
def brokers():
    """Clusters of brokers of the test's own, to be broken: brokers(1), brokers(3)."""
    servers = []

    def make(count):
        servers.append(Kafka(count))
        return servers[-1].start()

    yield make
    for server in servers:
        server.free()


def last(seconds):
    """A fault's length: it is there until then, whatever happens."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, seconds + 5, "the end of the fault")


def refusal(cluster, key):
    answer = cluster.buy("drop", "nobody", key=key, body={"sku": "size-1"})
    assert answer.status != 503 or answer.code in ("journal-unavailable", "outcome-unknown", "overloaded"), answer.body
    return answer.status == 503


def test_the_broker_is_stopped_for_20_seconds(gates, brokers):
    kafka = brokers(1)
    cluster = gates(2, kafka=kafka)

    def fault():
        kafka.stop_node(1)
        wait_until(lambda: refusal(cluster, "away"), 10, "a refusal")
        last(20)
        kafka.start_node(1)

    rush(cluster, "broker away", fault, after=1, back=60)


def test_the_broker_is_killed(gates, brokers):
    kafka = brokers(1)
    cluster = gates(2, kafka=kafka)

    def fault():
        kafka.kill_node(1)
        kafka.start_node(1)

    rush(cluster, "broker killed", fault, after=1, back=60)


def test_a_gate_that_nobody_buys_from_tells_that_the_journal_is_away(gates, brokers):
    """Before a sale opens is when an operator can still do something about it."""
    kafka = brokers(1)
    cluster = gates(1, kafka=kafka)
    gate = cluster.gates[0]

    def ready():
        return gate.operate("GET", "/readyz").status == 200

    wait_until(ready, 10, "a gate that is ready")
    kafka.stop_node(1)
    wait_until(lambda: not ready(), 15, "a gate that knows")
    assert gate.metric('penstock_component_up{component="journal"}') == 0
    assert gate.operate("GET", "/health").json["components"]["journal"]["status"] == "DOWN"
    kafka.start_node(1)
    wait_until(ready, 30, "a gate that is ready again")
    assert gate.metric('penstock_component_up{component="journal"}') == 1


def test_one_of_three_brokers_is_killed(gates, brokers):
    kafka = brokers(3)
    cluster = gates(2, kafka=kafka)
    rush(cluster, "one of three", lambda: kafka.kill_node(2), before=1, after=4, back=60)


def test_one_broker_alone_keeps_no_promise(gates, brokers):
    """What the leader of a sale's partition alone has may go with it: nobody is told yes."""
    kafka = brokers(3)
    cluster = gates(1, kafka=kafka)
    cluster.make_sale("drop", lots={"drop": 10})
    wait_until(lambda: cluster.buy("drop", "early").status == 202, 20, "an order")
    partition = next(number for number, end in kafka.ends(cluster.topic, PARTITIONS).items() if end)
    leader = kafka.leader(cluster.topic, partition)
    # Frozen and not dead: the leader goes on believing that they keep up, so only their own words
    # count.
    for number in {1, 2, 3} - {leader}:
        kafka.freeze_node(number)
    answer = cluster.buy("drop", "late", timeout=20)
    assert answer.status == 503, answer


@pytest.mark.parametrize(("mode", "seconds"), [("drop", 1), ("hold", 3), ("cut", 1)])
def test_acknowledgements_are_lost_or_late(gates, brokers, mode, seconds):
    """Held for longer than journal.ack_deadline, they are too late to be told."""
    kafka = brokers(1)
    cluster = gates(2, kafka=Proxied(kafka))

    def fault():
        kafka.set_proxies(mode)
        last(seconds)
        kafka.set_proxies("cut")
        kafka.set_proxies("pass")

    def hold():
        kafka.set_proxies("hold")
        last(seconds)
        kafka.set_proxies("pass")

    crowd = rush(cluster, f"acknowledgements: {mode}", hold if mode == "hold" else fault, after=1, back=60)
    assert crowd.answers["outcome-unknown"] > 0 or mode != "hold"


def test_the_topic_is_made_again(gates, brokers):
    """
    With it goes what was in it; what the ledger has stays, and nobody is told yes by a log that no
    drain reads.
    """
    kafka = brokers(1)
    cluster = gates(1, kafka=kafka)
    cluster.make_sale("drop", **TERMS)
    crowd = Crowd(cluster, "drop", new_seed("made again"), buyers=300)
    crowd.shop(0.5)
    cluster.settle()
    kafka.stop_node(1)
    shutil.rmtree(kafka.nodes[0].folder / "data")
    kafka.nodes[0].format(kafka.CLUSTER)
    kafka.start_node(1)
    gate, drain = cluster.gates[0], cluster.drains[0]

    tries = itertools.count()

    def has_noticed():
        answer = gate.buy("drop", "late", key=f"late-{next(tries)}", body={"sku": "size-1"})
        assert answer.status != 202, answer.body
        return answer.status == 503 and answer.code == "journal-unavailable"

    wait_until(has_noticed, 60, "the gate's notice")
    gate.kill()
    gate.start(wait=False)
    assert gate.process.wait(60) != 0
    gate.await_log("shorter than what the ledger was filled from")
    drain.kill()
    drain.start(wait=False)
    wait_until(lambda: "A PARTITION IS STALLED" in drain.log(), 60, "the drain's notice")
    crowd.check_ledger()
    assert not crowd.faults, crowd.faults[:5]
    assert gate.audit_ledger()[0] == 0


def test_postgres_is_stopped_for_30_seconds(gates, kafka, own_postgres):
    """A sale that runs goes on: what is accepted is in the journal."""
    cluster = gates(2, kafka=kafka, postgres=own_postgres)
    accepted = []

    def fault():
        own_postgres.stop()
        end = time.monotonic() + 30
        for number in range(10**6):
            if time.monotonic() > end:
                break
            answer = cluster.buy("drop", f"meanwhile-{number}", key="k", body={"sku": "size-1"})
            if answer.status == 202:
                accepted.append(answer.json["id"])
        own_postgres.start()

    rush(cluster, "ledger away", fault, after=1, back=60)
    assert len(accepted) > 100
    rows = cluster.order_rows("drop")
    assert all(order.replace("-", "") in rows for order in accepted)


def test_a_payment_with_a_key_does_not_wait_for_the_ledger_and_a_refund_does(gates, kafka, own_postgres):
    cluster = gates(1, kafka=kafka, postgres=own_postgres)
    gate = cluster.gates[0]
    cluster.make_sale("drop", 5, hold_seconds=600)
    wait_until(lambda: cluster.is_selling("drop"), 20, "the sale")
    paid, ended = (gate.buy("drop", buyer, key="k").json["id"] for buyer in ("anna", "bert"))
    cluster.settle()

    def send(order, action, key):
        answer = gate.operate("POST", f"/v1/orders/{order}/{action}", headers={"Idempotency-Key": key})
        return answer.status, answer.json.get("state") or answer.code, answer.header("Idempotent-Replayed")

    own_postgres.stop()
    assert send(paid, "confirm", "paid") == (200, "confirmed", None)
    assert send(paid, "confirm", "paid") == (200, "confirmed", "true")
    assert send(ended, "cancel", "end") == (200, "cancelled", None)
    assert send(ended, "cancel", "end") == (200, "cancelled", "true")
    assert send(paid, "cancel", "back")[:2] == (503, "ledger-unavailable")
    own_postgres.start()
    wait_until(lambda: send(paid, "cancel", "back")[:2] == (200, "cancelled"), 60, "the refund")
    cluster.settle(60)
    assert send(paid, "confirm", "paid") == (200, "cancelled", "true")
    cluster.audit()


def test_postgres_crashes_in_the_middle_of_transactions(gates, kafka, own_postgres):
    cluster = gates(2, kafka=kafka, postgres=own_postgres)
    cluster.make_sale("drop", **TERMS)
    crowd = Crowd(cluster, "drop", new_seed("ledger crashes"), buyers=600, stay=True)

    def fault():
        own_postgres.crash()
        own_postgres.start()

    for _ in range(5):
        crowd.shop(crowd.random.uniform(0.1, 0.4), then=fault, after=0.2)
    finish(cluster, crowd, back=60)


@pytest.fixture
def small_postgres(own_postgres):
    """Its data are on a disk of 96 MB."""
    own_postgres.stop()
    data, away = own_postgres.data, own_postgres.folder / "moved"
    data.rename(away)
    data.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", data], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    subprocess.run(["cp", "-a", f"{away}/.", data], check=True)
    subprocess.run(["chown", "--reference", away, data], check=True)
    data.chmod(0o700)
    yield own_postgres.start()
    own_postgres.stop()
    subprocess.run(["umount", "--lazy", data], check=True)


def test_the_ledgers_disk_is_full(gates, kafka, small_postgres):
    cluster = gates(2, kafka=kafka, postgres=small_postgres)
    filler = small_postgres.data / "filler"

    def is_lagging():
        return cluster.drains[0].metric("penstock_drain_lag_records") > 100

    def fault():
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 65536)
        wait_until(is_lagging, 30, "a drain that cannot write")
        filler.unlink()
        if small_postgres.process.poll() is not None:
            small_postgres.start()

    rush(cluster, "ledger's disk", fault, after=1, back=60)


def test_records_that_no_drain_can_apply(gates, kafka):
    cluster = gates(1, kafka=kafka)
    cluster.make_sale("drop", **TERMS)
    order = cluster.buy("drop", "anna", key="k", body={"sku": "size-1"}).json["id"]
    cluster.settle()
    (sale, epoch) = cluster.postgres.sql("SELECT number, epoch FROM penstock.sales", cluster.database)[0]
    nobodys = {
        "v": 1, "kind": "order.confirmed", "id": "01930000-0000-7000-8000-000000000001", "sale": int(sale), "epoch": int(epoch),
        "at": "2027-01-01T10:00:00.000Z", "actor": "clock",
    }  # fmt: skip
    for record in ("no event", "{}", json.dumps(nobodys)):
        kafka.kcat("-P", "-t", cluster.topic, "-k", sale, input=record)
    drain = cluster.drains[0]
    wait_until(lambda: cluster.postgres.sql("SELECT count(*) FROM penstock.dead_letters", cluster.database) == [["3"]], 20, "the dead letters")
    # The drain goes on behind them.
    assert cluster.operate("POST", f"/v1/orders/{order}/confirm").status == 200
    cluster.settle()
    assert {row[4] for row in cluster.order_rows("drop").values()} == {"confirmed"}
    dead = kafka.kcat("-C", "-t", f"{cluster.topic}.dead", "-e", "-f", "%s\n").splitlines()
    assert sorted(dead[:3]) == sorted(["no event", "{}", json.dumps(nobodys)])
    assert drain.process.poll() is None
    # Two of them cannot be read, so they may be purchases that were told: every gate says so until
    # they are forgotten by name.
    code, text = cluster.audit_ledger()
    assert code == 1 and "P2: dead letter" in text
    gate = cluster.gate()
    wait_until(lambda: gate.metric('penstock_dead_purchases{promise="P2"}') == 2, 20, "the metric")
    assert gate.operate("GET", "/health").json["components"]["promises"]["status"] == "DOWN"
    wait_until(lambda: drain.metric('penstock_dead_purchases{promise="P2"}') == 2, 20, "the drain's metric")
    health = request(drain.monitor, "GET", "/health", documented=False)
    assert (health.status, health.json["components"]["promises"]["details"]["P2"]) == (503, 2)
    assert request(drain.monitor, "GET", "/readyz", documented=False).status == 200
    for (number,) in cluster.postgres.sql("SELECT number FROM penstock.dead_letters WHERE event NOT LIKE '%confirmed%'", cluster.database):
        done = run("replay", *gate.arguments(), "--forget", number, "--reason", "somebody's test")
        assert done.returncode == 0, done
    wait_until(lambda: gate.metric('penstock_dead_purchases{promise="P2"}') == 0, 20, "the metric")
    assert gate.operate("GET", "/health").json["components"]["promises"]["status"] == "UP"
    wait_until(lambda: request(drain.monitor, "GET", "/health", documented=False).json["components"]["promises"]["status"] == "UP", 20, "the drain's health")
    assert cluster.audit_ledger()[0] == 0
