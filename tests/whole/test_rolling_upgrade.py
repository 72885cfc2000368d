"""A rolling upgrade that raises the version of the functions in Redis, with real services and a
crowd that buys: gates of two versions side by side.

The newer program is the testing build, told to be the next version (the failpoint
`stock.next_version`): its functions do the same under other names, as they would after a change of
the text. What a sale's outage was is printed: how long nobody was told 202.
"""

import itertools
import threading
import time

import pytest

from crowd import Crowd, new_seed
from failpoints import Failpoints
from penstock import LIBRARY, LIBRARY_VERSION, ROOT, TESTING_PROGRAM, wait_until
from rush import finish

OLD, NEW = LIBRARY_VERSION, LIBRARY_VERSION + 1
NEWER = {"program": TESTING_PROGRAM, "environment": {"PENSTOCK_FAILPOINTS": "stock.next_version=on"}}
TERMS = {"lots": {"size-1": 30000, "size-2": 9000}, "limit_per_buyer": 2, "hold_seconds": 60}


@pytest.fixture
def old_cluster(gates, request):
    """Two gates of the older version, and a sale that they sell."""
    kafka = request.getfixturevalue("kafka") if getattr(request, "param", "direct") == "kafka" else None
    cluster = gates(2, kafka=kafka, program=TESTING_PROGRAM)
    cluster.make_sale("drop", **TERMS)
    wait_until(lambda: cluster.is_selling("drop"), 20, "the sale at every gate")
    return cluster


def new_crowd(cluster, name):
    return Crowd(cluster, "drop", new_seed(name), buyers=20000, stay=True)


def says(gate, text):
    """Why it is not ready."""
    answer = gate.operate("GET", "/health")
    return text in answer.body.decode()


def ready(gate):
    return gate.operate("GET", "/readyz").status == 200


def stands_by(gate):
    return says(gate, "an older version still sell") or says(gate, "a newer version sell")


def libraries(cluster):
    return {one[one.index(b"library_name") + 1] for one in cluster.redis.call("FUNCTION", "LIST")}


def owner(cluster, sale=1):
    """The version that the sale belongs to in Redis."""
    version = cluster.redis.call("HGET", f"{{ps:{sale}}}:m", "version")
    return int(version) if version else None


def assert_moved(cluster, version):
    assert cluster.redis.call("GET", "{ps:version}") == str(version).encode()
    assert owner(cluster) == version
    other = OLD + NEW - version
    wait_until(lambda: f"penstock_{other}".encode() not in libraries(cluster), 20, "the end of the other library")
    assert f"penstock_{version}".encode() in libraries(cluster)


def outage(crowd, name, since):
    """
    The longest time in which nobody was told 202, from then on. The crowd wants more all the time.
    """
    times = [since, *(at for at in crowd.accepted_at if at > since)]
    longest = max(b - a for a, b in zip(times, times[1:]))
    print(f"{name}: nothing was sold for {longest:.2f} s")
    return longest


@pytest.mark.parametrize("old_cluster", ["direct", "kafka"], indirect=True)
def test_a_rolling_upgrade_sells_on(old_cluster):
    """
    One gate after the other. The older ones sell until the last of them goes, and nobody is told
    anything that is not kept.
    """
    cluster, began = old_cluster, []

    def upgrade():
        began.append(time.monotonic())
        for older in cluster.gates[:2]:
            newer = cluster.add_gate(**NEWER)
            wait_until(lambda newer=newer: stands_by(newer), 20, "a newer gate that stands by")
            assert owner(cluster) == OLD and not ready(newer)
            older.killed = True
            assert older.stop() == 0
        wait_until(lambda: cluster.is_selling("drop"), 40, "the sale at every newer gate")

    crowd = new_crowd(cluster, "rolling upgrade")
    crowd.shop(0.5, clients=12, then=upgrade, after=1)
    longest = outage(crowd, "rolling upgrade", began[0])
    finish(cluster, crowd)
    assert_moved(cluster, NEW)
    assert all(ready(gate) for gate in cluster.alive())
    assert longest < 30  # a crowded machine; make bench has the figure


