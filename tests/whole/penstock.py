"""
The program as a user meets it: a real process, real sockets, a real ledger in a folder of its own.
"""

import http.client
import json
import os
import re
import select
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.parse
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import jwt

import openapi

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("PENSTOCK", ROOT / "build/penstock"))
TESTING_PROGRAM = Path(os.environ.get("PENSTOCK_TESTING", ROOT / "build-test/penstock"))
LIBRARY_VERSION = int(re.search(r"REDIS_LIBRARY_VERSION = (\d+)", (ROOT / "src/stock/redis/library.h").read_text()).group(1))
LIBRARY = f"penstock_{LIBRARY_VERSION}"  # of the functions in Redis

JWT_KEY = "the tests' own secret of more than 32 bytes"
OPERATOR_TOKEN = "the-operators-own-token"


PATIENCE = 60  # with what comes at once on a machine of its own: one that others use as well may take it away for seconds


def wait_until(condition, seconds=PATIENCE, what="the condition"):
    """
    Bounded polling: returns the condition's first true value. What must come within a time is
    measured by who says so: this one is never hasty.
    """
    patience = max(seconds, PATIENCE)
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come within {patience} s"
        select.select([], [], [], 0.01)


def await_expiry(server, *orders, sale="drop"):
    """
    The ledger tells of an expiry first; the stock gives the units back, and lets the order be asked
    for again, when it hears that it was written.
    """
    wait_until(lambda: all(server.order(order).json["state"] == "expired" for order in orders), 20, "the expiry")
    wait_until(lambda: server.lot(sale)["held"] == 0, 20, "the units' return")


def rfc3339(seconds):
    """A moment, counted from 1970."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain_environment():
    """Without PENSTOCK and PENSTOCK_TESTING, which the program would take for settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK")}


def buyer_token(buyer, lifetime=3600, key=JWT_KEY, algorithm="HS256", **claims):
    now = int(time.time())
    return jwt.encode({"sub": buyer, "iat": now, "exp": now + lifetime, **claims}, key, algorithm=algorithm)


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["code"]

    def header(self, name):
        return self.headers.get(name.lower())


def request(base, method, path, body=None, headers=None, timeout=PATIENCE, source=None, documented=True):
    """
    One request on a connection of its own. The answer must be one that docs/openapi.json promises,
    unless it is not a gate's.
    """
    address = urllib.parse.urlsplit(base)
    connection = http.client.HTTPConnection(
        address.hostname, address.port, timeout=timeout, source_address=(source, 0) if source else None
    )
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, body=body, headers=headers)
        reply = connection.getresponse()
        answer = Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
    finally:
        connection.close()
    if documented and method not in ("HEAD", "OPTIONS"):
        openapi.judge(base, method, path, answer)
    return answer


