"""A crowd: many clients at once who remember every word that they were told, and the verdict on the
server by their memory.

The book is kept by the clients alone. What it says is held against the running server and against
the ledger's rows, so a server and a ledger that agree on a lie do not pass.
"""

import asyncio
import json
import os
import random
import time
import urllib.parse
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from penstock import OPERATOR_TOKEN, PATIENCE, Answer, buyer_token

# What a purchase may be answered, besides 202. Anything else is a fault.
REFUSALS = {
    (409, "buyer-limit-reached"),
    (409, "request-in-flight"),
    (409, "sale-not-open"),
    (410, "sold-out"),
    (410, "sale-ended"),
    (503, "overloaded"),
    (503, "journal-unavailable"),
    (503, "stock-unavailable"),
    (503, "fenced"),
    (503, "outcome-unknown"),
    (503, "shutting-down"),
}
NOT_YET = {
    *("request-in-flight", "overloaded", "journal-unavailable", "stock-unavailable", "fenced", "outcome-unknown"),
    "shutting-down",
}
LIVE = ("held", "confirmed")


def new_seed(name):
    """
    Another one each time, printed: PENSTOCK_SEED=number makes the same choices again (but not the
    machine's timing).
    """
    seed = int(os.environ.get("PENSTOCK_SEED", random.SystemRandom().randrange(2**32)))
    print(f"{name}: PENSTOCK_SEED={seed}")
    return seed


@dataclass(eq=False)
class Wish:
    """One purchase that a buyer wants, under one key."""

    buyer: str
    key: str
    body: bytes
    sku: str
    quantity: int
    told: bytes = None  # the first 202
    order: str = None
    attempted: set = field(default_factory=set)  # settlements that were asked for
    settled: set = field(default_factory=set)  # and that were answered 200
    answers: Counter = field(default_factory=Counter)


@dataclass
class LotBook:
    """
    What the operator was told of a lot: its units, and how many more there may be of those that got
    no clear answer.
    """

    units: int
    withdrawn: int
    units_in_doubt: int = 0
    withdrawn_in_doubt: int = 0


class Connection:
    """A keep-alive connection. `ask` gives the whole answer, or None where none came."""

    def __init__(self, base):
        address = urllib.parse.urlsplit(base)
        self.place = (address.hostname, address.port)
        self.reader = self.writer = None
        self.sent = False  # whether the last request left
        self.sent_at = None  # since when it has
        self.broken_off = False  # whether its answer ended in the middle

    def close(self):
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    async def ask(self, method, path, body=b"", headers=None):
        self.sent = self.broken_off = False
        try:
            if not self.writer:
                self.reader, self.writer = await asyncio.open_connection(*self.place)
            lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
            if body:
                lines.append("Content-Type: application/json")
            lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
            self.sent = True
            self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            self.sent_at = time.monotonic()
            return await self.read()
        except asyncio.IncompleteReadError as error:
            self.broken_off = self.broken_off or bool(error.partial)
        except OSError:
            pass
        self.close()
        return None

    async def read(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {}
        for line in head[1:-2]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.broken_off = True
        body = await self.reader.readexactly(int(headers["content-length"]))
        self.broken_off = False
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(head[0].split(" ")[1]), headers, body)


