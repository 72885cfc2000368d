"""The whole cluster: gates and drains over Redis, Kafka and PostgreSQL."""

import contextlib
import itertools

import pytest
from kafka import Proxied
from proxy import Proxy

from failpoints import Failpoints
from penstock import wait_until
from rush import rush


def test_an_order_is_known_at_once_at_every_gate_and_soon_in_the_ledger(gates, kafka):
    cluster = gates(2, kafka=kafka)
    a, b = cluster.gates
    cluster.make_sale("drop", 5, hold_seconds=60)
    wait_until(lambda: cluster.is_selling("drop"), 10, "the sale at both gates")
    order = a.buy("drop", "anna", key="k")
    assert order.status == 202, order.body
    assert b.order(order.json["id"]).json["state"] == "held"
    cluster.settle()
    assert {row[4] for row in cluster.order_rows("drop").values()} == {"held"}


def disarm(gate):
    """The answer, which may take more than one request on a busy machine: each is the same one."""

    def ask():
        answer = gate.operate("POST", "/v1/sales/drop/disarm", headers={"Idempotency-Key": "a draft again"})
        return answer if answer.status != 503 else None

    return wait_until(ask, 30, "the end of it")


def test_an_armed_sale_is_paused_corrected_and_disarmed_where_the_journal_is_elsewhere(gates, kafka):
    cluster = gates(2, kafka=kafka, drains=0)  # what was sold stands in the journal alone
    a, b = cluster.gates
    cluster.make_sale("drop", 5, state="armed", opens_at="2099-01-01T10:00:00.000Z")
    change = {"opens_at": None, "price": {"amount": 5, "currency": "EUR"}}
    answer = a.operate("PATCH", "/v1/sales/drop", change).json
    assert {name: answer[name] for name in change} == change and answer["state"] == "armed"
    wait_until(lambda: b.ask("GET", "/v1/sales/drop").json.get("opens_at", "") is None, 10, "the time at the other gate")
    assert b.operate("POST", "/v1/sales/drop/pause").json["state"] == "paused"
    epoch = a.sale("drop")["epoch"]
    answer = disarm(a)
    assert answer.json["state"] == "draft" and answer.json["epoch"] > epoch, answer.body
    wait_until(lambda: b.buy("drop", "anna").code == "unknown-sale", 5, "the draft at the other gate")
    assert b.operate("PATCH", "/v1/sales/drop", {"limit_per_buyer": 3}).json["limit_per_buyer"] == 3
    # What was stopped is gone with what was armed, at every gate.
    assert b.operate("POST", "/v1/sales/drop/open").json["state"] == "open"
    for gate, buyer in ((a, "anna"), (b, "bert")):
        wait_until(lambda gate=gate, buyer=buyer: gate.buy("drop", buyer, key="k").status == 202, 20, "the sale at every gate")
    assert a.operate("POST", "/v1/sales/drop/disarm").code == "sale-state"
    cluster.add_drain()
    cluster.settle()
    cluster.audit()


def write_state(cluster, state, opened):
    """
    By hand, with a number of its own as every change has: without it a gate may hear of this one
    and never of the next.
    """
    cluster.postgres.sql(
        "WITH next AS (UPDATE penstock.sale_changes SET number = number + 1 RETURNING number) "
        f"UPDATE penstock.sales SET state = {state}, opened = {opened}, change = next.number FROM next",
        cluster.database,
    )


@pytest.mark.parametrize("place", ["the journal", "the ledger"])
def test_an_armed_sale_that_has_sold_is_not_disarmed_and_sells_on(gates, kafka, place):
    """
    The clock opened it before the ledger had it so: the order is told, and no row of the ledger
    says that the sale was open.
    """
    cluster = gates(2, kafka=kafka, drains=place == "the ledger")
    a, b = cluster.gates
    cluster.make_sale("drop", 5, hold_seconds=600, opens_at=None, state="armed")
    order = b.operate("POST", "/v1/sales/drop/open") and wait_until(
        lambda: (answer := b.buy("drop", "anna", key="k")).status == 202 and answer.json["id"], 20, "an order"
    )
    write_state(cluster, state=2, opened=False)
    if place == "the ledger":
        cluster.settle()
    answer = disarm(a)
    assert answer.code == "sale-state" and "has orders" in answer.json["detail"], answer.body
    write_state(cluster, state=3, opened=True)
    wait_until(lambda: b.buy("drop", "bert", key="k").status == 202, 30, "its going on")
    assert b.buy("drop", "anna", key="k").json["id"] == order
    if place == "the journal":
        cluster.add_drain()
    cluster.settle()
    cluster.audit()