def test_a_gate_whose_functions_are_deleted_before_it_has_said_that_it_is_there_loads_them_again(old_cluster, tmp_path):
    """Found: it ended, and told that its user lacked permissions."""
    failpoints = Failpoints(tmp_path)
    failpoints.set("stock.next_version=on,stock.functions_loaded=hold")
    newer = []
    start = threading.Thread(target=lambda: newer.append(old_cluster.add_gate(**failpoints.server)))
    start.start()
    try:
        wait_until(lambda: failpoints.hits("stock.functions_loaded") > 0, 30, "the newer functions")
        wait_until(lambda: f"penstock_{NEW}".encode() not in libraries(old_cluster), 30, "their end, by an older gate")
    finally:
        failpoints.set("stock.next_version=on")
        start.join(60)
    assert newer, "it did not start"
    wait_until(lambda: stands_by(newer[0]), 20, "that it stands by")
    assert f"penstock_{NEW}".encode() in libraries(old_cluster)


def test_each_sale_stands_still_for_its_own_rebuild_alone(old_cluster):
    """A small one is not kept from buyers by the orders of a large one."""
    cluster, times = old_cluster, {}
    cluster.make_sale("other", 500, hold_seconds=600)
    wait_until(lambda: cluster.is_selling("other"), 20, "the other sale at every gate")
    assert cluster.buy("other", "first", key="k").status == 202
    newer = cluster.add_gate(**NEWER)
    wait_until(lambda: stands_by(newer), 20, "a newer gate that stands by")
    for older in cluster.gates[:2]:
        older.killed = True
        assert older.stop() == 0
    stopped = time.monotonic()
    number = itertools.count()

    def sells(sale, sku):
        if sale not in times and newer.buy(sale, f"after-{next(number)}", key="k", body={"sku": sku}).status == 202:
            times[sale] = time.monotonic() - stopped
        return sale in times

    wait_until(lambda: sells("other", "other-item") & sells("drop", "size-1"), 40, "both sales")
    print(", ".join(f"{sale}: nothing was sold for {seconds:.2f} s" for sale, seconds in times.items()))
    assert max(times.values()) < 30
    cluster.settle()
    cluster.audit()


@pytest.mark.parametrize("old_cluster", ["kafka"], indirect=True)
def test_the_last_older_gate_is_killed(old_cluster):
    """
    It cannot say that it goes: its number in Redis stands still, which others measure for three
    seconds.
    """
    cluster, began = old_cluster, []

    def upgrade():
        cluster.add_gate(**NEWER)
        began.append(time.monotonic())
        for older in cluster.gates[:2]:
            older.kill()
        wait_until(lambda: cluster.is_selling("drop"), 40, "the sale at the newer gate")

    crowd = new_crowd(cluster, "older gates killed")
    crowd.shop(0.5, clients=12, then=upgrade, after=0.5)
    longest = outage(crowd, "the older gates killed", began[0])
    assert longest > 2.5, "a gate that only pauses is given its time"
    finish(cluster, crowd)
    assert_moved(cluster, NEW)


@pytest.mark.parametrize("old_cluster", ["kafka"], indirect=True)
def test_a_newer_gate_is_killed_while_it_moves_the_sale(old_cluster):
    """Another one goes on: what was begun under one epoch is begun again under the next."""
    cluster = old_cluster

    def upgrade():
        environment = {"PENSTOCK_FAILPOINTS": "stock.next_version=on,rebuild.begun=kill"}
        dying = cluster.add_gate(program=TESTING_PROGRAM, environment=environment)
        dying.killed = True
        for older in cluster.gates[:2]:
            older.killed = True
            assert older.stop() == 0
        wait_until(lambda: dying.process.poll() is not None, 30, "the death of the one that moves it")
        assert owner(cluster) == NEW
        cluster.add_gate(**NEWER)
        wait_until(lambda: cluster.is_selling("drop"), 40, "the sale at the other newer gate")

    crowd = new_crowd(cluster, "newer gate killed")
    crowd.shop(0.5, clients=12, then=upgrade, after=0.5)
    finish(cluster, crowd)
    assert_moved(cluster, NEW)


