"""What is started while a service is away waits for it: alive, not ready, and with the reason; then it works. A wrong setting ends it."""

import pytest
from kafka import Kafka
from postgres import free_port
from redis import Redis

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


@pytest.mark.parametrize("name", ["postgres", "kafka"])
def test_a_drain_waits_for_a_service_that_is_away_when_it_starts(gates, own_postgres, name):
    brokers = Kafka().start()
    try:
        cluster = gates(1, postgres=own_postgres, kafka=brokers)
        drain = cluster.drains[0]
        drain.stop()
        cluster.make_sale("drop", 5)
        order = cluster.buy("drop", "anna", key="k").json["id"]
        away = Away(name, cluster, brokers)
        away.go()
        place = f"127.0.0.1:{free_port()}"
        drain.settings = {**drain.settings, "drain.listen": place}
        drain.start(wait=False)
        monitor = f"http://{place}"
        wait_until(lambda: answers(drain, "/livez", monitor), 60, "an answer")
        assert answers(drain, "/livez", monitor).status == 200
        wait_until(lambda: away.check.encode() in answers(drain, "/readyz?verbose", monitor).body, 30, "the reason")
        assert answers(drain, "/readyz", monitor).status == 503
        assert answers(drain, "/health", monitor).status == 503
        assert answers(drain, "/metrics", monitor).status == 200
        away.come_back()
        drain.wait_ready()
        wait_until(lambda: request(drain.monitor, "GET", "/readyz", documented=False).status == 200, 60, "readiness")
        cluster.settle(60)
        assert order.replace("-", "") in cluster.order_rows("drop")
    finally:
        brokers.free()


def test_a_drain_that_waits_is_stopped_in_order(gates, own_postgres, kafka):
    cluster = gates(0, postgres=own_postgres, kafka=kafka)
    drain = cluster.drains[0]
    drain.stop()
    own_postgres.stop()
    place = f"127.0.0.1:{free_port()}"
    drain.settings = {**drain.settings, "drain.listen": place}
    drain.start(wait=False)
    wait_until(lambda: answers(drain, "/livez", f"http://{place}"), 30, "an answer")
    drain.stop()
    assert drain.process.returncode == 0


@pytest.mark.parametrize("command", ["serve", "drain"])
@pytest.mark.parametrize("place", ["penstock@{host}/nothing", "nobody@{host}/postgres"], ids=["database", "user"])
def test_a_ledger_that_does_not_take_us_ends_a_start_at_once(serve, shared_postgres, redis, kafka, command, place):
    host = f"127.0.0.1:{shared_postgres.port}"
    settings = {
        "ledger.url": f"postgresql://{place.format(host=host)}",
        "stock.url": redis.url(),
        "journal.url": kafka.url("nothing"),
    }
    server = serve(settings=settings, wait=False, command=command)
    assert server.wait(30) == 1
    assert "the ledger cannot be opened" in server.log()
    assert "does not exist" in server.log(), "PostgreSQL's own words"
    assert "is waited for" not in server.log() and "a service is away" not in server.log()


@pytest.mark.parametrize("password", ["", ":wrong@"])
def test_a_redis_that_does_not_take_us_ends_a_start_at_once(serve, shared_postgres, password):
    redis = Redis(requirepass="right")
    redis.start(wait=False)
    try:
        settings = {
            "ledger.url": shared_postgres.url(shared_postgres.make_database()),
            "stock.url": f"redis://{password}127.0.0.1:{redis.port}",
        }
        wait_until(lambda: b"Ready" in redis.log.read_bytes(), 20, "Redis")
        server = serve(settings=settings, wait=False)
        assert server.wait(30) == 1
        assert "Redis refused the user or password of stock.url" in server.log()
    finally:
        redis.free()
