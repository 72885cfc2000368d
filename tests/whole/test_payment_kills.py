"""
SIGKILL of gates, a drain and the relay while orders are bought, paid and paid back in part, each at
a moment of its own: a payment that was told is in the ledger once and another is refused after, a
refund takes its unit once however often it is told, and every change reaches the shop's endpoint,
those of a sale in their order.
"""

import os
import threading
from collections import defaultdict
from http.client import HTTPException
from itertools import count
from random import Random

import pytest

from cluster import PARTITIONS
from crowd import new_seed
from feed import Follower
from penstock import OPERATOR_TOKEN, wait_until
from relay import feed_of

# Deaths of each process. `make kills` has a hundred.
KILLS = int(os.environ.get("KILLS", 8))


UNITS = 3  # of an order: two may come back by refunds of one unit
REFUNDS = ({"units": "sale"}, {"units": "warehouse"}, {"units": "gone"})


class Payers:
    """
    They buy, tell payments, two for each order and one payment for two of them, give units back,
    and remember what was answered.
    """

    def __init__(self, shop, random):
        self.shop, self.random = shop, random
        self.orders, self.told, self.faults = [], defaultdict(set), []
        self.refunds = set()  # (place, name): what was asked for at least once
        self.numbers, self.lock = count(), threading.Lock()

    def ask(self, ask, *arguments):
        """None: nobody could say."""
        try:
            return ask(*arguments)
        except (OSError, HTTPException):
            return None

    def buy(self):
        answer = self.ask(self.shop.buy, "drop", f"b{next(self.numbers)}", None, {"quantity": UNITS})
        with self.lock:
            if answer and answer.status == 202:
                self.orders.append(answer.json["id"])
            elif answer and answer.status != 503:
                self.faults.append((answer.status, answer.body))

    def pay(self, place, reference):
        answer = self.ask(self.shop.operate, "POST", f"/v1/orders/{self.orders[place]}/confirm", {"payment": {"reference": reference}})
        with self.lock:
            if answer and answer.status == 200:
                self.told[self.orders[place]].add(answer.json["payment"]["reference"])
            elif answer and answer.status != 503 and answer.code not in ("request-in-flight", "paid-already", "reference-used"):
                self.faults.append((place, reference, answer.status, answer.body))
        return answer

    def give_back(self, place, name):
        """
        One unit, by the refund's own name, which is its key. A hold that was meant is no paid
        order's refund (order-state).
        """
        body = {"quantity": 1, "reference": name, **REFUNDS[place % len(REFUNDS)]}
        with self.lock:
            self.refunds.add((place, name))
        answer = self.ask(self.shop.operate, "POST", f"/v1/orders/{self.orders[place]}/cancel", body, OPERATOR_TOKEN, {"Idempotency-Key": name})
        with self.lock:
            if answer and answer.status not in (200, 503) and answer.code not in ("request-in-flight", "order-state", "order-quantity"):
                self.faults.append((place, name, answer.status, answer.body))
        return answer

    def work(self, ended):
        while not ended.is_set():
            if self.random.random() < 0.25 or not self.orders:
                self.buy()
            else:
                # One of the newest, which others are at, too. It has a payment of its own, and one
                # that its neighbour has.
                place = max(0, len(self.orders) - 1 - self.random.randrange(8))
                if self.random.random() < 0.6:
                    self.pay(place, self.random.choice((f"pi_{place}", f"pi_shared_{place // 2}")))
                else:
                    self.give_back(place, f"re_{place}_{self.random.randrange(UNITS - 1)}")

    def rush(self, dying):
        """
        They work, and meanwhile each of those dies at a moment of its own. Where that leaves nobody
        who could answer they end.
        """
        ended, pause = threading.Event(), threading.Event()
        threads = [threading.Thread(target=self.work, args=(ended,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for process in dying:
            pause.wait(self.random.uniform(0.01, 0.1))
            process.kill()
            if process is self.shop:
                ended.set()
        ended.set()
        for thread in threads:
            thread.join()

    def ask_again(self):
        """What nobody could say is said now: every order has one payment, whoever tells what."""
        for place in range(len(self.orders)):

            def settled(place=place):
                answer = self.pay(place, f"pi_{place}")
                return answer and (answer.status == 200 or answer.status == 409 and answer.code != "request-in-flight") and answer

            answer = wait_until(settled, 60, "the payment's end")
            if answer.status == 409:
                assert answer.code == "paid-already"
                self.told[self.orders[place]].add(answer.json["payment"])

    def ask_for_refunds_again(self):
        """Each has an end: the names that were done, of each order."""
        done = defaultdict(set)
        for place, name in sorted(self.refunds):

            def settled(place=place, name=name):
                answer = self.give_back(place, name)
                return answer and (answer.status == 200 or answer.status == 409 and answer.code != "request-in-flight") and answer

            if wait_until(settled, 60, "the refund's end").status == 200:
                done[self.orders[place]].add(name)
        return done

    def judge_refunds(self, done, orders, feed):
        """
        A refund that was told to be done has taken its unit once; one that was refused at last,
        none.
        """
        taken = defaultdict(list)
        for event in (change["data"]["event"] for change in feed if change["data"]["event"]["kind"] == "order.reduced"):
            taken[event["id"]].append((event["reference"], event.get("units", "sale")))
        assert sum(map(len, taken.values())) >= KILLS, "no unit came back"
        for place, order in enumerate(self.orders):
            expected = [(name, REFUNDS[place % len(REFUNDS)]["units"]) for name in done[order]]
            assert sorted(taken[order]) == sorted(expected), (order, done[order])
        had = {event["id"]: event["quantity"] for event in (change["data"]["event"] for change in feed) if event["kind"] == "order.reserved"}
        assert {order["id"]: order["quantity"] for order in orders} == {order: count - len(taken[order]) for order, count in had.items()}

    def judge(self, orders, feed):
        """
        orders: the ledger's, among them what was bought and told to nobody. feed: all that it tells
        of them.
        """
        assert not self.faults, self.faults[:3]
        assert all(len(references) == 1 for references in self.told.values()), "an order was told of two payments"
        told = {order: references.pop() for order, references in self.told.items()}
        assert {order["id"]: order["payment"]["reference"] for order in orders if "payment" in order} == told
        assert len(set(told.values())) == len(told) == len(self.orders) >= KILLS, "a payment has paid twice, or nothing was bought"
        events = [change["data"]["event"] for change in feed]
        paid = [(event["id"], event["payment_reference"]) for event in events if "payment_reference" in event]
        assert sorted(paid) == sorted(told.items()), "the feed tells of other payments"


def live_and_die(shop, relay, random, mortal):
    """
    Rounds of deaths, then the verdict. `mortal` says which servers die in a round; the relay does
    in each, and goes on at a gate that lives.
    """
    payers = Payers(shop, random)
    for _ in range(KILLS):
        dying = [*mortal(), relay]
        random.shuffle(dying)
        payers.rush(dying)
        dying.remove(relay)
        for server in dying:
            server.start(wait=False)
        for server in dying:
            server.wait_ready()
        relay.start()
    payers.ask_again()
    done = payers.ask_for_refunds_again()
    if hasattr(shop, "gates"):
        shop.settle(120)
    orders, feed = shop.orders(sale="drop"), feed_of(shop)
    payers.judge(orders, feed)
    payers.judge_refunds(done, orders, feed)
    wait_until(lambda: len(set(relay.endpoint.ids())) >= len(feed), 120, "all changes at the endpoint")
    assert relay.endpoint.judge(feed) == []
    follower = Follower(shop)
    follower.finish()
    assert follower.judge({order["id"]: order["state"] for order in orders}) == []
    shop.audit()


@pytest.mark.parametrize("hold", [3600, 0])
def test_payments_outlive_deaths_of_the_gate_and_the_relay(serve, endpoint, relay, hold):
    """Orders that are held, and that are born confirmed."""
    server = serve({"gate.threads": 2 if hold else 1})
    server.make_sale("drop", 100000, hold_seconds=hold, limit_per_buyer=UNITS)
    live_and_die(server, relay(server, endpoint), Random(new_seed(f"payments, hold {hold}")), lambda: [server])


def selling(cluster):
    cluster.make_sale("drop", 100000, hold_seconds=3600, limit_per_buyer=UNITS)
    wait_until(lambda: cluster.is_selling("drop"), 60, "the sale at both gates")
    return cluster


def test_payments_outlive_deaths_of_gates_that_share_a_stock_and_of_the_relay(gates, endpoint, relay):
    cluster, random = selling(gates(2)), Random(new_seed("payments of gates"))
    live_and_die(cluster, relay(cluster, endpoint), random, lambda: [random.choice(cluster.gates)])


def test_payments_outlive_deaths_of_gates_the_drain_and_the_relay(gates, kafka, endpoint, relay):
    # A dead drain's partitions are given away when its session ends: a short one.
    cluster = selling(gates(2, kafka=kafka, drains=0))
    drain = cluster.add_drain(settings={"journal.kafka.properties": "session.timeout.ms=400;heartbeat.interval.ms=100"})
    random = Random(new_seed("payments of a drain"))

    def mortal():
        wait_until(lambda: drain.metric("penstock_drain_partitions") == PARTITIONS, 60, "the drain's partitions")
        return random.choice(cluster.gates), drain

    live_and_die(cluster, relay(cluster, endpoint), random, mortal)
