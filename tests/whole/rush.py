"""A crowd at work while something breaks, and the verdict on what it was told."""

from crowd import Crowd, new_seed
from penstock import wait_until

TERMS = {"lots": {"size-1": 3000, "size-2": 900}, "limit_per_buyer": 2, "hold_seconds": 60}


def rush(cluster, name, fault, before=0.4, after=0.6, clients=12, back=30, **terms):
    """
    A crowd at work while `fault` happens, and for a while after; then every promise is looked at.
    """
    cluster.make_sale("drop", **{**TERMS, **terms})
    wait_until(lambda: cluster.is_selling("drop"), 10, "the sale at every gate")
    crowd = Crowd(cluster, "drop", new_seed(name), buyers=600, stay=True)
    crowd.shop(before, clients, then=fault, after=after)
    finish(cluster, crowd, back, clients)
    return crowd


def finish(cluster, crowd, back=30, clients=12):
    """
    The stock comes back by itself within so many seconds, the rest is asked for, and every promise
    is looked at.
    """
    wait_until(lambda: cluster.is_selling("drop"), back, "the stock, by itself")
    wait_until(lambda: crowd.shop(0.3, clients) or crowd.answers["accepted"] > 50, back, "orders")
    crowd.ask_again([wish for wish in crowd.wishes if not wish.answers])
    cluster.settle(2 * back)  # a drain has as much before it as was accepted while the ledger was away
    print(crowd.answers, "unanswered:", crowd.unanswered)
    crowd.assert_kept()
    assert cluster.audit_ledger()[0] == 0
