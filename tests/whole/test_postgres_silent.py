"""
A PostgreSQL that hangs: it keeps its connections, and answers nobody. That is found out and told,
and nothing waits for it for long.
"""

import contextlib
import os
import signal
from pathlib import Path

import pytest
from freezing import freeze, state_of, thaw

from penstock import wait_until


@contextlib.contextmanager
def frozen(postgres):
    """All of its processes stand still; the kernel holds their connections."""
    freeze(postgres.process)  # so that it starts no more of them
    stopped = postgres.children()
    try:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: all(state_of(Path(f"/proc/{pid}")) in "TXZ" for pid in stopped), 30, "that all stand still")
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        thaw(postgres.process)


def ledger_state(gate):
    return gate.operate("GET", "/health").json["components"]["ledger"]["status"], gate.metric("penstock_elected")


def test_every_gate_says_that_the_ledger_hangs_and_none_is_elected(gates, own_postgres, kafka):
    """
    The sale keeper stood in its look at the sale table for ten minutes: the ledger was UP, and a
    gate that did nothing was elected.
    """
    cluster = gates(2, postgres=own_postgres, kafka=kafka)
    cluster.make_sale("drop", 50)
    wait_until(lambda: cluster.is_selling("drop"), 30, "the sale at both gates")
    wait_until(lambda: sorted(ledger_state(gate)[1] for gate in cluster.gates) == [0, 1], 20, "the election")
    cluster.settle()
    with frozen(own_postgres):
        wait_until(lambda: all(ledger_state(gate) == ("DOWN", 0) for gate in cluster.gates), 60, "the ledger's health at each gate")
        assert [gate.operate("GET", "/readyz").status for gate in cluster.gates] == [200, 200], "they sell without it"
        wait_until(lambda: cluster.gates[1].buy("drop", "ann", key="k").status == 202, 30, "an order")
    wait_until(lambda: sorted(ledger_state(gate) for gate in cluster.gates) == [("UP", 0), ("UP", 1)], 60, "the ledger and an election")
    cluster.settle(60)
    cluster.audit()


@pytest.mark.parametrize("reading", ["/v1/orders", "/v1/changes"])
def test_a_gate_ends_while_the_ledger_hangs(gates, own_postgres, reading):
    """It stood until the ledger answered, and whoever had sent SIGTERM killed it after 15 s."""
    cluster = gates(1, postgres=own_postgres)
    gate = cluster.gates[0]
    gate.make_sale("drop", 50)
    for _ in range(3):
        assert gate.operate("GET", reading).status == 200
    with frozen(own_postgres):
        assert gate.operate("GET", reading).status == 503
        gate.process.send_signal(signal.SIGTERM)
        assert gate.wait(60) == 0, "it was not forced"