@dataclass
class Server:
    """One `penstock serve`. Made by the `serve` fixture, which ends it."""

    folder: Path
    program: Path = PROGRAM
    settings: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    wrapper: tuple = ()
    disk: Path = None  # where the ledger is, if not in the folder
    command: str = "serve"
    process: subprocess.Popen = None
    public: str = None
    operator: str = None
    monitor: str = None  # of a drain

    @property
    def ledger(self):
        return (self.disk or self.folder) / "penstock.db"

    @property
    def ledger_url(self):
        return self.settings.get("ledger.url", f"sqlite:{self.ledger}")

    @property
    def log_path(self):
        return self.folder / "log"

    def log(self):
        return self.log_path.read_text(errors="replace")

    def await_log(self, text, seconds=PATIENCE):
        """
        The log has it, or will: it is written behind what it tells of, by a thread of its own.
        """
        wait_until(lambda: text in self.log() or self.process.poll() is not None, seconds, f'"{text}" in the log')
        assert text in self.log()

    def arguments(self):
        listens = {"serve": ["gate.listen", "operator.listen"], "drain": ["drain.listen"]}[self.command]
        settings = {
            **{name: "127.0.0.1:0" for name in listens},
            "gate.address_rate": "off",
            "gate.queue_target": "0s",  # a machine that is busy with other tests turns nobody away here: test_overload.py
            "ledger.url": self.ledger_url,
            "log.format": "json",
            **self.settings,
        }
        return [f"--{name}={value}" for name, value in settings.items()]

    def start(self, wait=True):
        self.killed = False
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        environment = {
            **plain_environment(),
            "PENSTOCK_IDENTITY_JWT_KEY": JWT_KEY,
            "PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN,
            **self.environment,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, str(self.program), self.command, "--ready-file", str(ready), *self.arguments()],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait_ready(ready)
        return self

    def wait_ready(self, ready=None):
        ready = ready or self.folder / "ready"

        def look():
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()}"
            return ready.exists()

        wait_until(look, 30, "the server's readiness")
        places = dict(line.split(" ", 1) for line in ready.read_text().splitlines())
        self.public, self.operator, self.monitor = places.get("public"), places.get("operator"), places.get("monitor")
        openapi.listeners.update({self.public: "public", self.operator: "operator"})

    def stop(self, seconds=PATIENCE):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds=PATIENCE):
        """Until it has ended; as patient as wait_until()."""
        return self.process.wait(max(seconds, PATIENCE))

    def dead(self):
        """The end of its log, where it has ended by itself; else empty."""
        return "" if self.killed or self.process.poll() is None else self.log()[-2000:] or "it said nothing"

    def kill(self):
        self.killed = True
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def keep_ports(self):
        """The next start takes the same ones, for a client that goes on."""
        self.settings = self.settings | {"gate.listen": self.public.removeprefix("http://"), "operator.listen": self.operator.removeprefix("http://")}

    def restart(self):
        """After stop() or kill()."""
        return self.start()

    # --- requests ---

    def buy(self, sale, buyer, key=None, body=None, token=None, timeout=PATIENCE, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            headers["Idempotency-Key"] = key
        headers.setdefault("Authorization", f"Bearer {token or buyer_token(buyer)}")
        return request(self.public, "POST", f"/v1/sales/{sale}/orders", {} if body is None else body, headers, timeout)

    def ask(self, method, path, buyer=None, body=None, headers=None):
        headers = dict(headers or {})
        if buyer:
            headers["Authorization"] = f"Bearer {buyer_token(buyer)}"
        return request(self.public, method, path, body, headers)

    def operate(self, method, path, body=None, token=OPERATOR_TOKEN, headers=None):
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is None and method in ("POST", "PATCH", "PUT"):
            body = ""
        return request(self.operator, method, path, body, headers)

    # --- what tests need again and again ---

    def make_sale(self, sale="drop", units=10, lots=None, state="open", **terms):
        """An item for each lot and a sale of them, moved to `state`."""
        lots = lots or {f"{sale}-item": units}
        for sku, count in lots.items():
            answer = self.operate("POST", "/v1/items", {"sku": sku, "name": sku, "on_hand": count})
            assert answer.status in (201, 409), answer.body
        body = {
            "id": sale,
            "name": sale,
            "lots": [{"sku": sku, "units": count} for sku, count in lots.items()],
            "price": {"amount": 100, "currency": "EUR"},
            "rate": None,
            **terms,
        }
        answer = self.operate("POST", "/v1/sales", body)
        assert answer.status == 201, answer.body
        if state != "draft":
            answer = self.operate("POST", f"/v1/sales/{sale}/{'arm' if state == 'armed' else 'open'}")
            assert answer.status == 200, answer.body
        return answer.json

    def sale(self, sale):
        answer = self.operate("GET", f"/v1/sales/{sale}")
        assert answer.status == 200, answer.body
        return answer.json

    def lot(self, sale, place=0):
        return self.sale(sale)["lots"][place]

    def order(self, order):
        return self.operate("GET", f"/v1/orders/{order}")

    def orders(self, **query):
        found, after = [], None
        while True:
            page = {"limit": 1000, **query, **({"after": after} if after else {})}
            answer = self.operate("GET", "/v1/orders?" + urllib.parse.urlencode(page))
            assert answer.status == 200, answer.body
            found += answer.json["orders"]
            after = answer.json["next"]
            if not after:
                return found

    def metric(self, name):
        """The value of one series, as it is written in /metrics."""
        place = self.operator or self.monitor
        for line in request(place, "GET", "/metrics", documented=place != self.monitor).body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no series {name}")

    def operate_audit(self):
        """
        Asks until the audit is done: where it takes long its first askers are told to ask again.
        """
        end = time.monotonic() + 60
        answer = self.operate("POST", "/v1/audit")
        while answer.status == 503 and answer.code == "overloaded" and time.monotonic() < end:
            answer = self.operate("POST", "/v1/audit")
        return answer

    def audit(self):
        """The audit of the running server, which must find every promise kept."""
        answer = self.operate_audit()
        assert answer.status == 200, answer.body
        assert answer.json["ok"], answer.json
        return answer.json

    def audit_ledger(self):
        """`penstock audit` on the ledger alone: its exit code and what it printed."""
        return audit_ledger(self.ledger_url, self.program)

    def order_rows(self, sale):
        """
        What the ledger has of a sale's orders: id (32 hex digits): buyer, key, SKU, quantity,
        state.
        """
        rows = self.rows(ORDER_ROWS.format(id="lower(hex(o.id))", schema="", sale="?"), sale)
        return {row[0]: row[1:] for row in rows}

    def rows(self, query, *parameters):
        with sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True) as ledger:
            return ledger.execute(query, parameters).fetchall()

    def connect(self, timeout=PATIENCE):
        address = urllib.parse.urlsplit(self.public)
        return socket.create_connection((address.hostname, address.port), timeout=timeout)


# {schema}, {id} and {sale} as the database wants them.
ORDER_ROWS = (
    "select {id}, o.buyer, o.key, i.sku, o.quantity, s.name from {schema}orders o"
    " join {schema}order_states s on s.number = o.state join {schema}sales a on a.number = o.sale"
    " join {schema}lots l on l.sale = o.sale and l.place = o.lot join {schema}items i on i.number = l.item where a.id = {sale}"
)


def audit_ledger(ledger, program=PROGRAM):
    """ledger: a URL, or the path of a SQLite file."""
    url = ledger if "://" in str(ledger) or str(ledger).startswith("sqlite:") else f"sqlite:{ledger}"
    done = subprocess.run(
        [str(program), "audit", f"--ledger.url={url}"], capture_output=True, text=True, timeout=120, env=plain_environment()
    )
    return done.returncode, done.stdout + done.stderr


def run(*arguments, program=PROGRAM, timeout=120, **options):
    """A command of the program, to its end."""
    options.setdefault("env", plain_environment())
    return subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, **options
    )
