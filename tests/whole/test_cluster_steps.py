"""
A gate that dies at each step of what it does, and processes that die at any moment: what was told
stays true, and the units come back.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from freezing import freeze, thaw

from crowd import Crowd, new_seed
from failpoints import Failpoints
from penstock import wait_until
from rush import TERMS, finish, rush

# What is at work there, and what must be under way for it to happen.
STEPS = {
    "stock.decided": {},
    "journal.before_append": {},
    "journal.after_append": {},
    "journal.acknowledged": {},
    "expire.decided": {"hold_seconds": 1},
    "withdraw.decided": {},
    "add.in_ledger": {},
}


@pytest.mark.parametrize("step", STEPS)
def test_a_gate_dies_at(gates, kafka, tmp_path, step):
    failpoints = Failpoints(tmp_path)
    cluster = gates(1, kafka=kafka, settings={"sale.hold_grace": "0s"})
    dying = cluster.add_gate(**failpoints.server)

    def fault():
        failpoints.set(f"{step}=kill@2")
        wait_until(lambda: dying.process.poll() is not None, 15, "the gate's death")
        failpoints.lift()
        dying.killed = True
        dying.restart()

    rush(cluster, step, fault, before=0.2, lots={"size-1": 900, "size-2": 300}, **STEPS[step])


@pytest.mark.parametrize("part", range(4))
def test_gates_die_25_times(gates, kafka, part):
    cluster = gates(2, kafka=kafka, settings={"sale.hold_grace": "0s"})
    cluster.make_sale("drop", **{**TERMS, "hold_seconds": [1, 60, 0, 1][part]})
    crowd = Crowd(cluster, "drop", new_seed(f"gates die {part}"), buyers=800, stay=True)

    def kill_one():
        gate = crowd.random.choice(cluster.gates)
        gate.kill()
        gate.restart()

    for _ in range(25):
        crowd.shop(crowd.random.uniform(0.01, 0.15), clients=12, then=kill_one)
    assert crowd.unanswered >= 10, "the kills did not hit the crowd at work"
    finish(cluster, crowd)


@pytest.mark.parametrize("part", range(2))
def test_a_drain_dies_50_times(gates, kafka, tmp_path, part):
    """Between a commit and whatever comes next, and at random."""
    failpoints = Failpoints(tmp_path)
    # A dead reader's partitions are given away when its session ends: a short one.
    settings = {"journal.kafka.properties": "session.timeout.ms=400;heartbeat.interval.ms=100"}
    cluster = gates(1, kafka=kafka, settings={"sale.hold_grace": "0s"}, drains=0)
    cluster.make_sale("drop", **{**TERMS, "hold_seconds": [1, 60][part]})
    drain = cluster.add_drain(settings=settings, **failpoints.server)
    drain.kill()
    crowd = Crowd(cluster, "drop", new_seed(f"drain dies {part}"), buyers=800, stay=True)

    def die():
        wait_until(lambda: drain.process.poll() is not None, 20, "the drain's death")

    for _ in range(50):
        step = crowd.random.choice(["ledger.after_commit", "ledger.before_commit", "ledger.insert"])
        failpoints.set(f"{step}=kill@{crowd.random.randint(0, 2)}")
        drain.start(wait=False)
        crowd.shop(0.02, clients=8, then=die)
    failpoints.lift()
    drain.restart()
    finish(cluster, crowd)


LATE = {
    "a withdrawal": ("journal.before_append", "outcome-unknown", 2),
    "a withdrawal whose stock was slow": ("withdraw.decided", "journal-unavailable", 0),
    "a cancel": ("journal.before_append", "outcome-unknown", 1),
}


@pytest.mark.parametrize("what", LATE)
def test_what_is_late_is_not_told_as_done(gates, kafka, tmp_path, what):
    """
    A rebuild may have made it void meanwhile: the acknowledgement deadline is not for purchases
    alone.
    """
    step, code, done = LATE[what]
    failpoints = Failpoints(tmp_path)
    cluster = gates(0, kafka=kafka, drains=1)
    gate = cluster.add_gate(**failpoints.server)
    cluster.make_sale("drop", 5, hold_seconds=60)
    order = gate.buy("drop", "anna").json["id"]
    failpoints.set(f"{step}=delay:2200x1")
    if what == "a cancel":
        answer = gate.ask("POST", f"/v1/orders/{order}/cancel", "anna")
    else:
        answer = gate.operate("POST", "/v1/sales/drop/lots/drop-item/withdraw", {"units": 2})
    assert (answer.status, answer.code) == (503, code), answer.body
    cluster.settle()
    lot = gate.lot("drop")
    assert (lot["withdrawn"], lot["held"], lot["available"]) == {0: (0, 1, 4), 1: (0, 0, 5), 2: (2, 1, 2)}[done]
    cluster.audit()


@contextmanager
def killed_at_last(server):
    try:
        yield
    finally:
        server.kill()


@contextmanager
def asleep(process):
    """
    As a machine that is suspended, or a process whose memory is paged in: it says nothing, its
    connections stay, and it goes on where it was.
    """
    freeze(process)
    try:
        yield
    finally:
        thaw(process)


@pytest.mark.parametrize("journal", ["kafka", "direct"])
@pytest.mark.parametrize("elected", [True, False])
def test_a_gate_sleeps_while_the_stock_is_rebuilt(gates, kafka, journal, elected):
    """
    What it says when it wakes must not be what has become void; and an elected one that sleeps must
    not keep the others from rebuilding.
    """
    cluster = gates(2, kafka=kafka if journal == "kafka" else None)
    wait_until(lambda: cluster.metric("penstock_elected") == 1, 10, "the election")
    gate, other = sorted(cluster.gates, key=lambda gate: gate.metric("penstock_elected") == elected, reverse=True)

    def fault():
        with asleep(gate.process):
            cluster.redis.call("FLUSHALL")
            wait_until(lambda: other.metric("penstock_rebuild_sales_total") >= 1, 40, "the other's rebuild")

    rush(cluster, f"sleeping gate, {journal}", fault, clients=16)


def test_a_gate_sleeps_in_the_middle_of_its_transaction(gates, tmp_path):
    """
    With the head of the operators' log locked, which the others need: until the ledger ends its
    session.
    """
    failpoints = Failpoints(tmp_path)
    cluster = gates(1)
    awake = cluster.gates[0]
    sleeper = cluster.add_gate(**failpoints.server)
    cluster.make_sale("drop", 5)
    failpoints.set("ledger.before_commit=delay:60000x1")
    with ThreadPoolExecutor() as pool, killed_at_last(sleeper):
        pool.submit(sleeper.operate, "PATCH", "/v1/sales/drop", {"name": "never so called"})
        wait_until(lambda: failpoints.hits("ledger.before_commit"), 10, "the transaction")
        refused = awake.operate("PATCH", "/v1/sales/drop", {"name": "called so"})
        assert (refused.status, refused.code) == (503, "ledger-unavailable"), refused.body
        wait_until(lambda: awake.operate("PATCH", "/v1/sales/drop", {"name": "called so"}).status == 200, 30, "the end of its session")
    assert awake.sale("drop")["name"] == "called so"
    cluster.audit()


def test_a_drain_sleeps_with_its_partitions(gates, kafka):
    """
    Its locks are not for ever: another one goes on, and what the sleeper does when it wakes is not
    done twice.
    """
    cluster = gates(1, kafka=kafka, settings={"journal.kafka.properties": "session.timeout.ms=1000"})
    cluster.add_drain()

    def fault():
        for turn, drain in enumerate(cluster.drains):  # one of them has the sale's partition
            with asleep(drain.process):
                order = cluster.buy("drop", f"buyer-of-turn-{turn}", body={"sku": "size-1"}).json["id"].replace("-", "")
                wait_until(lambda: order in cluster.order_rows("drop"), 40, "the other drain")

    rush(cluster, "sleeping drain", fault)
