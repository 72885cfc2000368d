"""
What Redis answers is input: a middleman changes bits of it for a while, and no gate falls over.
"""

import time

from proxy import Proxy

from crowd import Crowd, new_seed
from penstock import wait_until

SECONDS = 15


def test_no_gate_dies_of_bits_that_are_changed_on_the_way(gates, kafka):
    """
    Promises are not looked at: a Redis that lies is trusted with the counters. That the gates live,
    and sell again when it is over, is.
    """
    cluster = gates(1, kafka=kafka)
    proxy = Proxy(cluster.redis.port).start()
    try:
        lied_to = cluster.add_gate(settings={"stock.url": f"redis://127.0.0.1:{proxy.port}/0"})
        cluster.make_sale("drop", 100000, hold_seconds=1, limit_per_buyer=20)
        wait_until(lambda: cluster.is_selling("drop"), 30, "the sale at every gate")
        crowd = Crowd(cluster, "drop", new_seed("lies"), buyers=2000, stay=True)
        proxy.set("flip")
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            crowd.shop(1, clients=8)
        flipped = proxy.flipped
        proxy.set("pass")
        assert flipped > 100, flipped
        assert not cluster.dead(), cluster.dead()
        # In a sale of its own: what was lied about of the first may go on for as long as its epoch
        # does.
        cluster.make_sale("next", 5)
        wait_until(lambda: lied_to.buy("next", "anna", key="k").status == 202, 60, "a sale after the lies")
    finally:
        proxy.stop()