def test_a_gate_that_stands_by_is_not_elected(old_cluster):
    """It could not open a sale, nor give its units back: the next of those who sell does."""
    cluster = old_cluster
    newer = cluster.add_gate(**NEWER)
    wait_until(lambda: stands_by(newer), 20, "a newer gate that stands by")
    elected = wait_until(lambda: next((gate for gate in cluster.gates if gate.metric("penstock_elected")), None), 10, "an election")
    assert elected is not newer
    elected.kill()
    (other,) = [gate for gate in cluster.gates[:2] if gate is not elected]
    wait_until(lambda: other.metric("penstock_elected") == 1, 20, "the next election")
    assert newer.metric("penstock_elected") == 0 and owner(cluster) == OLD
    assert other.buy("drop", "anna", body={"sku": "size-1"}).status == 202
    other.killed = True
    assert other.stop() == 0
    wait_until(lambda: newer.metric("penstock_elected") == 1, 20, "its own election")
    wait_until(lambda: newer.buy("drop", "ben", body={"sku": "size-1"}).status == 202, 20, "the sale")


@pytest.mark.parametrize("old_cluster", ["kafka"], indirect=True)
def test_redis_forgets_in_the_middle_and_the_older_gates_rebuild(old_cluster):
    """Which version sells is forgotten with the rest, and put back by those who know it."""
    cluster = old_cluster
    newer = cluster.add_gate(**NEWER)
    wait_until(lambda: stands_by(newer), 20, "a newer gate that stands by")

    def forget():
        cluster.redis.call("FLUSHALL")
        wait_until(lambda: owner(cluster) == OLD and ready(cluster.gates[0]), 40, "the sale at the older gates")

    crowd = new_crowd(cluster, "forgotten in the middle")
    crowd.shop(0.3, clients=12, then=forget, after=0.3)
    assert owner(cluster) == OLD and not ready(newer)
    newer.killed = True
    assert newer.stop() == 0
    finish(cluster, crowd)


@pytest.mark.parametrize("old_cluster", ["kafka"], indirect=True)
def test_back_again(old_cluster):
    """
    An older gate that is started beside newer ones stands by; when the last of those has gone the
    sale is its own again.
    """
    cluster, older = old_cluster, old_cluster.gates[0]

    def there_and_back():
        newer = cluster.add_gate(**NEWER)
        for gate in cluster.gates[:2]:
            gate.killed = True
            assert gate.stop() == 0
        wait_until(lambda: cluster.is_selling("drop"), 40, "the sale at the newer gate")
        assert_moved(cluster, NEW)
        older.restart()
        wait_until(lambda: stands_by(older), 20, "an older gate that stands by")
        assert ready(newer) and owner(cluster) == NEW
        newer.killed = True
        assert newer.stop() == 0
        wait_until(lambda: cluster.is_selling("drop"), 40, "the sale at the older gate")

    crowd = new_crowd(cluster, "there and back")
    crowd.shop(0.3, clients=12, then=there_and_back, after=0.3)
    finish(cluster, crowd)
    assert_moved(cluster, OLD)


def give_to_the_first_version(cluster):
    """
    What Redis is like while that version's gates sell from it: their library, and sales that name
    no version.
    """
    redis, library = cluster.redis, ROOT / "tests/libraries/penstock_1.lua"
    for name in libraries(cluster):
        redis.call("FUNCTION", "DELETE", name)
    redis.call("FUNCTION", "LOAD", library.read_bytes())
    redis.call("DEL", "{ps:version}", "{ps:gates}")
    redis.call("HDEL", "{ps:1}:m", "version", "keys", "former", "term")


