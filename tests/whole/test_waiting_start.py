"""
What is started while a service is away waits for it: alive, not ready, and with the reason; then it
works. A wrong setting ends it.
"""

import time

import pytest
from kafka import Kafka
from ports import free_port
from proxy import Proxy
from redis import Redis

from penstock import request, wait_until


@pytest.fixture
def brokers():
    """A broker of the test's own, to be stopped."""
    server = Kafka().start()
    yield server
    server.free()


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
def test_a_drain_waits_for_a_service_that_is_away_when_it_starts(gates, own_postgres, brokers, name):
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
    server.await_log("the ledger cannot be opened")
    server.await_log("does not exist")
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
        server.await_log("Redis refused the user or password of stock.url")
    finally:
        redis.free()


# --- What Redis has armed is sold while PostgreSQL is away ---


def wait_until_kept(cluster):
    """Every sale's row in Redis is the ledger's newest."""

    def is_kept():
        changes = {int(n): int(c) for n, c in cluster.postgres.sql("SELECT number, change FROM penstock.sales", cluster.database)}
        return all(int(cluster.redis.call("HGET", f"{{ps:{n}}}:t", "change") or 0) == change for n, change in changes.items())

    wait_until(is_kept, 20, "the sales' rows in Redis")


def test_a_gate_that_starts_while_the_ledger_is_away_sells_what_the_stock_has_armed(gates, own_postgres, kafka):
    cluster = gates(2, postgres=own_postgres, kafka=kafka)
    cluster.make_sale("drop", 50, limit_per_buyer=1)
    gate, other = cluster.gates
    wait_until(lambda: cluster.is_selling("drop"), 20, "the sale at every gate")
    before = gate.buy("drop", "anna", key="k")
    assert before.status == 202
    cluster.settle()
    wait_until_kept(cluster)
    own_postgres.stop()
    gate.kill()
    other.kill()  # nobody is left who remembers
    began = time.monotonic()
    start_at_known_places(gate)
    gate.wait_ready()
    first = wait_until(lambda: (answer := gate.buy("drop", "ben", key="k")).status == 202 and answer, 30, "an order")
    print(f"the ledger is away: {time.monotonic() - began:.1f} s from the start of a gate to its first order")
    # A retry is one, a second purchase is one too many, and another body of the same key is
    # neither.
    assert gate.buy("drop", "anna", key="k").body == before.body
    assert gate.buy("drop", "ben", key="k").body == first.body
    assert (gate.buy("drop", "anna", key="other").status, gate.buy("drop", "anna", key="other").code) == (409, "buyer-limit-reached")
    assert gate.buy("drop", "ben", key="k", body={"quantity": 2}).status == 422
    wait_until(lambda: gate.metric('penstock_stock_units{state="available"}') == 50 - 3, 10, "the units: those two and the probe")
    assert answers(gate, "/readyz").status == 200, "it is what buyers meet"
    # What needs the ledger says so: nobody hears that something is not there which nobody could
    # look for.
    for answer in (
        gate.buy("nosuch", "anna", key="k"),
        gate.ask("GET", "/v1/sales/nosuch"),
        gate.ask("GET", "/v1/sales/nosuch/events"),
        gate.ask("GET", "/v1/sales"),
        gate.operate("GET", "/v1/items"),
        gate.operate("POST", "/v1/items", {"sku": "late", "name": "late", "on_hand": 1}),
    ):
        assert (answer.status, answer.code) == (503, "ledger-unavailable") and answer.header("Retry-After"), answer
    assert gate.operate("GET", "/health").json["components"]["ledger"]["status"] == "DOWN"
    # The stop button needs no ledger.
    assert gate.operate("POST", "/v1/sales/drop/pause").status in (200, 202)
    assert gate.buy("drop", "carl", key="k").code == "sale-not-open"
    assert gate.operate("POST", "/v1/sales/drop/resume").status in (200, 202)
    wait_until(lambda: gate.buy("drop", "carl", key="k").status == 202, 10, "the sale")
    own_postgres.start()
    wait_until(lambda: gate.ask("GET", "/v1/sales/nosuch").status == 404, 30, "the ledger's word")
    assert gate.ask("GET", "/v1/sales").json["sales"][0]["id"] == "drop"
    other.start()
    cluster.settle(60)
    rows = cluster.order_rows("drop")
    assert {row[0] for row in rows.values()} == {"probe", "anna", "ben", "carl"}
    cluster.make_sale("next", 5)
    wait_until(lambda: gate.buy("next", "ben", key="k").status == 202, 20, "a new sale")
    cluster.settle(60)
    cluster.audit()


