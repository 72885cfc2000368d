"""
A stock that dies, forgets, comes back as it was, or does not answer: nothing is oversold, lost or
told twice, and it comes back by itself.
"""

import contextlib
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from proxy import Proxy
from redis import Redis, Sentinel
from redis import wait_until as wait_for_service

from failpoints import Failpoints
from penstock import LIBRARY, TESTING_PROGRAM, wait_until
from rush import rush

def rebuilt(cluster):
    return cluster.metric("penstock_rebuild_sales_total")


def test_redis_dies_and_comes_back_empty(gates):
    cluster = gates(2)

    def fault():
        cluster.redis.kill()
        cluster.redis.restart(empty=True)

    rush(cluster, "empty", fault)
    assert rebuilt(cluster) >= 1


def test_redis_dies_and_comes_back_with_what_was_on_its_disk(gates):
    cluster = gates(2)

    def fault():
        cluster.redis.kill()
        cluster.redis.restart()

    rush(cluster, "old disk", fault)
    assert rebuilt(cluster) >= 1


def test_redis_comes_back_with_an_old_append_only_file(gates):
    """It has what it had a while ago, and says nothing of it."""
    cluster = gates(2)
    log = cluster.redis.folder / "appendonlydir"

    def fault():
        shutil.copytree(log, cluster.redis.folder / "old")
        before = cluster.lot("drop")["held"]
        wait_until(lambda: cluster.lot("drop")["held"] > before + 20, 10, "orders that it will have forgotten")
        cluster.redis.kill()
        shutil.rmtree(log)
        (cluster.redis.folder / "old").rename(log)
        cluster.redis.restart()

    rush(cluster, "old file", fault)
    assert rebuilt(cluster) >= 1


class BehindProxy:
    """A Redis by a way on which answers can be lost."""

    def __init__(self, redis):
        self.redis, self.proxy = redis, Proxy(redis.port).start()

    def url(self):
        return f"redis://127.0.0.1:{self.proxy.port}/0"


UNKNOWN_SALE = b"$5\r\n\x07\x00\x00\x00\x00\r\n"  # the outcome, and no epoch: what a Redis without the sale tells a gate that has just started


def test_a_gate_that_hears_of_no_sale_while_it_is_loaded_refunds_nothing_by_the_ledger(gates, redis):
    """
    The ledger alone would take the refund, and the stock that is rebuilt from before it would
    return the unit once more.
    """
    behind = BehindProxy(redis)
    try:
        cluster = gates(1)
        started = cluster.add_gate(settings={"stock.url": behind.url()})
        cluster.make_sale("drop", 3, hold_seconds=0)
        wait_until(lambda: cluster.is_selling("drop"), 30, "the sale at both gates")  # which takes a unit
        order = wait_until(lambda: started.buy("drop", "anna", key="anna").json.get("id"), 10, "the order at the gate that was started")
        cluster.settle()
        behind.proxy.answers = (f"{LIBRARY}_settle".encode(), UNKNOWN_SALE)
        behind.proxy.set("answer")
        refused = started.operate("POST", f"/v1/orders/{order}/cancel")
        assert (refused.status, refused.code, behind.proxy.answered) == (503, "fenced", 1), refused.body
        behind.proxy.set("pass")
        cluster.settle()
        assert cluster.order(order).json["state"] == "confirmed"
        assert started.operate("POST", f"/v1/orders/{order}/cancel").status == 200
        cluster.settle()
        wait_until(lambda: started.lot("drop")["available"] == 2, 10, "the unit, once")
        assert started.order(order).json["state"] == "cancelled"
        cluster.audit()
    finally:
        behind.proxy.stop()


def test_connections_are_cut_after_the_command_was_sent(gates, redis):
    """What was done is not known here, and is not done twice."""
    behind = BehindProxy(redis)
    cluster = gates(2, redis=behind)

    def fault():
        for _ in range(5):
            behind.proxy.set("drop")
            answer = cluster.buy("drop", "nobody", key="cut", body={"sku": "size-1"}, timeout=30)
            assert answer.status in (202, 409, 503), answer.body
            behind.proxy.set("cut")
            behind.proxy.set("pass")

    try:
        crowd = rush(cluster, "cut", fault)
        assert crowd.answers["outcome-unknown"] + crowd.answers["stock-unavailable"] > 0
    finally:
        behind.proxy.stop()


@pytest.mark.parametrize("command", [("FLUSHALL",), ("FUNCTION", "FLUSH"), ("FUNCTION", "DELETE", LIBRARY)])
def test_somebody_wipes_it_in_mid_sale(gates, command):
    cluster = gates(2)
    rush(cluster, " ".join(command), lambda: cluster.redis.call(*command))
    assert rebuilt(cluster) >= 1