@pytest.mark.parametrize("old_cluster", ["kafka"], indirect=True)
def test_the_sales_of_the_first_version_move_to_who_is_elected(old_cluster):
    """
    Its gates tell a success by the journal's word alone: so the rebuild waits for as long as they
    may do that.
    """
    cluster = old_cluster
    told = [cluster.buy("drop", f"before-{i}", key="k", body={"sku": "size-1"}) for i in range(20)]
    assert {answer.status for answer in told} == {202}
    cluster.settle()
    for gate in cluster.gates:
        assert gate.stop() == 0
    give_to_the_first_version(cluster)
    cluster.gates[0].start()
    own, sells = {b"penstock", LIBRARY.encode()}, str(OLD).encode()
    wait_until(lambda: libraries(cluster) == own and cluster.redis.call("GET", "{ps:version}") == sells, 30, "the move")
    moved = time.monotonic()
    with pytest.raises(RuntimeError, match="PSVERSION"):
        cluster.redis.call("FCALL", "penstock_refresh", 1, "{ps:1}", "")
    cluster.gates[1].start()
    wait_until(lambda: cluster.is_selling("drop"), 40, "the sale at every gate")
    waited = time.monotonic() - moved
    print(f"the first version: nothing was sold for {waited:.2f} s")
    assert waited > 1.8, "journal.ack_deadline, a moment before which it was looked for"
    again = [cluster.buy("drop", f"before-{i}", key="k", body={"sku": "size-1"}) for i in range(20)]
    assert [answer.body for answer in again] == [answer.body for answer in told]
    cluster.settle()
    cluster.audit()


# --- Drains ---


def test_an_older_drain_beside_a_newer_one_waits_before_what_it_does_not_know(gates, kafka):
    """
    It writes no dead letter of it and goes on behind nothing; the newer one has it all as soon as
    the older one is ended.
    """
    cluster = gates(1, kafka=kafka, drains=0)
    older = cluster.add_drain(program=TESTING_PROGRAM, environment={"PENSTOCK_FAILPOINTS": "journal.former_program=on"})  # knows no extensions
    newer = cluster.add_drain()
    sales, orders = [f"sale-{i}" for i in range(8)], []  # so that each partition has some
    for sale in sales:
        cluster.make_sale(sale, 5)
        orders.append(cluster.buy(sale, "anna").json["id"])
    cluster.settle()
    wait_until(lambda: all(drain.metric("penstock_drain_partitions") in (1, 2) for drain in cluster.drains), 40, "a share for each")
    for order in orders:
        assert cluster.operate("POST", f"/v1/orders/{order}/extend", {"seconds": 3600}).status == 200
    for sale in sales:
        assert cluster.buy(sale, "ben").status == 202
    wait_until(lambda: older.metric("penstock_drain_partitions_stalled") == older.metric("penstock_drain_partitions"), 40, "the older one's stop")
    wait_until(lambda: any(len(cluster.order_rows(sale)) == 2 for sale in sales), 40, "the newer one")
    assert newer.metric("penstock_drain_partitions_stalled") == 0
    assert any(len(cluster.order_rows(sale)) == 1 for sale in sales), "what waits at the older one"
    assert not cluster.is_drained()
    older.stop()
    wait_until(cluster.is_drained, 60, "all of it by the newer one")
    cluster.settle()
    assert {sale: len(cluster.order_rows(sale)) for sale in sales} == dict.fromkeys(sales, 2)
    assert newer.metric('penstock_drain_events_total{outcome="dead"}') == 0
    assert f"{cluster.topic}.dead" not in kafka.kcat("-L", "-J"), "no dead letter"
    cluster.audit()
