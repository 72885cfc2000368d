"""
A disk that fails, fills up or is taken away: nothing that was told is lost, nothing is told that is
not so, and it gets well by itself.
"""

import contextlib
import errno
import os
import signal
import sqlite3
import subprocess
import threading

import pytest

from crowd import Crowd, new_seed
from failpoints import serve_with_failpoints
from penstock import request, run, wait_until

UNITS = 800
EIO, ENOSPC, EROFS = (f"error:{number}" for number in (errno.EIO, errno.ENOSPC, errno.EROFS))


def make_crowd(server, name, **terms):
    server.make_sale("drop", lots={"size-1": UNITS, "size-2": UNITS}, limit_per_buyer=2, hold_seconds=60, **terms)
    return Crowd(server, "drop", new_seed(name), buyers=1500)


def is_ready(server):
    return request(server.public, "GET", "/readyz").status == 200


def ledger_health(server):
    return server.operate("GET", "/health").json["components"]["ledger"]


def stock_agrees(server):
    """
    The hot counters are what the ledger has: what was taken for orders that failed has come back.
    """
    names = ("units", "held", "confirmed", "withdrawn")
    rows = server.rows(
        "select l.allocated, l.held, l.confirmed, l.withdrawn from lots l join sales s on s.number = l.sale"
        " where s.id = 'drop' order by l.place"
    )
    return [tuple(lot[name] for name in names) for lot in server.sale("drop")["lots"]] == rows


def assert_well(server, crowd):
    """Without a restart, and then once more after one."""
    wait_until(lambda: is_ready(server), 15, "readiness")
    crowd.ask_again(crowd.wishes)
    assert not {wish.key for wish in crowd.wishes if not set(wish.answers) & {"accepted", "sold-out", "buyer-limit-reached"}}
    wait_until(lambda: stock_agrees(server), 15, "the stock's return")
    crowd.assert_kept()
    server.kill()
    server.restart()
    assert stock_agrees(server)
    crowd.assert_kept()