def test_a_gate_that_dies_while_it_disarms_leaves_a_sale_that_sells(gates, kafka, tmp_path):
    failpoints = Failpoints(tmp_path)
    cluster = gates(1, kafka=kafka)
    dying = cluster.add_gate(**failpoints.server)
    cluster.make_sale("drop", 5, state="armed")
    wait_until(lambda: all(gate.sale("drop")["state"] == "armed" for gate in cluster.gates), 10, "the sale at every gate")
    failpoints.set("disarm.begun=kill")
    try:
        dying.operate("POST", "/v1/sales/drop/disarm")
    except OSError:
        pass
    wait_until(lambda: dying.process.poll() is not None, 15, "the gate's death")
    dying.killed = True
    failpoints.lift()
    dying.restart()
    wait_until(lambda: cluster.gates[0].operate("POST", "/v1/sales/drop/open").status == 200, 30, "the sale")
    wait_until(lambda: cluster.gates[0].buy("drop", "anna", key="k").status == 202, 30, "the stock")
    cluster.settle()
    cluster.audit()


@pytest.mark.parametrize("behind", ["before the order", "before its expiry"])
def test_a_late_confirm_does_not_wait_for_the_drain(gates, kafka, behind):
    """What the ledger does not say yet, the stock does."""
    cluster = gates(2, kafka=kafka, settings={"sale.hold_grace": "0s"})
    a, b = cluster.gates
    cluster.make_sale("drop", 5, hold_seconds=1, late_confirm=True, limit_per_buyer=2)
    wait_until(lambda: cluster.is_selling("drop"), 10, "the sale at every gate")
    if behind == "before the order":
        cluster.drains[0].stop()
    order = a.buy("drop", "anna", body={"quantity": 2}).json["id"]
    if behind == "before its expiry":
        cluster.settle()
        cluster.drains[0].stop()
    wait_until(lambda: b.order(order).json["state"] == "expired", 10, "its expiry")
    answers = [gate.operate("POST", f"/v1/orders/{order}/confirm") for gate in (a, b)]
    assert [answer.status for answer in answers] == [200, 200], [answer.body for answer in answers]
    fresh, again = (answer.json for answer in answers)
    assert fresh["id"] == again["id"] != order
    assert {name: fresh[name] for name in ("state", "buyer", "quantity", "sku")} == {
        "state": "confirmed",
        "buyer": "anna",
        "quantity": 2,
        "sku": "drop-item",
    }
    assert a.order(fresh["id"]).json["state"] == "confirmed"
    cluster.drains[0].start()
    cluster.settle()
    assert sorted(row[4] for row in cluster.order_rows("drop").values() if row[0] == "anna") == ["confirmed", "expired"]
    cluster.audit()


@pytest.mark.parametrize("behind", ["before the order", "before its payment"])
def test_a_key_is_known_at_every_gate_as_soon_as_the_ledger_has_it(gates, kafka, behind):
    """
    A confirm whose order was refunded before the drain came by: nobody can say yet whose it was.
    """
    cluster = gates(2, kafka=kafka)
    a, b = cluster.gates
    cluster.make_sale("drop", 5, hold_seconds=600, limit_per_buyer=2)
    wait_until(lambda: cluster.is_selling("drop"), 10, "the sale at every gate")
    cluster.settle()
    if behind == "before the order":
        cluster.drains[0].stop()
    order = a.buy("drop", "anna").json["id"]
    if behind == "before its payment":
        cluster.settle()
        cluster.drains[0].stop()

    def send(gate, action, key):
        answer = gate.operate("POST", f"/v1/orders/{order}/{action}", headers={"Idempotency-Key": key})
        return answer.status, answer.json.get("state") or answer.code, answer.header("Idempotent-Replayed")

    assert send(a, "confirm", "paid") == (200, "confirmed", None)
    assert send(b, "confirm", "paid") == (200, "confirmed", "true")
    assert send(b, "cancel", "back") == (200, "cancelled", None)
    assert send(a, "cancel", "back") == (200, "cancelled", "true")
    for gate, key in itertools.product((a, b), ("paid", "another")):
        assert send(gate, "confirm", key) == (503, "outcome-unknown", None)
    cluster.drains[0].start()
    cluster.settle()
    for gate in (a, b):
        assert send(gate, "confirm", "paid") == (200, "cancelled", "true")
        assert send(gate, "confirm", "another") == (409, "order-state", None)
    actions = [row["action"] for row in a.operate("GET", f"/v1/log?subject={order}").json["rows"]]
    assert actions == ["order.confirm", "order.refund"]
    cluster.audit()


