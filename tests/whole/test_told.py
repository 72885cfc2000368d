"""A success is told only under the epoch that granted it (rule 3), whatever a gate's clock says."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from freezing import freeze, thaw

from failpoints import Failpoints
from penstock import wait_until

UNITS = 3


def sell_out(gate, buyer):
    answers = [gate.buy("drop", f"{buyer}-{i}").status for i in range(UNITS + 1)]
    return answers.count(202)


@pytest.mark.parametrize("asked", ["a purchase", "a cancel"])
def test_a_gate_that_was_paused_with_its_clock_tells_no_success_of_the_epoch_before(gates, kafka, tmp_path, asked):
    """
    Decided in Redis, paused before the journal has it; Redis forgets, another gate rebuilds and
    sells; then the paused one goes on.
    """
    cluster = gates(0, kafka=kafka)
    failpoints = Failpoints(tmp_path)
    paused = cluster.add_gate(**failpoints.server)
    other = cluster.add_gate()
    cluster.make_sale("drop", UNITS, hold_seconds=600)
    wait_until(lambda: cluster.is_selling("drop"), 20, "the sale at every gate")
    order = None
    if asked == "a cancel":
        order = paused.buy("drop", "anna", key="k").json["id"]
        cluster.settle()
    failpoints.set("ack.clock_stands_still=on,journal.before_append=hold")
    with ThreadPoolExecutor(1) as pool:
        if order:
            answer = pool.submit(paused.ask, "POST", f"/v1/orders/{order}/cancel", "anna")
        else:
            answer = pool.submit(paused.buy, "drop", "anna", key="k")
        wait_until(lambda: failpoints.hits("journal.before_append"), 20, "what is decided and not in the journal")
        freeze(paused.process)
        cluster.redis.call("FLUSHALL")
        wait_until(lambda: other.buy("drop", "probe", key="probe").status == 202, 60, "the other's rebuild")
        others = 1 + sell_out(other, "ben")
        failpoints.set("ack.clock_stands_still=on")
        thaw(paused.process)
        answer = answer.result()
    assert answer.status == 503, (answer.status, answer.body)
    assert answer.json["code"] == "outcome-unknown"
    assert others == (UNITS - 1 if order else UNITS)
    wait_until(lambda: paused.buy("drop", "probe", key="probe").status == 202, 30, "the paused gate's part in the new epoch")
    wait_until(lambda: paused.metric("penstock_journal_unproven_total") >= 1, 10, "its count")
    failpoints.lift()
    if order:
        assert paused.order(order).json["state"] == "held"
    else:
        assert paused.buy("drop", "anna", key="k").status == 410  # the retry resolves it
    cluster.settle()
    cluster.audit()
