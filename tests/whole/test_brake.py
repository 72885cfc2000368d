"""
The stop button: it goes to the stock first, so it waits for no ledger, no lock and no report, and
holds at every gate.
"""

import contextlib
import subprocess
import threading
import time

import pytest

from commands import operate
from penstock import request, wait_until
from proxy import Proxy


@contextlib.contextmanager
def locked(postgres, database, statement):
    """Somebody's transaction that keeps what `statement` locks."""
    holder = subprocess.Popen(
        [str(postgres.programs / "psql"), "-XqAt", "-d", postgres.url(database)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        holder.stdin.write(f"BEGIN;\n{statement};\n\\echo locked\n")
        holder.stdin.flush()
        while holder.stdout.readline().strip() != "locked":
            assert holder.poll() is None, "the session ended"
        yield
    finally:
        holder.stdin.close()
        holder.wait(20)


def in_ledger(cluster, sale="drop"):
    return int(cluster.postgres.sql(f"SELECT state FROM penstock.sales WHERE id = '{sale}'", cluster.database)[0][0])


OPEN, PAUSED = 3, 4


def sold_out_of(gates, code, sale="drop"):
    """Every gate answers a purchase with this code at its next call."""
    return [gate.buy(sale, f"probe-{number}", key="k").code for number, gate in enumerate(gates)] == [code] * len(gates)


def timed(call):
    begun = time.monotonic()
    answer = call()
    return answer, time.monotonic() - begun


@pytest.fixture
def pair(gates):
    cluster = gates(2)
    cluster.gates[0].make_sale("drop", 50, rate=None)
    wait_until(lambda: request(cluster.gates[1].public, "GET", "/v1/sales/drop").status == 200, 10, "the sale at the other gate")
    return cluster


def test_a_sale_is_stopped_while_somebody_locks_its_row(pair):
    a, b = pair.gates
    with locked(pair.postgres, pair.database, "SELECT * FROM penstock.sales WHERE id = 'drop' FOR UPDATE"):
        answer, seconds = timed(lambda: a.operate("POST", "/v1/sales/drop/pause"))
        assert answer.status == 200 and answer.json["state"] == "paused", answer.body
        print(f"pause beside a locked row: {seconds * 1000:.1f} ms")
        assert sold_out_of([b, a], "sale-not-open")
        assert in_ledger(pair) == OPEN
        wait_until(lambda: b.operate("GET", "/v1/sales/drop").json["state"] == "paused", 5, "the stop in the other gate's list")
    wait_until(lambda: in_ledger(pair) == PAUSED, 20, "the stop in the ledger")
    log = wait_until(
        lambda: [row for row in a.operate("GET", "/v1/log").json["rows"] if row["action"] == "sale.pause"], 10, "its row of the log"
    )
    assert log[0]["actor"] == "operator" and log[0]["subject"] == "drop"
    assert b.operate("POST", "/v1/sales/drop/resume").json["state"] == "open"
    wait_until(lambda: a.buy("drop", "later", key="k").status == 202, 5, "the sale's going on at the other gate")
    wait_until(lambda: in_ledger(pair) == OPEN, 20, "its going on in the ledger")
    pair.settle()
    a.audit()


def test_a_sale_is_stopped_and_let_go_on_while_the_ledger_is_away(gates, own_postgres, kafka):
    cluster = gates(2, postgres=own_postgres, kafka=kafka)
    a, b = cluster.gates
    a.make_sale("drop", 50, rate=None)
    wait_until(lambda: b.buy("drop", "first", key="k").status == 202, 10, "the sale at the other gate")
    own_postgres.crash()
    # On a busy machine Redis' answer may come too late for the gate: an operator presses again.
    stopped = lambda: next((a for a in [b.operate("POST", "/v1/sales/drop/pause")] if a.status == 200), None)  # noqa: E731
    answer, seconds = timed(lambda: wait_until(stopped, 10, "the stop"))
    assert answer.json["state"] == "paused", answer.body
    print(f"pause while PostgreSQL is away: {seconds * 1000:.1f} ms")
    assert sold_out_of([a, b], "sale-not-open")
    assert b.buy("drop", "first", key="k").status == 202, "who has an order gets it back"
    assert a.operate("POST", "/v1/sales/drop/resume").json["state"] == "open"
    wait_until(lambda: b.buy("drop", "second", key="k").status == 202, 5, "the sale's going on")
    assert a.operate("POST", "/v1/sales/drop/pause").json["state"] == "paused"
    own_postgres.start()
    wait_until(lambda: in_ledger(cluster) == PAUSED, 60, "the stop in the ledger")
    assert sold_out_of([a, b], "sale-not-open")
    cluster.settle(60)
    wait_until(lambda: a.operate_audit().status == 200, 30, "the gate's ledger")
    a.audit()


def test_a_stop_by_the_ledger_alone_is_not_told_as_one_that_holds_everywhere(gates, redis):
    """
    It was 200, and a gate that could reach Redis sold until it had heard of it by the ledger (a
    world found it: 32025037).
    """
    proxy = Proxy(redis.port).start()
    try:
        cluster = gates(1)
        a, b = cluster.gates[0], cluster.add_gate(settings={"stock.url": f"redis://127.0.0.1:{proxy.port}/0"})
        a.make_sale("drop", 50, rate=None)
        wait_until(lambda: b.buy("drop", "first", key="k").status == 202, 20, "the sale at the other gate")
        proxy.set("cut")
        press = lambda: b.operate("POST", "/v1/sales/drop/pause", headers={"Idempotency-Key": "stop"})  # noqa: E731
        taken = press()
        assert (taken.status, taken.json["state"]) == (202, "paused"), taken.body
        assert in_ledger(cluster) == PAUSED
        said = operate(b, "sale", "pause", "drop")
        assert said.returncode == 0 and "not in force everywhere yet" in said.stderr, said
        wait_until(lambda: sold_out_of([a], "sale-not-open"), 20, "the stop at the gate that reaches Redis")
        proxy.set("pass")
        told = wait_until(lambda: next((x for x in [press()] if x.status == 200), None), 20, "the stop in Redis")
        assert told.json["state"] == "paused", told.body
        assert sold_out_of([a], "sale-not-open")
        wait_until(lambda: sold_out_of([b], "sale-not-open"), 20, "all connections of the gate that was cut off")
        a.audit()
    finally:
        proxy.stop()


def test_a_stop_that_the_ledger_does_not_have_outlives_a_redis_that_forgets(pair):
    a, b = pair.gates
    with locked(pair.postgres, pair.database, "SELECT * FROM penstock.sales WHERE id = 'drop' FOR UPDATE"):
        assert a.operate("POST", "/v1/sales/drop/pause").status == 200
        wait_until(lambda: b.operate("GET", "/v1/sales/drop").json["state"] == "paused", 5, "the stop at the other gate")
        pair.redis.call("FLUSHALL")
    codes = set()
    deadline = time.monotonic() + 30
    while in_ledger(pair) != PAUSED and time.monotonic() < deadline:
        codes |= {gate.buy("drop", "probe", key="k").code for gate in pair.gates}
    assert in_ledger(pair) == PAUSED
    wait_until(lambda: sold_out_of([a, b], "sale-not-open"), 20, "the rebuilt sale")
    assert codes <= {"sale-not-open", "fenced", "stock-unavailable"}
    assert pair.order_rows("drop") == {}


def stops_in_log(gate):
    rows = [row for row in gate.operate("GET", "/v1/log?limit=200").json["rows"] if row["action"] in ("sale.pause", "sale.resume")]
    return [(row["action"], row["actor"]) for row in sorted(rows, key=lambda row: row["number"])]


def test_each_stop_beside_a_locked_row_is_in_the_log_and_a_late_retry_does_nothing(pair):
    """
    The log had the last one alone, and a late retry of a pause stopped the sale that somebody had
    let go on.
    """
    a, b = pair.gates
    press = lambda gate, what, key: gate.operate("POST", f"/v1/sales/drop/{what}", headers={"Idempotency-Key": key})  # noqa: E731
    for gate in pair.gates:
        wait_until(lambda gate=gate: gate.operate("GET", "/v1/sales/drop").json["state"] == "open", 20, "the opening at each gate")
    with locked(pair.postgres, pair.database, "SELECT * FROM penstock.sales WHERE id = 'drop' FOR UPDATE"):
        first = press(a, "pause", "first")
        assert (first.status, first.json["state"], first.json["version"]) == (200, "paused", None), first.body
        assert first.header("Idempotent-Replayed") is None
        assert press(b, "resume", "second").status == 200
        wait_until(lambda: b.operate("GET", "/v1/sales/drop").json["state"] == "open", 5, "the release where it was asked for")
        again = press(a, "pause", "first")
        assert (again.status, again.json["state"], again.header("Idempotent-Replayed")) == (200, "open", "true"), again.body
        wait_until(lambda: a.operate("GET", "/v1/sales/drop").json["state"] == "open", 5, "the release in the other gate's list")
        pair.redis.call("FLUSHALL")
        replay = lambda: next((x for x in [press(b, "pause", "first")] if x.status == 200), None)  # noqa: E731
        again = wait_until(replay, 30, "the retry behind a Redis that has forgotten")
        assert (again.json["state"], again.header("Idempotent-Replayed")) == ("open", "true"), again.body
        third = wait_until(lambda: next((x for x in [press(a, "pause", "third")] if x.status == 200), None), 30, "the third")
        assert third.json["state"] == "paused"
    wait_until(lambda: in_ledger(pair) == PAUSED, 30, "the stop in the ledger")
    expected = [("sale.pause", "operator"), ("sale.resume", "operator"), ("sale.pause", "operator")]
    wait_until(lambda: stops_in_log(a) == expected, 20, "three rows of the log")
    wait_until(lambda: a.operate("GET", "/v1/sales/drop").json["version"], 20, "the sale's version")
    assert press(a, "resume", "fourth").json["state"] == "open"
    wait_until(lambda: in_ledger(pair) == OPEN, 30, "its going on in the ledger")
    # A gate shows what it has heard by then of the ledger and of Redis, which come apart.
    replay = lambda: next((x for x in [press(b, "pause", "third")] if x.json["state"] == "open"), None)  # noqa: E731
    again = wait_until(replay, 20, "its going on at the other gate")
    assert again.header("Idempotent-Replayed") == "true", again.body
    assert stops_in_log(a) == [*expected, ("sale.resume", "operator")]


def test_the_stop_waits_for_no_list_and_no_audit(pair):
    a, _ = pair.gates
    a.buy("drop", "ann", key="k")
    with locked(pair.postgres, pair.database, "LOCK TABLE penstock.orders IN ACCESS EXCLUSIVE MODE"):
        reports = [threading.Thread(target=a.operate, args=("GET", "/v1/orders"), daemon=True) for _ in range(8)]
        reports.append(threading.Thread(target=a.operate, args=("POST", "/v1/audit"), daemon=True))
        for report in reports:
            report.start()
        wait_until(lambda: a.operate("GET", "/health").json["components"]["lanes"]["details"]["ledger"] >= 1, 10, "the lists' queue")
        answer, seconds = timed(lambda: a.operate("POST", "/v1/sales/drop/pause"))
        assert answer.status == 200
        print(f"pause behind eight lists and an audit of a locked table: {seconds * 1000:.1f} ms")
        assert any(report.is_alive() for report in reports), "nothing was in the way"
        for report in reports:
            report.join(20)
            assert not report.is_alive(), "a request without an end"


def test_a_stop_waits_for_no_release_that_asks_the_ledger(pair):
    """
    A release asks which stops it answers, of a ledger that may not answer for long: every stop
    stood behind it.
    """
    a = pair.gates[0]
    assert a.operate("POST", "/v1/sales/drop/pause").json["state"] == "paused"
    wait_until(lambda: in_ledger(pair) == PAUSED, 20, "the stop in the ledger")
    asks = (
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{pair.database}' AND wait_event_type = 'Lock'"
        " AND query LIKE '%FROM sales WHERE number = $1'"
    )
    stopped = lambda: next((r for r in [a.operate("POST", "/v1/sales/drop/pause")] if r.status == 200), None)  # noqa: E731
    with locked(pair.postgres, pair.database, "LOCK TABLE penstock.sales IN ACCESS EXCLUSIVE MODE"):
        release = threading.Thread(target=lambda: a.operate("POST", "/v1/sales/drop/resume"))
        release.start()
        wait_until(lambda: int(pair.postgres.sql(asks, "postgres")[0][0]) > 0, 10, "the release's look at the ledger")
        answer, seconds = timed(lambda: wait_until(stopped, 10, "the stop"))
        assert answer.json["state"] == "paused", answer.body
        print(f"pause beside a release that waits for the ledger: {seconds * 1000:.1f} ms")
        release.join()
    pair.settle()
    a.audit()


def test_an_unknown_end_of_a_resume_says_what_sending_it_again_does(pair):
    gate = pair.gates[0]
    assert gate.operate("POST", "/v1/sales/drop/pause").json["state"] == "paused"

    def asked_while_frozen(headers=None):
        """
        Where the gate had noticed before that Redis is silent, it asked nothing, and says so: not
        what this is about.
        """
        pair.redis.freeze()
        try:
            answer = gate.operate("POST", "/v1/sales/drop/resume", headers=headers)
        finally:
            pair.redis.thaw()
        return answer if answer.json.get("code") != "stock-unavailable" else None

    answer = wait_until(asked_while_frozen, 30, "an answer that was lost")
    assert (answer.status, answer.code) == (503, "outcome-unknown"), answer.body
    assert "unless somebody has moved the sale since: it would be moved back" in answer.json["detail"]
    answer = wait_until(lambda: asked_while_frozen({"Idempotency-Key": "k"}), 30, "another")
    assert "with the same Idempotency-Key: it is not done twice" in answer.json["detail"]
    send = lambda what: gate.operate("POST", f"/v1/sales/drop/{what}", headers={"Idempotency-Key": "k"})  # noqa: E731
    wait_until(lambda: send("resume").status == 200, 20, "the answer to it when it is sent again")
    # The first resume was done before this pause, and it is known.
    assert [send(what).json["state"] for what in ("pause", "resume")] == ["paused", "paused"]
