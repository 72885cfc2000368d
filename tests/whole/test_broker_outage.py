"""
The broker that a sale is led by is killed, or frozen, with the values that docs/operations.md
names. It prints how long nothing was sold.
"""

import itertools
import re
import time
from pathlib import Path

import pytest
from kafka import Kafka

from cluster import PARTITIONS
from penstock import wait_until

GUIDE = " ".join((Path(__file__).resolve().parents[2] / "docs/operations.md").read_text().split())
# What a client needs beside the brokers' own time: to hear of the new leader, and the retry of what
# was on its way; on a busy machine.
ALLOWED = 6.0


def documented():
    sentence = re.search(
        r"`broker.session.timeout.ms` (\d+), `broker.heartbeat.interval.ms` (\d+) and `replica.lag.time.max.ms` (\d+)", GUIDE
    )
    session, heartbeat, lag = map(int, sentence.groups())
    return {"broker_session_timeout_ms": session, "broker_heartbeat_interval_ms": heartbeat, "replica_lag_time_max_ms": lag}


@pytest.fixture
def brokers():
    kafka = Kafka(3, **documented())
    try:
        yield kafka.start()
    finally:
        kafka.free()


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_a_leader_that_is_gone_stops_its_sales_no_longer_than_the_guide_says(gates, brokers, fault):
    cluster = gates(2, kafka=brokers)
    cluster.make_sale("drop", 100000, rate=None)
    wait_until(lambda: cluster.is_selling("drop"), 20, "the sale at every gate")
    numbers = itertools.count()

    def buy(gate):
        buyer = f"b-{next(numbers)}"
        return buyer, gate.buy("drop", buyer, key="k", timeout=30)

    told = {}
    for gate in cluster.gates * 5:
        buyer, answer = buy(gate)
        assert answer.status == 202
        told[buyer] = answer.body
    partition = next(number for number, end in brokers.ends(cluster.topic, PARTITIONS).items() if end)
    leader = brokers.leader(cluster.topic, partition)
    (brokers.kill_node if fault == "killed" else brokers.freeze_node)(leader)
    began = time.monotonic()

    def sells(gate):
        buyer, answer = buy(gate)
        if answer.status == 202:
            told[buyer] = answer.body
        else:
            assert answer.status == 503 and answer.header("Retry-After"), answer
        return answer.status == 202

    for gate in cluster.gates:
        wait_until(lambda gate=gate: sells(gate), 60, "sales")
    outage = time.monotonic() - began
    print(f"the leader is {fault}: nothing sold for {outage:.1f} s")
    values = documented()
    assert outage <= max(values["broker_session_timeout_ms"], values["replica_lag_time_max_ms"]) / 1000 + ALLOWED
    for buyer, body in told.items():
        assert cluster.buy("drop", buyer, key="k").body == body
    cluster.settle(120)
    cluster.audit()
