"""The judge is judged: with one of the six rules (docs/architecture.md) broken on purpose, the run
that is clean without must not pass.

Each rule has the situation that it is for. The switches are failpoints of the testing build; who
looks is the crowd's own book, the server's audit and `penstock audit`.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Callable

import pytest
from kafka import Kafka, Proxied

from asyncapi import read_records
from crowd import Crowd, new_seed
from failpoints import Failpoints
from penstock import wait_until

TERMS = {"lots": {"size-1": 150, "size-2": 60}, "limit_per_buyer": 2, "hold_seconds": 60}


@pytest.fixture(scope="module")
def brokers():
    server = Kafka()
    try:
        yield server.start()
    finally:
        server.free()


@dataclass
class Scene:
    cluster: object
    brokers: Kafka
    crowd: Crowd
    failpoints: Failpoints
    switches: list

    def switch(self, *others):
        self.failpoints.set(",".join([*self.switches, *others]))

    def shop(self, seconds, then=None, after=0.0):
        self.crowd.shop(seconds, clients=12, then=then, after=after)

    def wait_selling(self):
        wait_until(lambda: self.cluster.is_selling("drop"), 40, "the stock, by itself")

    def events(self, kind):
        """What the log has of a kind, asked of the broker itself."""
        return [record.json for record in read_records(self.brokers, self.cluster.topic) if record.json["kind"] == kind]

    def dead_letters(self):
        [(count,)] = self.cluster.postgres.sql("SELECT count(*) FROM penstock.dead_letters", self.cluster.database)
        return int(count)

    def lost(self):
        """
        Purchases that are in the log, and whose buyers were told of trouble, and not of this order.
        """
        trouble = {"outcome-unknown", "journal-unavailable"}
        troubled = {(wish.buyer, wish.key): wish for wish in list(self.crowd.wishes) if trouble & set(wish.answers)}
        logged = self.events("order.reserved") if troubled else []
        return [event for event in logged if (wish := troubled.get((event["buyer"], event["key"]))) and wish.order != event["id"]]


# Each scene waits for the very moment that its rule is about: with the rule broken, what was to be
# seen has then happened.


def the_broker_refuses_for_a_while(scene):
    """
    Cancels are refused, so a unit that has come back before is there twice: which shows once all
    that there seem to be are sold.
    """
    sold_out, troubles = set(), Counter()

    def cancel(wish):
        wish.attempted.add("cancel")
        answer = scene.cluster.ask("POST", f"/v1/orders/{wish.order}/cancel", wish.buyer)
        troubles[wish] += answer.status == 503

    def cancels_are_refused():
        """
        The buyer may have gone by then. But one whose cancel begins anew had one before that was
        refused: else it were in flight or done.
        """
        with ThreadPoolExecutor(15) as pool:
            list(pool.map(cancel, scene.crowd.accepted[:60]))
        return sum(times > 1 for times in troubles.values()) > 5

    def all_were_sold_out():
        lots = scene.cluster.sale("drop")["lots"]
        sold_out.update(lot["sku"] for lot in lots if lot["available"] <= 0)
        return len(sold_out) == len(lots)

    def fault():
        wait_until(lambda: len(scene.crowd.accepted) >= 60, 60, "orders to cancel")
        scene.brokers.stop_node(1)
        try:
            wait_until(lambda: scene.crowd.answers["journal-unavailable"] > 30, 60, "refusals")
            wait_until(cancels_are_refused, 60, "refused cancels")
        finally:
            scene.brokers.start_node(1)
        wait_until(all_were_sold_out, 60, "the last unit")

    scene.shop(0.2, fault, after=1)


def answers_of_the_broker_are_lost(scene):
    """What nobody can say the end of is in the journal all the same."""
    answers = scene.crowd.answers

    def trouble():
        return answers["outcome-unknown"] + answers["journal-unavailable"]

    def a_purchase_was_lost():
        """
        What follows the first loss does not get so far: the next producer hears nothing, and sends
        nothing.
        """
        before = trouble()
        scene.brokers.set_proxies("drop")
        wait_until(lambda: trouble() > before + 5, 60, "what is not known")
        scene.brokers.set_proxies("cut")
        lost = scene.lost()
        scene.brokers.set_proxies("pass")
        return lost

    scene.shop(0.1, lambda: wait_until(a_purchase_was_lost, 120, "a purchase whose acknowledgement was lost"), after=1)


def an_append_is_late_and_the_stock_is_rebuilt_meanwhile(scene):
    """It lands behind the barrier, so it is void: it must not be told as done."""

    def fault():
        wait_until(lambda: scene.failpoints.hits("journal.before_append") == 2, 60, "an append of each gate that is late")
        scene.cluster.redis.call("FLUSHALL")
        wait_until(lambda: scene.events("sale.barrier"), 60, "the barrier")
        scene.switch()
        scene.wait_selling()

    # The first append of each gate, which is of purchases: later there may be none, for who waits
    # does not buy.
    scene.switch("journal.before_append=holdx1")
    scene.shop(0, fault, after=0.5)


def the_stock_forgets_while_the_drain_is_behind(scene):
    """The ledger does not have yet what was told."""
    drain, accepted = scene.cluster.drains[0], scene.crowd.accepted

    def fault():
        wait_until(lambda: len(accepted) >= 20, 60, "orders")
        drain.kill()
        told = len(accepted)
        wait_until(lambda: len(accepted) >= told + 40, 60, "orders that the ledger does not have")
        scene.cluster.redis.call("FLUSHALL")
        scene.wait_selling()
        drain.start()

    scene.shop(0, fault, after=0.5)


def orders_are_made_and_settled(scene):
    """A payment is not to be met before its order, whichever partition a drain begins with."""
    drain, accepted = scene.cluster.drains[0], scene.crowd.accepted
    drain.kill()
    scene.shop(0, lambda: wait_until(lambda: sum(len(wish.settled) for wish in list(accepted)) > 60, 60, "settled orders"))
    drain.start()


def the_drain_dies_at_its_commits(scene):
    drain = scene.cluster.drains[0]

    def fault():
        for skip in range(1, 7):
            scene.switch(f"ledger.before_commit=kill@{skip}x1")
            wait_until(lambda: drain.process.poll() is not None, 60, "the drain's death")
            scene.switch()
            drain.killed = True
            drain.start(wait=False)

    scene.shop(0.2, fault, after=0.5)


def an_order_that_was_told_cannot_be_applied(scene):
    """It is among the dead letters, where nobody looks for it: its buyer has a 202."""
    scene.shop(0.5, lambda: wait_until(lambda: len(scene.crowd.accepted) > 60, 60, "orders"))
    if scene.switches:
        wait_until(lambda: scene.dead_letters() > 0, 60, "a dead letter")


@dataclass
class Rule:
    situation: Callable
    switches: tuple
    settings: dict
    drain_only: bool = False
    lots: dict = field(default_factory=lambda: TERMS["lots"])
    buyers: int = 200
    always: tuple = ()  # what makes the situation, with the rule too


# A drain that is killed leaves its partitions when its session ends, after 10 s unless told so:
# nothing is waited for here meanwhile.
REBORN = {"journal.kafka.properties": "session.timeout.ms=3000"}

RULES = {
    1: Rule(the_broker_refuses_for_a_while, ("stock.return_early=on",), {}),
    2: Rule(
        answers_of_the_broker_are_lost,
        ("journal.unknown_is_refused=on",),
        {},
        # It may take several tries, and they sell between two: on a busy machine all that there
        # was, and then nobody bought any more.
        lots={"size-1": 15000, "size-2": 6000},
        buyers=20000,
    ),
    3: Rule(
        an_append_is_late_and_the_stock_is_rebuilt_meanwhile,
        ("ack.without_proof=on",),
        {},
        always=("ack.clock_stands_still=on",),  # as a machine's that is paused as a whole: no deadline helps
    ),
    4: Rule(the_stock_forgets_while_the_drain_is_behind, ("rebuild.no_barrier=on",), REBORN),
    5: Rule(orders_are_made_and_settled, ("journal.scatter=on",), REBORN),
    6: Rule(the_drain_dies_at_its_commits, ("ledger.positions_apart=on",), {"journal.kafka.properties": "session.timeout.ms=1000"}, drain_only=True),
}


def judged(gates, brokers, folder, rule, broken):
    failpoints = Failpoints(folder)
    cluster = gates(0, kafka=Proxied(brokers), settings={"sale.hold_grace": "0s", **rule.settings}, drains=0)
    for _ in range(2):
        cluster.add_gate(**({} if rule.drain_only else failpoints.server))
    cluster.add_drain(**(failpoints.server if rule.drain_only else {}))
    cluster.make_sale("drop", **{**TERMS, "lots": rule.lots})
    wait_until(lambda: cluster.is_selling("drop"), 10, "the sale at every gate")
    crowd = Crowd(cluster, "drop", new_seed(rule.situation.__name__), buyers=rule.buyers, stay=True)
    scene = Scene(cluster, brokers, crowd, failpoints, [*rule.always, *(rule.switches if broken else ())])
    scene.switch()
    rule.situation(scene)
    with suppress(AssertionError) if broken else suppress():
        scene.wait_selling()
        crowd.ask_again([wish for wish in crowd.wishes if not wish.answers])
        cluster.settle(20 if broken else 60)
    faults = crowd.verdict()
    print(crowd.answers, *faults[:5], sep="\n")
    return faults


DEAD_LETTERS = Rule(an_order_that_was_told_cannot_be_applied, ("drain.lose_order=onx1",), {}, drain_only=True)


def test_an_order_that_was_told_is_found_among_the_dead_letters(gates, brokers, tmp_path):
    faults = judged(gates, brokers, tmp_path, DEAD_LETTERS, broken=True)
    assert any("dead letter" in fault for fault in faults), faults[:5]


def test_without_a_dead_letter_the_same_is_clean(gates, brokers, tmp_path):
    faults = judged(gates, brokers, tmp_path, DEAD_LETTERS, broken=False)
    assert not faults, faults[:5]


@pytest.mark.parametrize("number", RULES)
def test_a_broken_rule_is_caught(gates, brokers, tmp_path, number):
    assert judged(gates, brokers, tmp_path, RULES[number], broken=True)


@pytest.mark.parametrize("number", RULES)
def test_the_same_is_clean_with_the_rule(gates, brokers, tmp_path, number):
    faults = judged(gates, brokers, tmp_path, RULES[number], broken=False)
    assert not faults, faults[:5]
