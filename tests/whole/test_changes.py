"""The feed of what happened, GET /v1/changes: whole, in order, and for who waits."""

import http.client
import json
import threading
import time
import urllib.parse
from contextlib import suppress
from itertools import count
from random import Random

import pytest
from ports import free_port

from crowd import new_seed
from failpoints import Failpoints
from feed import Follower
from penstock import OPERATOR_TOKEN, PATIENCE, TESTING_PROGRAM, request, wait_until

PAGE = 3


def changes(server, **query):
    answer = server.operate("GET", "/v1/changes?" + "&".join(f"{name}={value}" for name, value in query.items()))
    assert answer.status == 200, answer.body
    return answer.json


def follow(server, after=None, limit=1000):
    """All there is behind `after`, page by page; and where to go on."""
    found = []
    while True:
        page = changes(server, limit=limit, **({"after": after} if after else {}))
        found += page["changes"]
        if not page["changes"]:
            return found, page["next"]
        assert page["next"] == page["changes"][-1]["cursor"]
        after = page["next"]


def kinds(found):
    return [change["data"]["event"]["kind"] for change in found]


def buy(server, buyer, sale="drop", **more):
    answer = server.buy(sale, buyer, **more)
    assert answer.status == 202, answer.body
    return answer.json["id"]


def settle(server, order, action, body=None):
    answer = server.operate("POST", f"/v1/orders/{order}/{action}", body=body)
    assert answer.status == 200, answer.body


def test_all_that_happens_to_an_order_is_told(server):
    server.make_sale(units=10, hold_seconds=600)
    assert changes(server) == {"changes": [], "next": None}
    first = buy(server, "ann", key="k1")
    settle(server, first, "extend", {"seconds": 900})
    settle(server, first, "confirm")
    settle(server, first, "cancel")
    second = buy(server, "ben")
    settle(server, second, "cancel")
    assert server.operate("POST", "/v1/sales/drop/lots/drop-item/withdraw", body={"units": 2}).status == 200
    found, _ = follow(server, limit=PAGE)
    assert kinds(found) == [
        "order.reserved", "order.extended", "order.confirmed", "order.refunded", "order.reserved", "order.cancelled", "stock.withdrawn",
    ]  # fmt: skip
    assert [change["data"]["state"] for change in found] == ["held", "held", "confirmed", "cancelled", "held", "cancelled", None]
    for change in found[:-1]:
        event, order = change["data"]["event"], change["data"]["order"]
        assert order == server.order(event["id"]).json
        assert change["id"].startswith(f"{event['id']}/{event['kind']}/") and change["type"] == f"penstock.{event['kind']}.v1"
        assert change["timestamp"] == event["at"] and change["data"]["sale"] == "drop"
    reserved, extended = found[0]["data"]["event"], found[1]["data"]["event"]
    assert (reserved["buyer"], reserved["key"], reserved["quantity"], reserved["actor_kind"]) == ("ann", "k1", 1, "buyer")
    assert reserved["hold_expires_at"] < extended["hold_expires_at"] == found[0]["data"]["order"]["hold_expires_at"]
    assert extended["actor_kind"] == "operator"
    assert found[-1]["data"]["event"]["quantity"] == 2 and found[-1]["data"]["order"] is None


def test_a_hold_that_runs_out_is_told(server):
    server.make_sale(units=2, hold_seconds=1)
    buy(server, "ann")
    found = changes(server, wait="20s")["changes"]
    assert kinds(found) == ["order.reserved"]
    found = changes(server, after=found[0]["cursor"], wait="20s")["changes"]
    assert kinds(found) == ["order.expired"] and found[0]["data"]["event"]["actor_kind"] == "clock"


def test_who_waits_is_told_when_it_happens_and_else_when_the_time_is_up(server):
    server.make_sale(units=10, hold_seconds=600)
    begun = time.monotonic()
    assert changes(server, wait="1s") == {"changes": [], "next": None}
    assert time.monotonic() - begun >= 1
    told = []
    reader = threading.Thread(target=lambda: told.append((changes(server, wait="60s"), time.monotonic())))
    reader.start()
    order = buy(server, "ann")
    reader.join(30)
    assert [change["data"]["event"]["id"] for change in told[0][0]["changes"]] == [order]


