"""
Orders that give back some of their units, where gates share a stock and a drain may be behind: each
request does it once, whatever dies.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from failpoints import Failpoints

from penstock import TESTING_PROGRAM, wait_until


def bought(cluster, buyer="anna", quantity=3, confirmed=True):
    order = cluster.buy("drop", buyer, key="k", body={"quantity": quantity})
    assert order.status == 202, order
    if confirmed:
        wait_until(lambda: cluster.operate("POST", f"/v1/orders/{order.json['id']}/confirm").status == 200, 10, "the confirm")
    return order


def code(answer):
    return answer.json.get("code")


def reduce(gate, order, key, quantity=1, **fields):
    return gate.operate("POST", f"/v1/orders/{order}/cancel", {"quantity": quantity, **fields}, headers={"Idempotency-Key": key})


def await_reduced(gate, order, key, quantity=1, **fields):
    """Sends it again, as docs/http.md tells a client to, until it has an answer."""
    answers = []

    def answered():
        answers.append(reduce(gate, order, key, quantity, **fields))
        return answers[-1].status < 500 and code(answers[-1]) != "request-in-flight"

    wait_until(answered, 30, "an answer")
    return answers[-1]


def lot(cluster):
    """available, held, confirmed, withdrawn as a gate knows them of the stock."""
    row = cluster.lot("drop")
    return tuple(row[name] for name in ("available", "held", "confirmed", "withdrawn"))


def await_lot(cluster, *counters):
    wait_until(lambda: lot(cluster) == counters, 10, f"{counters} in the stock")


def reductions(cluster):
    query = "SELECT count(*) FROM penstock.movements WHERE left_units IS NOT NULL"
    return int(cluster.postgres.sql(query, cluster.database)[0][0])


def audited(cluster):
    cluster.settle()
    cluster.audit()


def opened(cluster, units=9, **terms):
    cluster.make_sale("drop", units, **{"limit_per_buyer": 5, "hold_seconds": 600, **terms})
    wait_until(lambda: cluster.is_selling("drop"), 30, "the sale at every gate")


def test_a_reduction_is_done_once_while_the_drain_is_behind(gates, kafka):
    """
    The stock has it, the ledger does not: whose it was cannot be said yet, and it is not done
    again.
    """
    cluster = gates(2, kafka=kafka, drains=1)
    a, b = cluster.gates
    opened(cluster)
    first = bought(cluster)
    order = first.json["id"]
    cluster.settle()
    cluster.drains[0].stop()
    told = reduce(a, order, "r1", 1, units="gone", reference="re_1")
    assert told.status == 200 and (told.json["quantity"], told.json["state"]) == (2, "confirmed")
    for gate in (a, b, a):
        again = reduce(gate, order, "r1", 1, units="gone", reference="re_1")
        assert (again.status, again.code) == (503, "outcome-unknown")
    await_lot(cluster, 5, 1, 2, 1)  # one unit is held by who asked whether it sells
    assert reduce(b, order, "r2", 1).status == 200  # another request's goes on meanwhile
    cluster.drains[0].start()
    again = await_reduced(b, order, "r1", 1, units="gone", reference="re_1")
    assert again.status == 200 and again.header("Idempotent-Replayed") == "true"
    assert await_reduced(a, order, "r2", 1).header("Idempotent-Replayed") == "true"
    assert reduce(a, order, "r1", 2, units="gone", reference="re_1").status == 422
    audited(cluster)
    assert reductions(cluster) == 2
    assert cluster.order(order).json["quantity"] == 1
    # A purchase is told as it was granted, for ever.
    retried = a.buy("drop", "anna", key="k", body={"quantity": 3})
    assert retried.status == 202 and retried.body == first.body


@pytest.mark.parametrize("place", ["stock.decided", "journal.after_append", "journal.acknowledged", "reduce.fixed"])
def test_a_reduction_whose_gate_dies_is_done_once(gates, kafka, tmp_path, place):
    failpoints = Failpoints(tmp_path)
    # One of another build brings functions of another text, and the sale would be built again.
    cluster = gates(1, kafka=kafka, program=TESTING_PROGRAM)
    opened(cluster)
    order = bought(cluster).json["id"]
    dying = cluster.add_gate(**failpoints.server)
    wait_until(lambda: dying.sale("drop")["state"] == "open", 10, "the sale at the gate that is to die")
    failpoints.set(f"{place}=kill")
    with pytest.raises(OSError):
        reduce(dying, order, "r", 2, units="warehouse")
    dying.process.wait(10)
    told = await_reduced(cluster.gates[0], order, "r", 2, units="warehouse")
    assert told.status == 200 and told.json["quantity"] == 1
    audited(cluster)
    assert reductions(cluster) == 1
    await_lot(cluster, 5, 1, 1, 2)


def test_reductions_outlive_a_redis_that_forgets(gates, kafka):
    """
    What the ledger has, and what is only in the journal's tail: the stock that is built again has
    both.
    """
    cluster = gates(2, kafka=kafka)
    opened(cluster)
    first = bought(cluster, quantity=4)
    order = first.json["id"]
    assert reduce(cluster, order, "r1", 1, units="gone").status == 200
    cluster.settle()
    cluster.drains[0].stop()
    assert reduce(cluster, order, "r2", 1, units="sale").status == 200
    assert reduce(cluster, order, "r3", 1, units="warehouse").status == 200
    await_lot(cluster, 5, 1, 1, 2)
    cluster.redis.call("FLUSHALL")
    wait_until(lambda: cluster.is_selling("drop"), 30, "the stock")
    await_lot(cluster, 5, 1, 1, 2)
    retried = cluster.buy("drop", "anna", key="k", body={"quantity": 4})
    assert retried.status == 202 and retried.body == first.body
    assert reduce(cluster, order, "r3", 1, units="warehouse").json["code"] == "outcome-unknown"
    cluster.drains[0].start()
    for key, units in (("r1", "gone"), ("r2", "sale"), ("r3", "warehouse")):
        again = await_reduced(cluster, order, key, 1, units=units)
        assert again.status == 200 and again.header("Idempotent-Replayed") == "true"
    audited(cluster)
    assert reductions(cluster) == 3
    await_lot(cluster, 5, 1, 1, 2)


@pytest.mark.parametrize("journal", ["direct", "kafka"])
def test_of_two_operators_who_want_the_same_units_one_gets_them(gates, request, journal):
    """Twelve requests at two gates, each for one of the four units that an order can give back."""
    cluster = gates(2, kafka=request.getfixturevalue("kafka") if journal == "kafka" else None)
    opened(cluster)
    order = bought(cluster, quantity=5).json["id"]
    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(lambda i: await_reduced(cluster, order, f"r{i}", 1), range(12)))
    done = [answer for answer in told if answer.status == 200]
    assert {answer.code for answer in told if answer.status != 200} <= {"order-quantity", "order-state"}
    cluster.settle()
    left = cluster.order(order).json
    assert len(done) == (5 if left["state"] == "cancelled" else 5 - left["quantity"])
    assert len(done) >= 1
    again = [await_reduced(cluster, order, f"r{i}", 1) for i in range(12)]
    assert [answer.status for answer in again] == [answer.status for answer in told]
    audited(cluster)


def test_units_of_a_sale_that_has_left_the_stock_are_given_back_once(gates, kafka):
    """
    The ledger says whose it was, and until the drain has come so far nobody says that it was done.
    """
    cluster = gates(2, kafka=kafka)
    a, b = cluster.gates
    opened(cluster, hold_seconds=0)
    order = bought(cluster, confirmed=False).json["id"]
    assert a.operate("POST", "/v1/sales/drop/end").status == 200
    await_lot(cluster, 0, 0, 4, 5)  # one of them is of who asked whether it sells
    cluster.settle()
    for gate in cluster.gates:
        gate.stop()
    month = 30 * 24 * 3600 * 1000
    cluster.postgres.sql(f"UPDATE penstock.sales SET ended_at_ms = ended_at_ms - {month} WHERE id = 'drop'", cluster.database)
    cluster.redis.call("FLUSHALL")
    for gate in cluster.gates:
        gate.start()
    wait_until(lambda: all(code(reduce(gate, order, "too-many", 9)) == "order-quantity" for gate in (a, b)), 30, "the sale's end at every gate")
    assert cluster.redis.call("EXISTS", "{ps:1}:m") == 0
    cluster.drains[0].stop()
    for gate, key in ((a, "r1"), (b, "r2")):
        assert reduce(gate, order, key, 2).json["code"] == "outcome-unknown"
    cluster.drains[0].start()
    told = [await_reduced(b, order, key, 2) for key in ("r1", "r2")]
    assert sorted(answer.status for answer in told) == [200, 409]
    assert next(answer for answer in told if answer.status == 409).code == "order-quantity"
    cluster.settle()
    assert cluster.order(order).json["quantity"] == 1
    assert reductions(cluster) == 1
    assert cluster.audit_ledger()[0] == 0
