"""
Somebody sets the clock of Redis: holds, rates and unknown ends go on by the time that has passed.
"""

import time

import pytest

from penstock import LIBRARY, TESTING_PROGRAM, buyer_token, wait_until

QUARTER = 15 * 60
HOLD = 8


@pytest.fixture
def cluster(gates):
    return gates(2, program=TESTING_PROGRAM, settings={"sale.hold_grace": "0s"})


def step(cluster, seconds):
    """
    The clock of Redis, as the functions of a testing build read it. (Redis' allocator does not
    start under libfaketime.)
    """
    assert cluster.redis.call("FCALL", f"{LIBRARY}_test_step", 0, seconds * 1000) == 1


def buy(cluster, buyer, **options):
    return cluster.buy("drop", buyer, token=buyer_token(buyer), **options)


def open_sale(cluster, units, **terms):
    """
    With its first order, anna's, of which each gate has heard (without an earlier reading Redis is
    believed); when that was granted.
    """
    cluster.make_sale("drop", units, **terms)
    wait_until(lambda: buy(cluster, "anna", key="first").status == 202, 20, "the sale")
    granted = time.monotonic()
    for gate in cluster.gates:  # a retry is answered by the stock: from then on the gate sells, and has a reading
        wait_until(lambda gate=gate: gate.buy("drop", "anna", key="first", token=buyer_token("anna")).status == 202, 20, "every gate")
    await_held(cluster, 1)
    return granted


def await_held(cluster, units):
    for gate in cluster.gates:
        wait_until(lambda gate=gate: gate.lot("drop")["held"] == units, 10, "the gate's next look")


@pytest.mark.parametrize("seconds", [QUARTER, -QUARTER])
def test_a_hold_lasts_as_long_as_its_buyer_was_told(cluster, seconds):
    first = open_sale(cluster, 2, hold_seconds=HOLD)
    step(cluster, seconds)
    assert buy(cluster, "bert").status == 202
    second = time.monotonic()
    await_held(cluster, 2)
    wait_until(lambda: cluster.lot("drop")["available"] >= 1, 30, "the release of the first")
    assert time.monotonic() - first > HOLD - 2  # a step passes for a second at most, and the answer took its time
    wait_until(lambda: cluster.lot("drop")["available"] == 2, 30, "the release of both")
    assert time.monotonic() - second > HOLD - 2
    assert buy(cluster, "carl").status == 202
    cluster.settle()


@pytest.mark.parametrize("seconds", [QUARTER, -QUARTER])
def test_a_rate_does_not_hear_of_it(cluster, seconds):
    open_sale(cluster, 9, limit_per_buyer=9, rate={"requests": 1, "seconds": 600})
    step(cluster, seconds)
    assert buy(cluster, "bert").status == 202
    answer = buy(cluster, "anna")
    assert (answer.status, answer.code) == (429, "rate-limited")
    assert 500 < int(answer.header("Retry-After")) <= 600
    cluster.settle()