def test_redis_does_not_answer_for_a_while(gates):
    cluster = gates(2)

    def fault():
        cluster.redis.freeze()
        # Every gate answers in bounded time what it can: a purchase that it cannot decide is no
        # order and no refusal of one.
        started = time.monotonic()
        answer = cluster.buy("drop", "nobody", key="frozen", body={"sku": "size-1"})
        assert answer.status == 503 and answer.code in ("stock-unavailable", "outcome-unknown"), answer.body
        assert time.monotonic() - started < 30
        cluster.redis.thaw()

    rush(cluster, "frozen", fault)


def test_redis_has_no_memory_left(gates):
    cluster = gates(2)

    def fault():
        cluster.redis.call("CONFIG", "SET", "maxmemory", "1")
        wait_until(lambda: cluster.buy("drop", "full", key="full", body={"sku": "size-1"}).status == 503, 5, "a refusal")
        answer = cluster.buy("drop", "full", key="full", body={"sku": "size-1"})
        assert (answer.status, answer.code) == (503, "overloaded"), answer.body
        cluster.redis.call("CONFIG", "SET", "maxmemory", "0")

    rush(cluster, "no memory", fault)


def test_an_eviction_that_is_set_later_is_told(gates):
    """
    The start refuses it; a Redis that is set so afterwards goes on, and each gate says so: log,
    health, metrics.
    """
    cluster = gates(2)

    def told(level, policy):
        return [sum(f'"level":"{level}"' in line and f'"maxmemory_policy":"{policy}"' in line for line in gate.log().splitlines()) for gate in cluster.gates]

    def health(gate):
        answer = gate.operate("GET", "/health")
        stock = answer.json["components"]["stock"]
        return answer.status, stock["status"], "set maxmemory-policy noeviction" in stock["details"].get("reason", "")

    well, in_danger = (200, "UP", False), (503, "DOWN", True)
    for level, policy in ("error", "allkeys-lru"), ("info", "noeviction"), ("error", "volatile-ttl"), ("info", "noeviction"):
        before, expected = told(level, policy), well if level == "info" else in_danger
        cluster.redis.call("CONFIG", "SET", "maxmemory-policy", policy)
        wait_until(lambda: all(now > then for now, then in zip(told(level, policy), before, strict=True)), 60, f"that it is {policy}")
        wait_until(lambda: all(health(gate) == expected for gate in cluster.gates), 60, f"the health with {policy}")
        for gate in cluster.gates:
            assert gate.metric('penstock_component_up{component="stock"}') == (expected is well)
            assert gate.operate("GET", "/readyz").status == 200  # it sells: no proxy should take all gates out


def test_a_gate_dies_and_the_others_finish_what_it_began(gates):
    cluster = gates(3)
    rush(cluster, "dead gate", cluster.gates[0].kill, after=0.5)


def test_every_gate_dies_and_is_started_again(gates):
    cluster = gates(2)

    def fault():
        for gate in cluster.gates:
            gate.kill()
        for gate in cluster.gates:
            gate.restart()

    rush(cluster, "all gates", fault)
    assert rebuilt(cluster) == 0  # the stock was there all the time


def test_the_ledger_dies_and_comes_back(gates, own_postgres):
    cluster = gates(2, postgres=own_postgres)

    def fault():
        own_postgres.crash()
        wait_until(lambda: cluster.buy("drop", "nobody", key="down", body={"sku": "size-1"}).status == 503, 10, "a refusal")
        own_postgres.start()

    rush(cluster, "ledger", fault, after=2)


def test_redis_is_away_when_a_gate_starts(gates):
    cluster = gates(1)
    cluster.make_sale("drop", 5)
    order = cluster.buy("drop", "anna", key="k")
    cluster.gates[0].stop()
    cluster.redis.kill()
    gate = cluster.gates[0]
    gate.start(wait=False)
    with contextlib.suppress(subprocess.TimeoutExpired):
        gate.process.wait(3)
    cluster.redis.restart(empty=True)
    if gate.process.poll() is not None:  # it says why, and a supervisor starts it again
        assert "redis" in gate.log().lower()
        gate.start()
    else:
        gate.wait_ready()
    wait_until(lambda: cluster.is_selling("drop"), 30, "the stock")
    assert gate.buy("drop", "anna", key="k").body == order.body