class Crowd:
    def __init__(self, server, sale, seed, limit=2, buyers=300, settle=True, stay=False):
        """
        stay: whose server dies goes on to another gate of the cluster that `server` is; else it
        goes home.
        """
        self.server, self.sale, self.limit, self.settle, self.stay = server, sale, limit, settle, stay
        self.random = random.Random(seed)
        self.lots = {lot["sku"]: LotBook(lot["units"], lot["withdrawn"]) for lot in server.sale(sale)["lots"]}
        self.skus = list(self.lots)
        self.buyers = [f"buyer-{i}" for i in range(buyers)]
        self.tokens = {}
        self.wishes, self.accepted = [], []
        self.accepted_at = []  # when each first 202 came, by this machine's monotonic clock
        self.by_order = {}
        self.faults = []
        self.answers = Counter()
        self.unanswered = 0

    # --- asking ---

    def token(self, buyer):
        if buyer not in self.tokens:
            self.tokens[buyer] = buyer_token(buyer)
        return self.tokens[buyer]

    def new_wish(self, buyer=None, quantity=None):
        quantity = quantity or self.random.choice([1, 1, 1, self.limit])
        sku = self.random.choice(self.skus)
        wish = Wish(
            buyer or self.random.choice(self.buyers),
            f"key-{len(self.wishes)}",
            json.dumps({"quantity": quantity, "sku": sku}).encode(),
            sku,
            quantity,
        )
        self.wishes.append(wish)
        return wish

    async def buy(self, connection, wish):
        headers = {"Authorization": f"Bearer {self.token(wish.buyer)}", "Idempotency-Key": wish.key}
        answer = await connection.ask("POST", f"/v1/sales/{self.sale}/orders", wish.body, headers)
        if answer:
            self.hear(wish, answer)
        else:
            self.unanswered += 1
        return answer

    def hear(self, wish, answer):
        code = "accepted" if answer.status == 202 else answer.code
        self.answers[code] += 1
        wish.answers[code] += 1
        if answer.status != 202:
            if (answer.status, code) not in REFUSALS:
                self.faults.append(f"P5: {answer.status} {code} is no answer to a purchase")
            elif wish.told and code not in NOT_YET:
                self.faults.append(f"P2: order {wish.order} was accepted, its retry was answered {code}")
            return
        if wish.told:
            if answer.body != wish.told:
                self.faults.append(f"P3: {wish.buyer}, {wish.key} was told {wish.told} and then {answer.body}")
            return
        wish.told, wish.order = answer.body, answer.json["id"]
        if self.by_order.setdefault(wish.order, wish) is not wish:
            self.faults.append(f"P3: order {wish.order} was told for two keys")
        self.accepted.append(wish)
        self.accepted_at.append(time.monotonic())

    async def settle_one(self, public, operator, wish):
        action = self.random.choice(["cancel", "confirm", "refund"])
        wish.attempted.add(action)
        if action == "cancel":
            headers = {"Authorization": f"Bearer {self.token(wish.buyer)}"}
            answer = await public.ask("POST", f"/v1/orders/{wish.order}/cancel", b"", headers)
        else:
            path = f"/v1/orders/{wish.order}/{'confirm' if action == 'confirm' else 'cancel'}"
            answer = await operator.ask("POST", path, b"", {"Authorization": f"Bearer {OPERATOR_TOKEN}"})
        if not answer:
            self.unanswered += 1
        elif answer.status == 200:
            wish.settled.add(action)
        elif answer.status not in (409, 503):
            self.faults.append(f"P5: {action} of order {wish.order} was answered {answer.status} {answer.body}")

    async def move_units(self, operator):
        """The operator takes a few units out of the sale, or puts some in."""
        sku, action, units = self.random.choice(self.skus), self.random.choice(["add", "withdraw"]), self.random.randint(1, 3)
        book = self.lots[sku]
        path = f"/v1/sales/{self.sale}/lots/{sku}/{action}"
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        answer = await operator.ask("POST", path, json.dumps({"units": units}).encode(), headers)
        if answer and answer.status == 200:
            if action == "add":
                book.units += units
            else:
                book.withdrawn += answer.json["units_withdrawn"]
        elif not answer or answer.code in ("outcome-unknown", "request-in-flight"):
            self.unanswered += not answer
            if action == "add":
                book.units_in_doubt += units
            else:
                book.withdrawn_in_doubt += units
        elif answer.status not in (409, 503):
            self.faults.append(f"P5: {action} was answered {answer.status} {answer.body}")

    async def client(self, over):
        """One client, until `over` or until the server is no longer there."""
        public, operator = Connection(self.server.public), Connection(self.server.operator)
        while not over.is_set():
            dice = self.random.random()
            if dice < 0.03 and self.settle:
                await self.move_units(operator)
            elif dice < 0.25 and self.settle and self.accepted:
                await self.settle_one(public, operator, self.random.choice(self.accepted[-100:]))
            elif dice < 0.45 and self.wishes:
                await self.buy(public, self.random.choice(self.wishes[-200:]))
            else:
                await self.buy(public, self.new_wish())
            if not public.writer or (operator.place and operator.sent and not operator.writer):
                if not self.stay:
                    break
                public.close()
                operator.close()
                await asyncio.sleep(0.01)
                public, operator = Connection(self.server.public), Connection(self.server.operator)
        public.close()
        operator.close()

    def shop(self, seconds, clients=10, then=None, after=0):
        """
        So many clients for so long; `then` happens while they are at it, and ends it where it ends
        the server. Those who stay shop on for so long after it. `then` runs beside them, and may
        take its time.
        """

        async def run():
            over = asyncio.Event()
            tasks = [asyncio.create_task(self.client(over)) for _ in range(clients)]
            await asyncio.sleep(seconds)
            if then:
                await asyncio.to_thread(then)
            if self.stay:
                await asyncio.sleep(after)
            if self.stay or not then:
                over.set()
            await asyncio.wait_for(asyncio.gather(*tasks), 30)

        asyncio.run(run())

    def ask_again(self, wishes, clients=10, seconds=30):
        """
        Asks each until it has an answer that stands. Those that have none in time stay as they are.
        """

        async def client(queue, deadline):
            connection = Connection(self.server.public)
            while queue:
                wish = queue.pop()
                while time.monotonic() < deadline:
                    answer = await self.buy(connection, wish)
                    if answer and (answer.status == 202 or answer.code not in NOT_YET):
                        break
                    await asyncio.sleep(0.02)
            connection.close()

        async def run():
            queue = list(wishes)
            await asyncio.gather(*[client(queue, time.monotonic() + seconds) for _ in range(clients)])

        asyncio.run(run())

    # --- the verdict ---

    def check_ledger(self):
        orders = self.server.order_rows(self.sale)
        live = defaultdict(int)
        for buyer, _, _, quantity, state in orders.values():
            live[buyer] += quantity if state in LIVE else 0
        self.faults += [f"P3: {buyer} has {units} units, {self.limit} are allowed" for buyer, units in live.items() if units > self.limit]
        twice = Counter((row[0], row[1]) for row in orders.values())
        self.faults += [f"P3: {n} orders of {who}" for who, n in twice.items() if n > 1]
        for wish in self.accepted:
            row = orders.get(wish.order.replace("-", ""))
            if not row:
                self.faults.append(f"P2: order {wish.order} was told and is not in the ledger")
            elif row[:4] != (wish.buyer, wish.key, wish.sku, wish.quantity):
                self.faults.append(f"P2: order {wish.order} of {wish} is {row} in the ledger")
            else:
                self.check_state(wish, row[4])

    def check_state(self, wish, state):
        if {"cancel", "confirm"} <= wish.settled and "refund" not in wish.attempted:
            self.faults.append(f"P5: order {wish.order} was told both confirmed and cancelled by its buyer")
        if wish.settled & {"cancel", "refund"}:
            allowed = {"cancelled"}
        elif "confirm" in wish.settled:
            allowed = {"confirmed", "cancelled"} if "refund" in wish.attempted else {"confirmed"}
        else:
            allowed = {"held", "expired"}
            allowed |= {"confirmed"} if "confirm" in wish.attempted or b'"confirmed"' in wish.told else set()
            allowed |= {"cancelled"} if wish.attempted & {"cancel", "refund"} else set()
        if state not in allowed:
            self.faults.append(f"P2: order {wish.order} was told {wish.settled} and is {state}")

    def units_by_lot(self):
        """(held, confirmed) by lot: as the stock counts, and as the ledger's orders say."""
        counted = {lot["sku"]: (lot["held"], lot["confirmed"]) for lot in self.server.sale(self.sale)["lots"]}
        listed = Counter()
        for _, _, sku, quantity, state in self.server.order_rows(self.sale).values():
            listed[sku, state] += quantity
        return counted, {sku: tuple(listed[sku, state] for state in LIVE) for sku in counted}

    def check_counters(self):
        """
        Nothing is on its way any more, so the stock and the ledger agree, but for a hold that ends
        between two looks.
        """
        deadline = time.monotonic() + PATIENCE
        while (pair := self.units_by_lot())[0] != pair[1]:
            if time.monotonic() > deadline:
                self.faults.append(f"P4: (held, confirmed) in the stock {pair[0]}, in the ledger {pair[1]}")
                return
            time.sleep(0.1)

    def check_told_units(self):
        """
        What the clients hold in their hands is more than there is? Only of orders that nothing can
        have ended.
        """
        certain, bought = defaultdict(int), defaultdict(int)
        for wish in self.accepted:
            if not wish.attempted & {"cancel", "refund"} and ("confirm" in wish.settled or b'"confirmed"' in wish.told):
                certain[wish.sku] += wish.quantity
                bought[wish.buyer] += wish.quantity
        for lot in self.server.sale(self.sale)["lots"]:
            if certain[lot["sku"]] > lot["units"]:
                self.faults.append(f"P1: {certain[lot['sku']]} units of {lot['sku']} were sold, there are {lot['units']}")
        self.faults += [f"P3: {buyer} was sold {units} units" for buyer, units in bought.items() if units > self.limit]

    def check_server(self):
        for lot in self.server.sale(self.sale)["lots"]:
            parts = [lot[name] for name in ("available", "held", "confirmed", "withdrawn")]
            if sum(parts) != lot["units"] or min(parts) < 0:
                self.faults.append(f"P4: the counters do not add up: {lot}")
            book = self.lots[lot["sku"]]
            if not 0 <= lot["units"] - book.units <= book.units_in_doubt:
                self.faults.append(f"P4: the operator was told {book}, there are {lot}")
            if not 0 <= lot["withdrawn"] - book.withdrawn <= book.withdrawn_in_doubt:
                self.faults.append(f"P4: the operator was told {book}, there are {lot}")
        audit = self.server.operate_audit()
        if audit.status != 200 or not audit.json["ok"]:
            self.faults.append(f"the audit: {audit.body}")
        promises = self.server.operate("GET", "/health").json["components"]["promises"]
        if promises["status"] != "UP":
            self.faults.append(f"the health: {promises}")
        forbidden = self.server.metric("penstock_journal_forbidden_total")
        if forbidden:
            self.faults.append(f"P1: the ledger's last line had to keep out {forbidden:.0f} events")
        code, text = self.server.audit_ledger()
        if code != 0:
            self.faults.append(f"penstock audit: {code} {text}")

    def verdict(self):
        """Every fault that is known of, by the book, the server and the ledger."""
        dead = self.server.dead()
        if dead:
            return [*self.faults, f"the server is dead: {dead}"]
        self.ask_again(self.accepted)
        self.check_told_units()
        self.check_server()
        self.check_ledger()
        if not self.faults:
            self.check_counters()
        return self.faults

    def assert_kept(self):
        faults = self.verdict()
        assert not faults, "\n".join([f"{len(faults)} faults:", *faults[:10]])