def test_an_empty_page_of_a_time_tells_where_to_go_on(server):
    """
    Found: a reader of `since` behind the last change was told no place, so each look read all that
    there is.
    """
    server.make_sale(units=10, hold_seconds=600)
    late = "2099-01-01T00:00:00Z"
    assert changes(server, since=late) == {"changes": [], "next": None}
    buy(server, "ann")
    last = changes(server)["next"]
    assert changes(server, since=late) == {"changes": [], "next": last}
    assert changes(server, since=late, wait="1s") == {"changes": [], "next": last}
    ben = buy(server, "ben")
    assert [change["data"]["event"]["id"] for change in changes(server, after=last)["changes"]] == [ben]
    assert changes(server, since=late, after=last) == {"changes": [], "next": changes(server, after=last)["next"]}


@pytest.mark.parametrize("query", ["after=x", "after=2.1.0", "after=1.0.0", "wait=20", "wait=0s", "wait=61s", "since=today", "limit=0", "order=newest"])
def test_what_is_no_query_is_refused(server, query):
    answer = server.operate("GET", f"/v1/changes?{query}")
    assert answer.status == 422, answer.body


def test_it_is_for_those_who_may_read(server):
    assert request(server.operator, "GET", "/v1/changes").status == 401
    assert request(server.public, "GET", "/v1/changes", documented=False).status == 404


def test_a_ledger_that_was_restored_does_not_know_the_cursor(serve):
    server = serve()
    server.make_sale(units=10, hold_seconds=600)
    buy(server, "ann")
    assert server.stop() == 0
    backup = server.ledger.read_bytes()
    server.restart()
    buy(server, "ben")
    _, after = follow(server)
    assert server.stop() == 0
    server.ledger.write_bytes(backup)
    server.restart()
    answer = server.operate("GET", f"/v1/changes?after={after}")
    assert (answer.status, answer.code) == (410, "cursor-unknown")
    buy(server, "cid")  # it has the number now that ben's had
    assert server.operate("GET", f"/v1/changes?after={after}").status == 410
    assert [change["data"]["order"]["buyer"] for change in follow(server)[0]] == ["ann", "cid"]