@pytest.mark.parametrize("path", ["/v1/orders/{order}", "/v1/sales/drop/orders"])
def test_who_looks_at_an_order_is_told_that_it_is_the_stock_that_hangs(gates, tmp_path, path):
    """Nobody had asked the ledger, of which it was said that it did not answer."""
    failpoints = Failpoints(tmp_path)
    cluster = gates(1, **failpoints.server)
    gate = cluster.gates[0]
    cluster.make_sale("drop", 5, hold_seconds=600)
    wait_until(lambda: cluster.is_selling("drop"), 20, "the sale")
    order = gate.buy("drop", "anna", key="k").json["id"]
    cluster.settle()
    failpoints.set("stock.decided=hold")
    with ThreadPoolExecutor(1) as pool:
        buying = pool.submit(gate.buy, "drop", "ben", key="k")
        wait_until(lambda: failpoints.hits("stock.decided"), 20, "the stock's thread that stands still")
        answer = gate.ask("GET", path.format(order=order), buyer="anna")
        failpoints.lift()
        buying.result()
    assert (answer.status, answer.code) == (503, "stock-unavailable"), answer.body
    wait_until(lambda: gate.buy("drop", "ben", key="k").status == 202, 30, "the order whose end was not known")
    cluster.settle()
    cluster.audit()


def test_an_operator_is_told_that_it_is_the_stock_that_is_away(gates):
    """
    Not the ledger; and a draft that could not be armed is one still, and is armed when the stock is
    back.
    """
    cluster = gates(1)
    cluster.make_sale("running", 5)
    cluster.make_sale("next", 5, state="draft")
    cluster.redis.kill()
    for path, body in (("next/arm", None), ("next/open", None), ("running/lots/running-item/withdraw", {"units": 1})):
        answer = cluster.operate("POST", f"/v1/sales/{path}", body)
        assert (answer.status, answer.code) == (503, "stock-unavailable"), answer.body
    assert cluster.sale("next")["state"] == "draft"
    cluster.redis.restart(empty=True)
    wait_until(lambda: cluster.operate("POST", "/v1/sales/next/arm").status == 200, 20, "the stock")
    assert cluster.lot("next")["available"] == 5


class Pair:
    """A master, its replica and three Sentinels: to a cluster it is one Redis."""

    def __init__(self, **settings):
        self.master, self.replica = Redis(**settings).start(), Redis(**settings).start()
        self.replica.follow(self.master)
        self.sentinels = [Sentinel(self.master).start() for _ in range(3)]
        wait_for_service(self.is_watched, 30, "the Sentinels")

    def is_watched(self):
        return all(
            len(one.call("SENTINEL", "SENTINELS", one.name)) == 2 and len(one.call("SENTINEL", "REPLICAS", one.name)) == 1
            for one in self.sentinels
        )

    def url(self):
        places = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{places}/{self.sentinels[0].name}"

    def wait_for_failover(self):
        wait_for_service(lambda: all(one.master_port() == self.replica.port for one in self.sentinels), 30, "the failover")

    def free(self):
        for one in [*self.sentinels, self.master, self.replica]:
            one.free()


@pytest.fixture
def redis_pair():
    pair = Pair()
    try:
        yield pair
    finally:
        pair.free()


def test_the_master_dies_and_its_replica_takes_over(gates, redis_pair):
    cluster = gates(2, redis=redis_pair)

    def fault():
        redis_pair.master.kill()
        redis_pair.wait_for_failover()

    rush(cluster, "failover", fault, after=1)
    assert rebuilt(cluster) >= 1


def test_an_old_master_that_comes_back_grants_nothing(gates, redis_pair):
    """It has everything as it was when it was cut off, and is promoted again."""
    cluster = gates(2, redis=redis_pair)

    def fault():
        redis_pair.master.freeze()
        redis_pair.wait_for_failover()
        wait_until(lambda: cluster.is_selling("drop"), 30, "the stock on the replica")
        redis_pair.master.thaw()
        # Sentinel makes it a replica; now the other one dies, and it is promoted again.
        wait_for_service(lambda: redis_pair.master.role() == "slave", 30, "the demotion")
        redis_pair.replica.kill()
        wait_for_service(lambda: redis_pair.master.role() == "master", 40, "the promotion")

    rush(cluster, "old master", fault, after=1)
    assert rebuilt(cluster) >= 2


@pytest.mark.parametrize(
    "step",
    [
        "redis.reply_lost",  # the stock has done it, and nobody here knows
        "ledger.commit_unknown",
    ],
)
def test_an_answer_is_lost_and_the_retry_resolves_it(gates, step):
    cluster = gates(1, program=TESTING_PROGRAM, environment={"PENSTOCK_FAILPOINTS": f"{step}=error:5@20x3"})
    rush(cluster, step, lambda: None)