def test_a_crowd_at_two_gates_with_two_drains(gates, kafka):
    cluster = gates(2, kafka=kafka)
    cluster.add_drain()
    rush(cluster, "two drains", lambda: None)


def test_redis_dies_and_comes_back_empty(gates, kafka):
    cluster = gates(2, kafka=kafka)

    def fault():
        cluster.redis.kill()
        cluster.redis.restart(empty=True)

    rush(cluster, "empty", fault)


@contextlib.contextmanager
def own_way(cluster, kafka, to):
    """
    Settings of a process that reaches one of the services on a way of its own, and how that way is
    set.
    """
    if to == "kafka":
        try:
            yield {"journal.url": Proxied(kafka).url(cluster.topic)}, kafka.set_proxies
        finally:
            kafka.set_proxies("pass")
        return
    proxy = Proxy({"redis": cluster.redis, "postgres": cluster.postgres}[to].port).start()
    urls = {
        "redis": {"stock.url": f"redis://127.0.0.1:{proxy.port}/0"},
        "postgres": {"ledger.url": f"postgresql://penstock@127.0.0.1:{proxy.port}/{cluster.database}"},
    }
    try:
        yield urls[to], proxy.set
    finally:
        proxy.stop()


@pytest.mark.parametrize("to", ["redis", "kafka"])
def test_an_elected_gate_that_is_cut_off_lets_another_care(gates, kafka, to):
    """
    It reaches PostgreSQL, and could keep its office for ever; the other could rebuild the stock.
    """
    cluster = gates(0, kafka=kafka)
    with own_way(cluster, kafka, to) as (settings, turn):
        cut_off = cluster.add_gate(settings=settings)
        wait_until(lambda: cut_off.metric("penstock_elected") == 1, 10, "its election")
        other = cluster.add_gate()

        def fault():
            turn("cut")
            cluster.redis.call("FLUSHALL")
            wait_until(lambda: other.metric("penstock_rebuild_sales_total") >= 1, 40, "the other's rebuild")
            wait_until(lambda: other.metric("penstock_elected") == 1, 10, "the other's election")
            turn("pass")

        rush(cluster, f"cut off from {to}", fault)
        wait_until(lambda: cluster.metric("penstock_elected") == 1, 10, "one that cares")


def share_of(drain):
    return drain.metric("penstock_drain_partitions")


def test_a_drain_that_is_cut_off_from_the_ledger_leaves_its_partitions(gates, kafka):
    """Kafka hears from it, and would never give them to the other."""
    cluster = gates(1, kafka=kafka, drains=0)
    sales = [f"sale-{i}" for i in range(8)]  # so that each of the two has some
    with own_way(cluster, kafka, "postgres") as (settings, turn):
        cut_off = cluster.add_drain(settings=settings)
        cluster.add_drain()
        for sale in sales:
            cluster.make_sale(sale, 5)
            assert cluster.buy(sale, "anna").status == 202
        cluster.settle()
        wait_until(lambda: all(share_of(drain) in (1, 2) for drain in cluster.drains), 20, "a share for each")
        turn("cut")
        for sale in sales:
            assert cluster.buy(sale, "ben").status == 202
        wait_until(cluster.is_drained, 40, "the other drain")
        assert share_of(cut_off) == 0
        turn("pass")
        wait_until(lambda: share_of(cut_off) in (1, 2), 20, "its share")
        for sale in sales:
            assert cluster.buy(sale, "cleo").status == 202
        cluster.settle()
    cluster.audit()