def test_a_stop_answers_who_waits(server):
    server.make_sale(units=10)
    address = urllib.parse.urlsplit(server.operator)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request("GET", "/v1/changes?wait=60s", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"})
    assert server.operate("GET", "/v1/sales").status == 200  # it came later
    assert server.stop() == 0
    answer = connection.getresponse()
    assert answer.status == 200 and json.loads(answer.read()) == {"changes": [], "next": None}
    connection.close()


def orders_of(server):
    return {order["id"]: order["state"] for order in server.orders()}


def test_feed_is_whole_through_a_hundred_kills(serve):
    """Every change arrives, those of an order in their order, whenever the gate dies."""
    # Nobody else's between a death and the next start: the follower would be answered by another.
    places = {f"{listener}.listen": f"127.0.0.1:{free_port()}" for listener in ("gate", "operator")}
    server = serve({"sale.hold_grace": "0s", "log.level": "warn", **places})
    server.make_sale("drop", 4000, limit_per_buyer=1000, hold_seconds=1)
    random = Random(new_seed("feed"))
    follower = Follower(server)
    for kill in range(100):
        killer = threading.Timer(random.uniform(0.01, 0.15), server.process.kill)
        killer.start()
        with suppress(OSError, http.client.HTTPException):
            while True:
                order = server.buy("drop", f"b{random.randrange(50)}").json["id"]
                if random.random() < 0.6:
                    server.operate("POST", f"/v1/orders/{order}/{random.choice(('confirm', 'cancel'))}")
        killer.join()
        server.process.wait()
        server.restart()
    wait_until(lambda: "held" not in orders_of(server).values(), 30, "the end of all holds")
    follower.finish()
    assert follower.judge(orders_of(server)) == []
    assert {"confirmed", "cancelled", "expired"} <= set(orders_of(server).values())
    assert len(follower.told) == server.rows("select count(*) from movements where cause between 5 and 9 or cause = 11")[0][0]


def test_the_judge_finds_a_change_that_the_feed_skips(serve):
    server = serve(program=TESTING_PROGRAM, environment={"PENSTOCK_FAILPOINTS": "feed.skip=on@3x1"})
    server.make_sale("drop", 20, hold_seconds=600)
    for buyer in range(10):
        settle(server, buy(server, f"b{buyer}"), "confirm")
    follower = Follower(server, limit=2)  # behind them: of a page with one change alone none can be left out
    follower.finish()
    assert follower.judge(orders_of(server))


def rows_of(cluster):
    """Each order of the ledger, and how it stands."""
    query = "SELECT id, s.name FROM penstock.orders JOIN penstock.order_states AS s ON s.number = orders.state"
    return {row[0]: row[1] for row in cluster.postgres.sql(query, cluster.database)}


def shop(cluster, random, sales, seconds):
    """Buys of several sales, and settles most of it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError, http.client.HTTPException):
            answer = cluster.buy(random.choice(sales), f"b{random.randrange(50)}")
            if answer.status == 202 and random.random() < 0.7:
                cluster.operate("POST", f"/v1/orders/{answer.json['id']}/{random.choice(('confirm', 'cancel'))}")


def deaths(cluster):
    """
    A dozen, and more until they have met a hundred orders: on a busy machine few are bought between
    two.
    """
    end = time.monotonic() + 10 * PATIENCE
    for death in count():
        if death >= 12 and len(rows_of(cluster)) > 100:
            return
        assert time.monotonic() < end, f"{len(rows_of(cluster))} orders in {death} deaths"
        yield death


def test_feed_is_whole_while_drains_die_at_their_commits(gates, kafka, tmp_path):
    """
    Sales in several partitions, drained by two at once; each dies between what it has written and
    its commit, or just behind it.
    """
    failpoints = Failpoints(tmp_path)
    cluster = gates(2, kafka=kafka, drains=0)
    random, sales = Random(new_seed("feed of drains")), [f"drop-{i}" for i in range(6)]
    for sale in sales:
        cluster.make_sale(sale, 2000, limit_per_buyer=1000, hold_seconds=600)
    for sale in sales:
        wait_until(lambda sale=sale: cluster.is_selling(sale), 30, "the sale at both gates")
    drains = [cluster.add_drain(**failpoints.server) for _ in range(2)]

    def all_are_up():
        """
        Whoever has read the failpoint may still die when it is lifted, and when all were counted.
        """
        dead = [drain for drain in drains if drain.process.poll() is not None]
        for drain in dead:
            drain.killed = True
            drain.start(wait=False)
        return not dead

    follower = Follower(cluster)
    for _ in deaths(cluster):
        failpoints.set(f"ledger.{random.choice(('before_commit', 'after_commit'))}=kill@{random.randrange(4)}x1")
        end = time.monotonic() + PATIENCE
        while all(drain.process.poll() is None for drain in drains):
            shop(cluster, random, sales, 0.2)
            assert time.monotonic() < end, "no drain dies"
        failpoints.lift()
        all_are_up()
    wait_until(lambda: all_are_up() and cluster.is_settled(), 120, "the drains")
    cluster.settle(120)
    follower.finish()
    states = rows_of(cluster)
    assert follower.judge(states) == []
    assert len(states) > 100 and {"confirmed", "cancelled", "held"} <= set(states.values())


def test_feed_is_whole_while_gates_die(gates):
    """
    Three gates write to one ledger by themselves, in whatever order; the reader goes from one to
    the other.
    """
    cluster = gates(3)
    random, sales = Random(new_seed("feed of gates")), ["drop-1", "drop-2"]
    for sale in sales:
        cluster.make_sale(sale, 2000, limit_per_buyer=1000, hold_seconds=600)
        wait_until(lambda sale=sale: cluster.is_selling(sale), 30, "the sale at all gates")
    follower = Follower(cluster, limit=7)
    for _ in deaths(cluster):
        dying = random.choice(cluster.gates)
        shops = [threading.Thread(target=shop, args=(cluster, Random(random.random()), sales, 0.4)) for _ in range(3)]
        for each in shops:
            each.start()
        time_of_death = threading.Timer(random.uniform(0.05, 0.35), dying.process.kill)
        time_of_death.start()
        for each in (*shops, time_of_death):
            each.join()
        dying.process.wait()
        dying.killed = True
        dying.restart()
    cluster.settle(120)
    follower.finish()
    states = rows_of(cluster)
    assert follower.judge(states) == []
    assert len(states) > 100 and {"confirmed", "cancelled", "held"} <= set(states.values())