def test_where_nothing_is_armed_the_ledger_is_waited_for(gates, own_postgres, kafka, redis):
    cluster = gates(1, postgres=own_postgres, kafka=kafka)
    cluster.make_sale("drop", 5)
    gate = cluster.gates[0]
    gate.kill()
    own_postgres.stop()
    redis.call("FLUSHALL")  # behind the fence nothing is told
    start_at_known_places(gate)
    wait_until(lambda: answers(gate, "/livez"), 30, "an answer")
    wait_until(lambda: b"ledger" in answers(gate, "/readyz?verbose").body, 30, "the reason")
    assert answers(gate, "/readyz").status == 503
    own_postgres.start()
    gate.wait_ready()
    wait_until(lambda: cluster.is_selling("drop"), 60, "the stock")


def test_a_gate_that_is_cut_off_from_the_ledger_follows_another_ones_rebuild(gates, own_postgres, kafka, redis):
    """The table in Redis has the new epoch: nothing waits until the ledger can be asked again."""
    cluster = gates(1, postgres=own_postgres, kafka=kafka)
    proxy = Proxy(own_postgres.port).start()
    try:
        url = f"postgresql://penstock@127.0.0.1:{proxy.port}/{cluster.database}"
        cut_off = cluster.add_gate(settings={"ledger.url": url})
        cluster.make_sale("drop", 50)
        wait_until(lambda: cluster.is_selling("drop"), 20, "the sale at every gate")
        wait_until(lambda: cluster.gates[0].metric("penstock_elected") == 1, 20, "the election")
        before = cut_off.buy("drop", "anna", key="k")
        assert before.status == 202
        proxy.set("cut")
        redis.call("FLUSHALL")
        began = time.monotonic()
        wait_until(lambda: cluster.gates[0].buy("drop", "ben", key="k").status == 202, 30, "the rebuild")
        rebuilt = time.monotonic()
        wait_until(lambda: cut_off.buy("drop", "carl", key="k").status == 202, 10, "the gate that is cut off")
        print(f"rebuilt after {rebuilt - began:.1f} s; {time.monotonic() - rebuilt:.1f} s later the gate without a ledger sells too")
        assert cut_off.buy("drop", "anna", key="k").body == before.body
        assert cut_off.operate("GET", "/v1/items").code == "ledger-unavailable"
        proxy.set("pass")
        wait_until(lambda: cut_off.operate("GET", "/v1/items").status == 200, 30, "the ledger")
        cluster.settle(60)
        cluster.audit()
    finally:
        proxy.stop()


def test_a_row_that_was_changed_in_redis_is_no_terms(gates, own_postgres, kafka, redis):
    """Whatever Redis says is input: a gate without a ledger waits then."""
    cluster = gates(1, postgres=own_postgres, kafka=kafka)
    cluster.make_sale("drop", 5)
    wait_until_kept(cluster)
    gate = cluster.gates[0]
    gate.kill()
    own_postgres.stop()
    (key,) = redis.call("KEYS", "{ps:*}:t")
    row = bytearray(redis.call("HGET", key, "row"))
    row[len(row) // 2] ^= 1
    redis.call("HSET", key, "row", bytes(row))
    start_at_known_places(gate)
    wait_until(lambda: answers(gate, "/livez"), 30, "an answer")
    wait_until(lambda: b"ledger" in answers(gate, "/readyz?verbose").body, 30, "the reason")
    for change in (b"", b"\0" * 8, b"\xff" * 70000, bytes(row[:20])):
        redis.call("HSET", key, "row", change)
        redis.call("HSET", "{ps:0}:j", "row", change)
        assert answers(gate, "/readyz").status == 503
    own_postgres.start()
    gate.wait_ready()
    wait_until(lambda: cluster.is_selling("drop"), 60, "the stock")


def test_a_ledger_that_turns_out_to_be_filled_from_another_log_is_not_sold_for(gates, own_postgres, kafka):
    """What the stock tells is held against the ledger as soon as that can be asked."""
    cluster = gates(1, postgres=own_postgres, kafka=kafka)
    cluster.make_sale("drop", 5)
    gate = cluster.gates[0]
    wait_until_kept(cluster)
    gate.kill()
    proxy = Proxy(own_postgres.port).start()
    try:
        proxy.set("cut")
        gate.settings = {**gate.settings, "ledger.url": f"postgresql://penstock@127.0.0.1:{proxy.port}/{cluster.database}"}
        start_at_known_places(gate)
        gate.wait_ready()
        wait_until(lambda: gate.buy("drop", "anna", key="k").status == 202, 20, "an order")
        cluster.settle()
        own_postgres.sql("UPDATE penstock.journal SET topic = 'another'", cluster.database)
        proxy.set("pass")
        wait_until(lambda: "the ledger is filled from another log" in gate.log(), 30, "the notice")
        wait_until(lambda: gate.buy("drop", "ben", key="k").status == 503, 10, "a refusal")
        assert gate.buy("drop", "ben", key="k").code == "ledger-unavailable"
        assert answers(gate, "/readyz").status == 503
        gate.await_log("this gate sells nothing")
    finally:
        proxy.stop()
