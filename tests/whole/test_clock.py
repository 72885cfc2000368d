"""
The wall clock jumps: holds and rates do not care, sale windows follow it. And a sale opens on time.
"""

import glob
import http.client
import json
import time
import urllib.parse

import pytest

from penstock import buyer_token, rfc3339, wait_until
from rush import rush

LIBRARY = next(iter(sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))), None)
HOUR = 3600
LONG_LIVED = 10 * 365 * 24 * HOUR  # a token that no jump makes invalid


class Clock:
    """
    The server's wall clock: ours, and so many seconds more. CLOCK_BOOTTIME and CLOCK_MONOTONIC stay
    as they are.
    """

    def __init__(self, path):
        self.path = path
        self.set(0)

    def set(self, seconds):
        new = self.path.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.path)

    def environment(self):
        return {
            "LD_PRELOAD": LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clock(tmp_path):
    if not LIBRARY:
        pytest.skip("libfaketime is not installed (tools/setup test)")
    return Clock(tmp_path / "clock")


@pytest.fixture
def server(serve, clock):
    return serve({"sale.hold_grace": "0s"}, environment=clock.environment())


def buy(server, buyer, **options):
    return server.buy("drop", buyer, token=buyer_token(buyer, LONG_LIVED, nbf=0), **options)


def jump(server, clock, seconds):
    jumps = server.metric("penstock_clock_jumps_total")
    clock.set(seconds)
    wait_until(lambda: server.metric("penstock_clock_jumps_total") > jumps, what="the server's notice of the jump")


@pytest.mark.parametrize("seconds", [-HOUR, HOUR, 48 * HOUR, -48 * HOUR])
def test_a_jump_makes_a_hold_neither_longer_nor_shorter(server, clock, seconds):
    server.make_sale("drop", 2, hold_seconds=2)
    start = time.monotonic()
    for buyer in ("anna", "bert"):
        assert buy(server, buyer).status == 202
    jump(server, clock, seconds)
    assert server.lot("drop")["held"] == 2
    wait_until(lambda: server.lot("drop")["available"] == 2, 30, "the release")
    assert 1.9 < time.monotonic() - start < 30
    assert buy(server, "carl").status == 202
    assert server.rows("select count(*) from movements where cause = (select number from movement_causes where name = 'expire')") == [(2,)]
    server.audit()


def test_jumps_forth_and_back_expire_a_hold_once(server, clock):
    server.make_sale("drop", 10, hold_seconds=1)
    for i in range(10):
        assert buy(server, f"buyer-{i}").status == 202
    for seconds in (HOUR, -HOUR, 2 * HOUR, 0):
        jump(server, clock, seconds)
    wait_until(lambda: server.lot("drop")["available"] == 10, what="the release")
    assert server.lot("drop") == {"sku": "drop-item", "units": 10, "available": 10, "held": 0, "confirmed": 0, "withdrawn": 0}
    assert server.rows("select count(*), count(distinct order_id) from movements where held < 0") == [(10, 10)]
    server.audit()


def test_a_confirm_is_in_time_by_the_time_that_has_passed(server, clock):
    server.make_sale("drop", 5, hold_seconds=60)
    order = buy(server, "anna").json["id"]
    jump(server, clock, HOUR)
    assert server.operate("POST", f"/v1/orders/{order}/confirm").status == 200
    assert server.lot("drop")["confirmed"] == 1
    server.audit()


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
def test_a_jump_opens_no_rate_window(server, clock, seconds):
    server.make_sale("drop", 50, limit_per_buyer=10, rate={"requests": 2, "seconds": 60})
    assert [buy(server, "anna").status for _ in range(3)] == [202, 202, 429]
    jump(server, clock, seconds)
    answer = buy(server, "anna")
    assert answer.status == 429 and 1 <= int(answer.header("Retry-After")) <= 60
    assert buy(server, "bert").status == 202


def test_a_jump_back_does_not_close_a_rate_window_for_ever(server, clock):
    server.make_sale("drop", 50, limit_per_buyer=10, rate={"requests": 1, "seconds": 4})
    assert [buy(server, "anna").status for _ in range(2)] == [202, 429]
    jump(server, clock, -HOUR)
    wait_until(lambda: buy(server, "anna").status == 202, 30, "a pass after the window")


def test_a_jump_opens_no_address_window(serve, clock):
    server = serve({"gate.address_rate": "2/60"}, environment=clock.environment())
    server.make_sale("drop", 50)
    assert [buy(server, f"buyer-{i}").status for i in range(3)] == [202, 202, 429]
    jump(server, clock, HOUR)
    assert buy(server, "another").status == 429


def test_a_sales_window_follows_the_wall_clock(server, clock):
    now = time.time()
    server.make_sale("drop", 5, state="armed", opens_at=rfc3339(now + HOUR), closes_at=rfc3339(now + 3 * HOUR))
    assert buy(server, "anna").code == "sale-not-open"
    clock.set(2 * HOUR)
    wait_until(lambda: buy(server, "anna").status == 202, 2, "the opening")
    clock.set(4 * HOUR)
    wait_until(lambda: buy(server, "bert").json.get("code") == "sale-ended", 2, "the end")
    wait_until(lambda: server.sale("drop")["state"] == "ended", 5, "the end in the ledger")
    clock.set(2 * HOUR)
    assert buy(server, "bert").code == "sale-ended", "an ended sale does not open again"
    server.audit()


def test_orders_after_a_jump_back_are_orders_like_others(server, clock):
    server.make_sale("drop", 50)
    first = buy(server, "anna", key="key")
    jump(server, clock, -HOUR)
    later = [buy(server, f"buyer-{i}") for i in range(20)]
    assert {answer.status for answer in later} == {202}
    assert len({answer.json["id"] for answer in [first, *later]}) == 21
    assert buy(server, "anna", key="key").body == first.body
    server.kill()
    server.restart()
    assert buy(server, "anna", key="key").body == first.body
    assert server.lot("drop")["held"] == 21
    server.audit()


# --- On time, by a clock that does not jump ---


def first_accept(server, sale, opens_at):
    """
    When the first request was sent that was accepted, in seconds after the opening, of a client
    that asks all the time.
    """
    address = urllib.parse.urlsplit(server.public)
    connection = http.client.HTTPConnection(address.hostname, address.port)
    headers = {"Authorization": f"Bearer {buyer_token('anna')}", "Content-Type": "application/json"}
    wait_until(lambda: time.time() > opens_at - 0.1, what="the opening")
    while True:
        sent_at = time.time()
        connection.request("POST", f"/v1/sales/{sale}/orders", b"{}", headers)
        reply = connection.getresponse()
        body = reply.read()
        if reply.status == 202:
            break
        assert reply.status == 409, body
        assert sent_at < opens_at + 0.010, "it was refused although the sale should be open"
    assert time.time() > opens_at and json.loads(body)["placed_at"] >= rfc3339(opens_at), "it opened too early"
    connection.close()
    return sent_at - opens_at


@pytest.mark.parametrize("state", ["armed", "draft"])
def test_a_sale_opens_within_ten_milliseconds_of_its_time(serve, state):
    server = serve()
    sent = []
    for i in range(10):  # a busy machine may keep this client from asking in time; the server is never excused
        opens_at = round(time.time() + (1.5 if state == "armed" else 3), 3)
        server.make_sale(f"drop-{i}", 5, state=state, opens_at=rfc3339(opens_at), schedule=state == "draft")
        sent.append(first_accept(server, f"drop-{i}", opens_at))
        if sent[-1] < 0.010:
            break
    print("accepted, sent so many milliseconds after the opening:", [round(1000 * seconds, 1) for seconds in sent])
    assert min(sent) < 0.010


def test_a_sale_closes_by_the_clock(serve):
    server = serve()
    closes_at = round(time.time() + 2, 3)
    server.make_sale("drop", 500, closes_at=rfc3339(closes_at), hold_seconds=0)
    buyers = iter(range(100000))
    wait_until(lambda: buy(server, f"buyer-{next(buyers)}").json.get("code") == "sale-ended", 20, "the end")
    assert 0 <= time.time() - closes_at < 20
    assert max(order["placed_at"] for order in server.orders(sale="drop")) < rfc3339(closes_at)


def test_two_gates_whose_clocks_are_five_seconds_apart(gates, clock):
    """A shared stock has one clock: holds run out once, and when they should, whoever asks."""
    cluster = gates(1, settings={"sale.hold_grace": "0s"})
    clock.set(60)
    cluster.add_gate(environment=clock.environment())
    rush(cluster, "clocks", lambda: None, before=2, after=1, hold_seconds=1, lots={"size-1": 300, "size-2": 90})
    start = time.monotonic()
    order = cluster.gates[1].buy("drop", "late", key="late", body={"sku": "size-1"})
    assert order.status == 202, order.body
    wait_until(lambda: cluster.gates[0].order(order.json["id"]).json["state"] == "expired", 30, "the hold's end")
    assert 0.9 < time.monotonic() - start < 30


def test_a_sale_made_while_the_clock_was_ahead_keeps_its_orders_over_a_kill(server, clock):
    """
    Found: orders were looked for from the moment that the sale was made at, by the wall clock of
    then; they were sold a second time.
    """
    clock.set(HOUR)
    server.make_sale("drop", 3, hold_seconds=600)
    jump(server, clock, 0)
    told = {buyer: buy(server, buyer, key=f"key of {buyer}") for buyer in ("anna", "bert")}
    assert [answer.status for answer in told.values()] == [202, 202]
    assert server.lot("drop")["available"] == 1
    server.kill()
    server.restart()
    assert server.lot("drop")["available"] == 1
    for buyer, before in told.items():
        again = buy(server, buyer, key=f"key of {buyer}")
        assert (again.status, again.body) == (202, before.body)
    assert [buy(server, buyer).status for buyer in ("carl", "dora")] == [202, 410]
    server.audit()
