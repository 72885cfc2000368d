"""
What a contender loses when it is killed (-9, with its Redis) in the middle of a burst, and is
started again: every buyer asks until he has his answer, with the same key, as the documentation
tells clients to. What was told is then held against the ledger.
"""

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass

from cluster import MILLION
from measure import Failed, wait_until

BUYERS_AT_ONCE = 32
TOLD_BEFORE = 1500  # of a burst that would go on
PATIENCE = 120


@dataclass
class Losses:
    told: int  # before the kill
    asked: int  # in all; some had no answer then
    lost: int  # of those that were told, not in the ledger
    twice: int  # orders of a buyer who has one already: the sale's limit is one
    gone: int  # units that nobody has and nobody can buy
    back_seconds: float  # from the kill until every buyer has his answer


class Crowd:
    """Buyers of a sale, BUYERS_AT_ONCE at a time."""

    def __init__(self, sale):
        self.sale, self.told, self.asked, self.contradicted = sale, {}, [], set()

    def buy(self, connection, buyer):
        """The status; what was told is kept."""
        headers = {"X-Buyer-Id": f"buyer-{buyer}", "Idempotency-Key": f"key-{buyer}", "Content-Type": "application/json"}
        connection.request("POST", f"/v1/sales/{self.sale}/orders", '{"quantity":1}', headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 202:
            order = json.loads(body)["id"]
            if self.told.setdefault(buyer, order) != order:
                self.contradicted.add(buyer)
        return answer.status

    def until_it_is_gone(self, contender, buyers):
        connection = http.client.HTTPConnection(contender.url.removeprefix("http://"), timeout=PATIENCE)
        try:
            for buyer in buyers:
                self.asked.append(buyer)
                self.buy(connection, buyer)
        except (OSError, http.client.HTTPException):
            connection.close()

    def until_it_answers(self, contender, buyers):
        deadline = time.monotonic() + PATIENCE
        for buyer in buyers:
            while time.monotonic() < deadline:
                connection = http.client.HTTPConnection(contender.url.removeprefix("http://"), timeout=PATIENCE)
                try:
                    if self.buy(connection, buyer) == 202:
                        break
                except (OSError, http.client.HTTPException):
                    pass
                finally:
                    connection.close()
                time.sleep(0.02)

    def start(self, target, contender, buyers):
        """Buyers come one after the other at each of BUYERS_AT_ONCE places."""
        its, lock = iter(buyers), threading.Lock()

        def take():
            while True:
                with lock:
                    buyer = next(its, None)
                if buyer is None:
                    return
                yield buyer

        threads = [threading.Thread(target=target, args=(contender, take()), daemon=True) for _ in range(BUYERS_AT_ONCE)]
        for thread in threads:
            thread.start()
        return threads


def kill(contender, sale):
    contender.open(sale, MILLION)
    crowd = Crowd(sale)
    threads = crowd.start(crowd.until_it_is_gone, contender, itertools.count())
    wait_until(lambda: len(crowd.told) >= TOLD_BEFORE, f"{TOLD_BEFORE} answers of {contender.name}", PATIENCE)
    begin = time.monotonic()
    contender.kill()
    for thread in threads:
        thread.join()
    told = dict(crowd.told)
    contender.restart()
    # Those who had no answer come first; the others ask as well, for their answer may not have been
    # the truth.
    asked = sorted(crowd.asked, key=lambda buyer: buyer in told)
    for thread in crowd.start(crowd.until_it_answers, contender, asked):
        thread.join()
    back_seconds = time.monotonic() - begin
    if len(crowd.told) != len(asked):
        raise Failed(f"{contender.name}: {len(asked) - len(crowd.told)} of {len(asked)} buyers are not told anything after a kill")
    if crowd.contradicted:
        raise Failed(f"{contender.name}: {len(crowd.contradicted)} buyers are told of another order after a kill")
    return losses(contender, sale, told, asked, back_seconds)


def losses(contender, sale, told, asked, back_seconds):
    contender.settle(sale, len(asked))
    rows = contender.orders(sale)
    ids = {order.replace("-", "") for order, _ in rows}
    return Losses(
        told=len(told),
        asked=len(asked),
        lost=sum(order.replace("-", "") not in ids for order in told.values()),
        twice=sum(count - 1 for count in Counter(buyer for _, buyer in rows).values()),
        gone=MILLION - contender.units_left(sale) - len(rows),
        back_seconds=back_seconds,
    )