# What fails, and what buyers are told of it. Where a commit's answer is lost, reopening finds the
# truth; where that fails too, nobody can say.
FAILURES = {
    "begin": (f"ledger.begin={EIO}", {"journal-unavailable"}),
    "insert": (f"ledger.insert={EIO}", {"journal-unavailable"}),
    "insert now and then": (f"ledger.insert={EIO}@20x1,ledger.insert={EIO}@90x2", None),
    "before commit": (f"ledger.before_commit={EIO}", {"journal-unavailable"}),
    "disk full before commit": (f"ledger.before_commit={ENOSPC}", {"journal-unavailable"}),
    "read-only": (f"ledger.begin={EROFS}", {"journal-unavailable"}),
    "commit lost": (f"ledger.commit_lost={EIO}", {"journal-unavailable"}),
    "commit unknown": (f"ledger.commit_unknown={EIO}", None),
    # The first to meet it may be a purchase or a settlement, so who is told "unknown" is a matter
    # of chance here; the next test leaves no chance.
    "commit lost, reopening fails": (f"ledger.commit_lost={EIO},ledger.reopen={EIO}", {"journal-unavailable"}),
    "commit unknown, reopening fails": (f"ledger.commit_unknown={EIO},ledger.reopen={EIO}", {"journal-unavailable"}),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_nothing_is_lost_while_writes_fail_at(serve, tmp_path, failure):
    spec, told = FAILURES[failure]
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    crowd = make_crowd(server, failure)
    crowd.shop(0.1)
    assert crowd.answers["accepted"] > 0
    before = crowd.answers.copy()
    failpoints.set(spec)
    crowd.shop(0.6)
    during = crowd.answers - before
    print(failure, dict(during))
    if told:
        assert told <= set(during), "buyers were not told"
    # Where only orders fail, an empty commit works, and the server thinks itself well again until
    # the next order: readiness comes and goes.
    if told and failure != "insert":
        assert not is_ready(server)
        health = ledger_health(server)
        assert health["status"] == "DOWN" and health["details"]["reason"]
    failpoints.lift()
    assert_well(server, crowd)


@pytest.mark.parametrize("switch", ["ledger.commit_lost", "ledger.commit_unknown"])
def test_what_nobody_can_say_is_said_so_and_the_retry_resolves_it(serve, tmp_path, switch):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    server.make_sale("drop", 5)
    failpoints.set(f"{switch}={EIO},ledger.reopen={EIO}")
    answer = server.buy("drop", "anna", key="key")
    assert (answer.status, answer.code) == (503, "outcome-unknown")
    failpoints.lift()
    order = wait_until(lambda: (a := server.buy("drop", "anna", key="key")).status == 202 and a, 15)
    assert server.buy("drop", "anna", key="key").body == order.body
    assert server.lot("drop")["held"] == 1
    server.audit()


def test_earlier_orders_are_told_again_while_writes_fail(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    server.make_sale("drop", 5)
    first = server.buy("drop", "anna", key="key")
    failpoints.set(f"ledger.begin={EIO}")
    wait_until(lambda: server.buy("drop", "bert").status == 503)
    again = server.buy("drop", "anna", key="key")
    assert (again.status, again.body) == (202, first.body)
    assert server.ask("GET", f"/v1/orders/{first.json['id']}", "anna").status == 200
    answer = server.buy("drop", "carl")
    assert answer.header("Retry-After") and answer.code == "journal-unavailable"
    assert server.lot("drop")["available"] == 4


def test_the_reason_is_shown(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    server.make_sale("drop", 5)
    failpoints.set(f"ledger.begin={ENOSPC}")
    assert server.buy("drop", "anna").status == 503
    answer = request(server.public, "GET", "/readyz")
    assert answer.status == 503 and b"the ledger's disk is full" in request(server.public, "GET", "/readyz?verbose").body
    assert request(server.public, "GET", "/livez").status == 200, "to restart it would help nothing"
    assert ledger_health(server)["details"]["reason"] == "the ledger's disk is full"
    failpoints.lift()
    wait_until(lambda: is_ready(server), what="recovery without anybody asking")
    assert ledger_health(server)["status"] == "UP"
    assert server.buy("drop", "anna").status == 202


def test_a_ledger_that_hangs_leaves_nobody_without_an_answer(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path, {"journal.ack_deadline": "1s"})
    server.make_sale("drop", 5)
    failpoints.set("ledger.before_commit=hold")
    answer = server.buy("drop", "anna", key="key")
    assert (answer.status, answer.code) == (503, "outcome-unknown")
    assert server.buy("drop", "anna", key="key").code in ("request-in-flight", "outcome-unknown")
    failpoints.lift()
    answer = wait_until(lambda: (a := server.buy("drop", "anna", key="key")).status == 202 and a, what="the order")
    assert server.rows("select count(*) from orders") == [(1,)]
    assert server.lot("drop")["held"] == 1
    server.audit()


def test_a_write_that_does_not_end_is_told(serve, tmp_path):
    """
    It fails with nothing, so the ledger was UP, and a gate that nobody bought from while it was out
    of rotation was ready again. Nobody is let in to wait for it, and earlier orders are told.
    """
    server, failpoints = serve_with_failpoints(serve, tmp_path, {"journal.ack_deadline": "1s"})
    server.make_sale("drop", 5)
    first = server.buy("drop", "anna", key="key")
    failpoints.set("ledger.before_commit=hold")
    wait_until(lambda: server.buy("drop", "bert", key="key").code in ("outcome-unknown", "request-in-flight"), what="an order in the midst of it")
    wait_until(lambda: ledger_health(server)["status"] == "DOWN", what="the ledger's health")
    assert ledger_health(server)["details"]["reason"] == "the ledger's disk hangs"
    assert b"the ledger's disk hangs" in request(server.public, "GET", "/readyz?verbose").body and not is_ready(server)
    assert server.buy("drop", "carl").code == "journal-unavailable"
    assert server.buy("drop", "anna", key="key").body == first.body
    server.await_log("a write does not end")
    failpoints.lift()
    wait_until(lambda: is_ready(server) and ledger_health(server)["status"] == "UP", what="readiness without anybody asking")
    server.await_log("the disk answers again")
    wait_until(lambda: server.buy("drop", "bert", key="key").status == 202, what="the order")
    assert server.lot("drop")["held"] == 2
    server.audit()


LOT = "/v1/sales/drop/lots/drop-item"
# What each is sent, and what it is told of sending it again.
UNKNOWN_ENDS = {
    "a confirm": ("/v1/orders/{order}/confirm", None, "k", "Send it again shortly: it is not done twice."),
    "a cancel": ("/v1/orders/{order}/cancel", None, None, "Send it again shortly: it is not done twice."),
    "an extension": ("/v1/orders/{order}/extend", {"seconds": 900}, None, "Read the order before you send it again: the seconds count"),
    "an extension with a key": ("/v1/orders/{order}/extend", {"seconds": 900}, "k", "with the same Idempotency-Key: it is not done twice."),
    "a withdrawal": (LOT + "/withdraw", {"units": 1}, None, "without an Idempotency-Key it may be done twice."),
    "a withdrawal with a key": (LOT + "/withdraw", {"units": 1}, "k", "with the same Idempotency-Key: it is not done twice."),
    "units that are added": (LOT + "/add", {"units": 1}, "k", "with the same Idempotency-Key: it is not done twice."),
    "a receipt": ("/v1/items/drop-item/receive", {"units": 1}, None, "without an Idempotency-Key it may be done twice."),
    "an end": ("/v1/sales/drop/end", None, None, "Read what is there before you send it again"),
}


@pytest.mark.parametrize("what", UNKNOWN_ENDS)
def test_an_unknown_end_says_what_sending_it_again_does(serve, tmp_path, what):
    path, body, key, words = UNKNOWN_ENDS[what]
    server, failpoints = serve_with_failpoints(serve, tmp_path, {"journal.ack_deadline": "1s"})
    server.make_sale("drop", 5, hold_seconds=600)
    server.operate("POST", "/v1/items/drop-item/receive", {"units": 5})
    order = server.buy("drop", "anna").json["id"]
    failpoints.set("ledger.before_commit=hold,ledger.begin=hold")
    answer = server.operate("POST", path.format(order=order), body, headers={"Idempotency-Key": key} if key else {})
    assert (answer.status, answer.code) == (503, "outcome-unknown"), answer.body
    assert answer.json["detail"].startswith("It cannot be said yet whether this was done. ")
    assert words in answer.json["detail"], answer.json["detail"]
    failpoints.lift()
    # What it says of sending it again is so.
    if "not done twice" in words:
        send = lambda: server.operate("POST", path.format(order=order), body, headers={"Idempotency-Key": key} if key else {})  # noqa: E731
        wait_until(lambda: send().status == 200, 20, "the answer to it when it is sent again")
        assert send().status == 200
        server.audit()
        lot = server.lot("drop")
        wanted = {"an extension with a key": (4, 0, 5, 0), "a confirm": (4, 1, 5, 0), "a cancel": (5, 0, 5, 0), "a withdrawal with a key": (3, 0, 5, 1)}
        wanted["units that are added"] = (5, 0, 6, 0)
        assert (lot["available"], lot["confirmed"], lot["units"], lot["withdrawn"]) == wanted[what]


def test_units_of_expired_holds_come_back_only_when_the_ledger_knows(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path, {"sale.hold_grace": "0s"})
    server.make_sale("drop", 3, hold_seconds=1)
    for buyer in ("anna", "bert", "carl"):
        assert server.buy("drop", buyer).status == 202
    failpoints.set(f"ledger.begin={EIO}")
    wait_until(lambda: "events were refused" in server.log(), what="a try to release them")
    assert server.lot("drop")["available"] == 0
    assert server.buy("drop", "dora").status in (410, 503)
    failpoints.lift()
    wait_until(lambda: server.lot("drop")["available"] == 3, what="the units' return")
    wait_until(lambda: server.buy("drop", "dora").status == 202)
    assert sorted(order["state"] for order in server.orders(sale="drop")) == ["expired"] * 3 + ["held"]
    server.audit()


def figures(server):
    """What the operator's requests below change, each under its own name."""
    sale, item = server.sale("drop"), server.operate("GET", "/v1/items/other").json
    return {"state": sale["state"], "name": sale["name"], "units": sale["lots"][0]["units"], "withdrawn": sale["lots"][0]["withdrawn"],
            "on_hand": item["on_hand"]}


OPERATIONS = {
    "on_hand": ("POST", "/v1/items/other/receive", {"units": 3}),
    "name": ("PATCH", "/v1/sales/drop", {"name": "another"}),
    "state": ("POST", "/v1/sales/drop/open", None),
    "units": ("POST", "/v1/sales/drop/lots/drop-item/add", {"units": 1}),
    "withdrawn": ("POST", "/v1/sales/drop/lots/drop-item/withdraw", {"units": 1}),
}


@pytest.mark.parametrize("changes", OPERATIONS)
@pytest.mark.parametrize(
    "spec,told",
    [
        (f"ledger.begin={EIO}", "ledger-unavailable"),
        (f"ledger.commit_lost={EIO}", "ledger-unavailable"),
        (f"ledger.commit_unknown={EIO}x1", None),
        (f"ledger.commit_unknown={EIO}x1,ledger.reopen={EIO}", "outcome-unknown"),
    ],
    ids=["begin", "commit lost", "commit unknown", "nobody knows"],
)
def test_an_operator_is_told_the_truth_while_writes_fail(serve, tmp_path, changes, spec, told):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    if changes == "withdrawn" and told == "ledger-unavailable":
        told = "journal-unavailable"  # the one of them that goes through the journal
    server.operate("POST", "/v1/items", {"sku": "other", "name": "other", "on_hand": 5})
    server.operate("POST", "/v1/items", {"sku": "drop-item", "name": "drop-item", "on_hand": 20})
    server.make_sale("drop", 10, state="armed")
    before = figures(server)
    failpoints.set(spec)
    answer = server.operate(*OPERATIONS[changes])
    assert (answer.json.get("code"), answer.status) == ((told, 503) if told else (None, 200))
    failpoints.lift()
    wait_until(lambda: is_ready(server), what="recovery")
    wait_until(lambda: stock_agrees(server), what="the stock")
    after = figures(server)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == (set() if told in ("ledger-unavailable", "journal-unavailable") else {changes})
    server.audit()
    server.kill()
    server.restart()
    assert figures(server) == after and stock_agrees(server)
    server.audit()


def test_the_stop_button_works_while_writes_fail(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    server.make_sale("drop", 10)
    failpoints.set(f"ledger.begin={EIO}")
    assert server.operate("POST", "/v1/sales/drop/pause").json["state"] == "paused"
    assert server.buy("drop", "anna").code == "sale-not-open"
    assert server.operate("POST", "/v1/sales/drop/resume").json["state"] == "open"
    assert server.operate("POST", "/v1/sales/drop/pause").json["state"] == "paused"
    failpoints.lift()
    # Each move has its row: the first stop's is not the last word.
    moves = ["sale.pause", "sale.resume", "sale.pause"]
    wait_until(lambda: [row["action"] for row in server.operate("GET", "/v1/log").json["rows"]][-3:] == moves, 20, "the stops in the ledger")
    server.kill()
    server.restart()
    assert server.buy("drop", "anna").code == "sale-not-open"
    server.audit()


@pytest.mark.parametrize("point", ["begin", "insert", "before_commit", "commit_lost", "commit_unknown", "after_commit"])
def test_a_death_at_each_step_of_a_commit_loses_nothing(serve, tmp_path, point):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    crowd = make_crowd(server, point)
    for _ in range(3):
        failpoints.lift()
        crowd.shop(0.05, then=lambda: failpoints.set(f"ledger.{point}=kill@{crowd.random.randrange(20)}"))
        assert server.wait(10) == -signal.SIGKILL
        failpoints.lift()
        server.restart()
    assert_well(server, crowd)


def test_a_death_while_a_lost_commit_is_looked_for(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    crowd = make_crowd(server, "reopen")
    for point in ("commit_lost", "commit_unknown"):
        crowd.shop(0.05, then=lambda: failpoints.set(f"ledger.{point}={EIO},ledger.reopen=kill"))
        assert server.wait(10) == -signal.SIGKILL
        failpoints.lift()
        server.restart()
    assert_well(server, crowd)


# --- Real disks ---


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk):
    filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (65536, 4096, 1):
            try:
                while True:
                    os.write(filler, b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
    finally:
        os.close(filler)


def test_a_full_disk_and_then_room_again(serve, small_disk):
    server = serve(disk=small_disk)
    crowd = make_crowd(server, "full disk")
    crowd.shop(0.1)
    fill(small_disk)

    def is_at_its_end():
        """
        A small commit may still find a block, and the ledger is well until the next one: only who
        goes on meets the end for good.
        """
        crowd.shop(0.1)
        told = ledger_health(server)["details"].get("reason")
        return crowd.answers["journal-unavailable"] > 50 and told == "the ledger's disk is full" and not is_ready(server)

    wait_until(is_at_its_end, what="the disk's end")
    os.unlink(small_disk / "filler")
    assert_well(server, crowd)


def test_a_server_that_starts_on_a_full_disk_says_so(serve, small_disk):
    server = serve(disk=small_disk)
    crowd = make_crowd(server, "start on a full disk")
    crowd.shop(0.1)
    server.stop()  # one that was killed leaves a log behind, in whose space it may begin
    fill(small_disk)
    server.start(wait=False)
    assert server.wait(10) > 0
    server.await_log("no space left on device")
    os.unlink(small_disk / "filler")
    server.restart()
    assert_well(server, crowd)


def test_a_read_only_disk_is_refused_at_the_start(serve, small_disk):
    server = serve(disk=small_disk)
    server.make_sale("drop", 5)
    order = server.buy("drop", "anna", key="key").body
    server.stop()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    server.start(wait=False)
    assert server.wait(10) > 0
    server.await_log("read-only file system")
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    server.restart()
    assert server.buy("drop", "anna", key="key").body == order


# --- Other processes ---


def lock(server):
    other = sqlite3.connect(server.ledger, isolation_level=None, check_same_thread=False)
    other.execute("begin exclusive")
    return other


def test_a_ledger_that_another_process_has_locked(server):
    crowd = make_crowd(server, "locked")
    crowd.shop(0.1)
    other = lock(server)
    crowd.shop(1.2)
    assert crowd.answers["journal-unavailable"] > 0
    assert ledger_health(server)["details"]["reason"] == "another process has locked the ledger"
    other.execute("rollback")
    other.close()
    assert_well(server, crowd)


def test_a_short_lock_is_waited_for(server):
    server.make_sale("drop", 5)
    other = lock(server)
    timer = threading.Timer(0.2, lambda: other.execute("rollback"))
    timer.start()
    answer = server.buy("drop", "anna")
    timer.join()
    other.close()
    assert answer.status == 202


def test_a_second_server_on_the_same_ledger_is_refused(serve, server):
    server.make_sale("drop", 5)
    second = serve(wait=False, folder=server.folder.parent / "second", disk=server.folder)
    assert second.wait(10) > 0
    second.await_log("another penstock uses this ledger")
    assert server.buy("drop", "anna").status == 202
    server.kill()
    second.start()
    assert second.buy("drop", "bert").status == 202


# --- Ledgers that cannot be used ---


def refused_start(server):
    """What a start that must not succeed says."""
    server.log_path.unlink()
    server.start(wait=False)
    code = server.wait(20)
    assert code > 0, f"ended with {code}:\n{server.log()}"
    return server.log()


def sold_and_stopped(serve):
    server = serve()
    server.make_sale("drop", 50)
    for i in range(20):
        assert server.buy("drop", f"buyer-{i}").status == 202
    server.stop()
    return server


def test_a_file_that_is_no_ledger_is_refused(serve):
    server = sold_and_stopped(serve)
    server.ledger.write_bytes(b"This is a letter to my aunt.\n" * 1000)
    assert "the ledger cannot be opened" in refused_start(server)
    assert server.ledger.read_bytes().startswith(b"This is a letter"), "it is not ours to change"
    assert run("audit", f"--ledger.url=sqlite:{server.ledger}").returncode > 0


def test_a_corrupt_ledger_is_refused(serve):
    server = sold_and_stopped(serve)
    size = server.ledger.stat().st_size
    with open(server.ledger, "r+b") as ledger:
        ledger.seek(4096)
        ledger.write(os.urandom(size - 4096))
    log = refused_start(server)
    assert "corrupt" in log or "malformed" in log, log
    assert run("audit", f"--ledger.url=sqlite:{server.ledger}").returncode > 0


def test_the_audit_sees_damage_to_any_page(serve):
    server = sold_and_stopped(serve)
    with contextlib.closing(sqlite3.connect(server.ledger)) as ledger:
        ledger.execute("vacuum")  # pages that nothing uses hold nothing to damage: those of tables that a migration has dropped
    whole = server.ledger.read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    for page in range(1, len(whole) // size):
        damaged = bytearray(whole)
        damaged[page * size : page * size + 12] = bytes(12)  # the header that says what the page is
        server.ledger.write_bytes(damaged)
        done = run("audit", f"--ledger.url=sqlite:{server.ledger}")
        assert done.returncode > 0, f"page {page + 1} of {len(whole) // size}: {done.stdout}"


def test_a_ledger_cut_short_is_refused(serve):
    server = sold_and_stopped(serve)
    os.truncate(server.ledger, server.ledger.stat().st_size // 2)
    refused_start(server)


def test_a_ledger_of_a_newer_program_is_refused(serve):
    server = sold_and_stopped(serve)
    with sqlite3.connect(server.ledger) as ledger:
        ledger.execute("insert into schema_migrations select 9999, 'of the future', hash, applied_at_ms from schema_migrations limit 1")
    assert "newer penstock" in refused_start(server)


def test_a_folder_that_is_not_there_is_said(serve, tmp_path):
    server = serve(wait=False, disk=tmp_path / "nowhere")
    assert server.wait(10) > 0
    server.await_log("no such file or directory")


def test_a_sale_whose_rows_contradict_each_other_stays_fenced_and_the_others_sell(serve):
    """
    As the runbook has it (docs/operations.md, A sale stays fenced): counted, said, and sold again
    when the rows are mended.
    """
    server = serve()
    for sale in ("wrong", "right"):
        server.make_sale(sale, 5)
        assert server.buy(sale, "anna", key="k").status == 202
    server.stop()
    change = "update lots set confirmed = confirmed {} 1 where sale = (select number from sales where id = 'wrong')"
    with sqlite3.connect(server.ledger) as ledger:
        ledger.execute(change.format("+"))
    server.restart()
    assert server.metric("penstock_rebuild_held_sales") == 1
    server.await_log("the ledger's orders are not what it keeps as their sum")
    refused = server.buy("wrong", "bert", key="k")
    assert (refused.status, refused.code) == (503, "fenced")
    assert server.buy("right", "bert", key="k").status == 202
    assert server.operate_audit().json["ok"] is False, "the audit says what is wrong"
    server.stop()
    with sqlite3.connect(server.ledger) as ledger:
        ledger.execute(change.format("-"))
    server.restart()
    assert server.metric("penstock_rebuild_held_sales") == 0
    assert server.buy("wrong", "bert", key="k").status == 202
    server.audit()
