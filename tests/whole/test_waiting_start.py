"""A gate that is started while a service is away waits for it: alive, not ready, and with the reason; then it sells."""

import pytest
from kafka import Kafka
from postgres import free_port

from penstock import request, wait_until


def start_at_known_places(gate):
    """A gate that waits has no ready file yet: where it listens must be known."""
    ports = free_port(), free_port()
    gate.settings = {**gate.settings, "gate.listen": f"127.0.0.1:{ports[0]}", "operator.listen": f"127.0.0.1:{ports[1]}"}
    gate.start(wait=False)
    gate.public, gate.operator = (f"http://127.0.0.1:{port}" for port in ports)


def answers(gate, path, place=None):
    assert gate.process.poll() is None, f"it ended: {gate.log()}"
    try:
        return request(place or gate.public, "GET", path, documented=False)
    except OSError:
        return None


class Away:
    """How each service goes and comes back, and what /readyz calls it."""

    def __init__(self, name, cluster, brokers):
        self.check = {"postgres": "ledger", "redis": "stock", "kafka": "journal"}[name]
        self.go, self.come_back = {
            "postgres": (cluster.postgres.crash, cluster.postgres.start),
            "redis": (cluster.redis.kill, lambda: cluster.redis.restart(empty=True)),
            "kafka": (lambda: brokers.kill_node(0), lambda: brokers.start_node(0)),
        }[name]


@pytest.mark.parametrize("name", ["postgres", "redis", "kafka"])
def test_a_gate_waits_for_a_service_that_is_away_when_it_starts(gates, own_postgres, name):
    brokers = Kafka().start() if name == "kafka" else None
    try:
        cluster = gates(1, postgres=own_postgres, kafka=brokers)
        gate = cluster.gates[0]
        cluster.make_sale("drop", 5)
        order = cluster.buy("drop", "anna", key="k")
        cluster.settle()
        gate.stop()
        away = Away(name, cluster, brokers)
        away.go()
        start_at_known_places(gate)
        wait_until(lambda: answers(gate, "/livez"), 30, "an answer")
        assert answers(gate, "/livez").status == 200
        wait_until(lambda: f"{away.check}".encode() in answers(gate, "/readyz?verbose").body, 30, "the reason")
        ready = answers(gate, "/readyz?verbose")
        assert ready.status == 503
        refused = request(gate.public, "POST", "/v1/sales/drop/orders", {}, documented=False)
        assert (refused.status, refused.code) == (503, f"{away.check}-unavailable") and refused.header("Retry-After")
        assert answers(gate, "/health", gate.operator).status == 503
        assert answers(gate, "/metrics", gate.operator).status == 200
        assert answers(gate, "/metrics").status == 503, "figures are the operators'"
        away.come_back()
        gate.wait_ready()
        wait_until(lambda: cluster.is_selling("drop"), 60, "the stock")
        assert gate.buy("drop", "anna", key="k").body == order.body
        assert gate.buy("drop", "ben", key="k").status == 202
        assert answers(gate, "/readyz").status == 200
    finally:
        if brokers:
            brokers.free()


def test_a_gate_that_waits_is_stopped_in_order(gates, redis):
    cluster = gates(1)
    gate = cluster.gates[0]
    gate.stop()
    redis.kill()
    start_at_known_places(gate)
    wait_until(lambda: answers(gate, "/livez"), 30, "an answer")
    gate.stop()
    assert gate.process.returncode == 0
