"""The ledger in PostgreSQL: a real server that dies, comes back, and gives the lease to another."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from failpoints import serve_with_failpoints
from penstock import wait_until

WRITER = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"


@pytest.fixture
def postgres(own_postgres):
    return own_postgres


@pytest.fixture
def database(postgres):
    return postgres.make_database()


@pytest.fixture
def gate(serve, postgres, database):
    return serve({"ledger.url": postgres.url(database)})


def steal_lease(postgres, database):
    """Ends the session that has the lease, as an administrator may."""
    (pid,) = postgres.sql(WRITER, database)[0]
    assert postgres.sql(f"SELECT pg_terminate_backend({pid})", database) == [["t"]]
    wait_until(lambda: not postgres.sql(WRITER, database), 10, "the end of the session")


class Load:
    """Buyers, each with a key, that try again until they know; what they were told is kept."""

    def __init__(self, server, sale):
        self.server, self.sale = server, sale
        self.accepted, self.statuses = {}, set()
        self.lock = threading.Lock()
        self.going = True
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(4)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        turn = 0
        while self.going:
            turn += 1
            self.buy(f"buyer-{number}-{turn}")

    def buy(self, buyer):
        while True:
            try:
                answer = self.server.buy(self.sale, buyer, key=buyer)
            except OSError:
                if self.going:
                    raise
                return  # the test has failed, and ends its server
            with self.lock:
                self.statuses.add((answer.status, None if answer.status == 202 else answer.code))
                if answer.status == 202:
                    self.accepted[buyer] = answer.body
            if answer.status in (202, 410):
                return

    def wait_for(self, count):
        already = len(self.accepted)
        wait_until(lambda: len(self.accepted) >= already + count, 30, "more orders")

    def close(self):
        self.going = False
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a buyer never got to know"


def assert_kept(server, load, units):
    """Every 202 is an order, its retry is the same, and each unit is held or for sale."""
    orders = {order["id"]: order for order in server.orders()}
    for buyer, body in load.accepted.items():
        again = server.buy(load.sale, buyer, key=buyer)
        assert (again.status, again.body) == (202, body)
        assert again.json["id"] in orders
    assert len(orders) == len(load.accepted)
    lot = server.lot(load.sale)
    assert (lot["held"], lot["available"]) == (len(orders), units - len(orders))
    server.audit()
    assert server.audit_ledger()[0] == 0


def test_the_database_has_what_was_sold(gate, postgres, database):
    gate.make_sale("drop", 3)
    assert [gate.buy("drop", f"buyer-{i}").status for i in range(4)] == [202, 202, 202, 410]
    assert postgres.sql("SELECT count(*), min(buyer) FROM penstock.orders", database) == [["3", "buyer-0"]]
    code, text = gate.audit_ledger()
    assert code == 0, text
    postgres.sql("UPDATE penstock.lots SET held = held - 1", database)
    code, text = gate.audit_ledger()
    assert code == 1 and "P4" in text


@pytest.mark.parametrize("victim", ["server", "writer", "restart"])
def test_a_server_that_dies_under_load(gate, postgres, database, victim):
    units = 100000
    gate.make_sale("drop", units, hold_seconds=3600)
    load = Load(gate, "drop")
    with contextlib.closing(load):
        for turn in range(2):
            load.wait_for(40)
            if victim == "server":
                postgres.crash()
                answer = gate.buy("drop", f"in-between-{turn}", key=f"in-between-{turn}")
                postgres.start()
                assert answer.status == 503
                load.buy(f"in-between-{turn}")  # the retry resolves it
            elif victim == "writer":
                # One process of the server is killed: it ends all sessions and recovers by itself.
                (pid,) = postgres.sql(WRITER, database)[0]
                os.kill(int(pid), signal.SIGKILL)
            else:
                postgres.stop()
                postgres.start()
            load.wait_for(40)
    assert {status for status, _ in load.statuses} <= {202, 409, 503}, load.statuses
    wait_until(lambda: gate.metric("penstock_stock_outbox_entries") == 0, 15, "the outbox's end")
    assert_kept(gate, load, units)


@pytest.mark.parametrize(
    ("failpoint", "status"),
    [("ledger.commit_unknown=error:107x1", 202), ("ledger.commit_lost=error:5x1", 503), ("ledger.before_commit=error:28x1", 503)],
)
def test_a_commit_without_an_answer_is_resolved(serve, tmp_path, postgres, database, failpoint, status):
    gate, failpoints = serve_with_failpoints(serve, tmp_path, {"ledger.url": postgres.url(database)})
    gate.make_sale("drop", 1)
    failpoints.set(failpoint)
    assert gate.buy("drop", "anna", key="k").status == status
    wait_until(lambda: (a := gate.buy("drop", "anna", key="k")).status == 202 and a, 10, "the retry")
    assert gate.lot("drop")["held"] == 1
    gate.audit()


def test_a_server_restarted_in_mid_transaction(serve, tmp_path, postgres, database):
    gate, failpoints = serve_with_failpoints(serve, tmp_path, {"ledger.url": postgres.url(database)})
    gate.make_sale("drop", 5)
    order = gate.buy("drop", "anna", key="k").json["id"]
    # A settlement reads before it writes: its transaction is open while it waits here.
    failpoints.set("ledger.before_commit=hold")
    with ThreadPoolExecutor(1) as pool:
        confirming = pool.submit(gate.operate, "POST", f"/v1/orders/{order}/confirm")
        wait_until(
            lambda: postgres.sql("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'", database),
            10,
            "the open transaction",
        )
        postgres.crash()
        postgres.start()
        failpoints.lift()
        assert confirming.result().status in (200, 503)
    wait_until(lambda: gate.operate("POST", f"/v1/orders/{order}/confirm").status == 200, 15, "the confirmation")
    assert gate.order(order).json["state"] == "confirmed"
    gate.audit()


def test_a_second_gate_is_refused(gate, serve, postgres, database):
    second = serve({"ledger.url": postgres.url(database)}, wait=False)
    assert second.wait(30) != 0
    second.await_log("another penstock uses this ledger")
    gate.make_sale("drop", 1)
    assert gate.buy("drop", "anna").status == 202


def test_a_gate_whose_lease_is_another_s_sells_no_more(gate, serve, postgres, database):
    gate.make_sale("drop", 5)
    assert gate.buy("drop", "anna").status == 202
    steal_lease(postgres, database)
    second = serve({"ledger.url": postgres.url(database)})
    assert second.buy("drop", "bert").status == 202
    assert gate.buy("drop", "carl").status == 503
    assert second.stop() == 0
    # Nobody has it now, but another has sold in between.
    wait_until(lambda: "has had the lease of this ledger" in gate.log(), 10, "the loss")
    assert gate.buy("drop", "dora").status == 503
    assert {order["buyer"] for order in gate.orders()} == {"anna", "bert"}
    gate.kill()
    third = serve({"ledger.url": postgres.url(database)})
    assert third.lot("drop")["held"] == 2
    assert third.buy("drop", "dora").status == 202
    third.audit()


def test_a_lease_that_nobody_used_is_taken_back(gate, postgres, database):
    gate.make_sale("drop", 5)
    (key,) = postgres.sql("SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory'", database)[0]
    steal_lease(postgres, database)
    person = subprocess.Popen(
        [str(postgres.programs / "psql"), "-XqAt", "-d", postgres.url(database)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        person.stdin.write(f"SELECT pg_advisory_lock({key}) IS NULL;\n")
        person.stdin.flush()
        person.stdout.readline()
        assert gate.buy("drop", "anna").status == 503
    finally:
        person.stdin.close()
        person.wait(10)
    wait_until(lambda: gate.buy("drop", "bert").status == 202, 10, "the lease")
    gate.audit()


def test_a_replica_that_hangs_makes_no_promise(gate, postgres, database):
    """
    A commit that waits for its replica is on one disk: it is not told, however often it is asked
    for, until it is on both.
    """
    sales = [f"drop-{number}" for number in range(20)]
    for sale in sales:
        gate.make_sale(sale, 5)
    postgres.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    postgres.sql("SELECT pg_reload_conf()")
    wait_until(lambda: postgres.sql("SHOW synchronous_standby_names") == [["nobody"]])
    # The gate's own session hears of it a moment after ours: what it has committed until then
    # counts.
    for before, sale in enumerate(sales):
        first = gate.buy(sale, "anna", key="k")
        if first.status != 202:
            break
    assert (first.status, first.code) == (503, "outcome-unknown")
    orders = [[str(before + 1)]]
    wait_until(lambda: postgres.sql("SELECT count(*) FROM penstock.orders", database) == orders, 20, "the order on the one disk")
    # Longer than any wait of the gate's own: giving up must not turn into a yes.
    until = time.monotonic() + 8
    while time.monotonic() < until:
        assert gate.buy(sale, "anna", key="k").status in (409, 503)
    postgres.sql("ALTER SYSTEM RESET synchronous_standby_names")
    postgres.sql("SELECT pg_reload_conf()")
    wait_until(lambda: gate.buy(sale, "anna", key="k").status == 202, 20, "the replica")
    assert gate.lot(sale)["held"] == 1
    gate.audit()


def test_the_first_orders_are_put_into_no_filter(gate, postgres, database):
    """
    A filter of nothing, which the index is made with, would be written again with each of the first
    two thousand.
    """
    gate.make_sale("drop", 10)
    order = gate.buy("drop", "anna").json["id"]
    assert [found["id"] for found in gate.orders(buyer="anna")] == [order]
    made = postgres.sql("SELECT brin_summarize_range('penstock.orders_by_buyer', 0)", database)
    assert made == [["1"]], "the first pages had a filter already"


def test_a_buyers_orders_are_found_without_looking_at_all(gate, postgres, database):
    """
    By filters that autovacuum fills; here they are asked for. What came since has none, and is
    found too.
    """

    def scans():
        return [int(count) for count in postgres.sql("SELECT seq_scan, (SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'orders_by_buyer')"
            " FROM pg_stat_user_tables WHERE relname = 'orders'", database)[0]]  # fmt: skip

    gate.make_sale("drop", 10, limit_per_buyer=3)
    first = [gate.buy("drop", "anna").json["id"] for _ in range(2)]
    wait_until(lambda: len(gate.orders(buyer="anna")) == 2, 20, "anna's orders")
    # Others' orders around hers; they are nobody's business but this list's.
    columns = "placed_at_ms, changed_at_ms, sale, lot, quantity, epoch, buyer_units, limit_per_buyer, state"
    postgres.sql(
        f"INSERT INTO penstock.orders (id, buyer, {columns}) SELECT gen_random_uuid(), 'other-' || n, {columns}"
        " FROM penstock.orders, generate_series(1, 50000) AS n WHERE buyer = 'anna'",
        database,
    )
    postgres.sql("SELECT brin_summarize_new_values('penstock.orders_by_buyer')", database)
    last = gate.buy("drop", "anna").json["id"]
    sequential, by_filter = scans()
    wait_until(lambda: [order["id"] for order in gate.orders(buyer="anna")] == sorted([*first, last]), 20, "all of hers")
    assert [order["id"] for order in gate.orders(buyer="anna", sale="drop")] == sorted([*first, last])
    assert gate.orders(buyer="anna", state="cancelled") == gate.orders(buyer="nobody") == []
    wait_until(lambda: scans()[1] > by_filter, 30, "the filters' use")
    assert scans()[0] == sequential, "no list has looked at every order"
