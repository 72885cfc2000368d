"""`penstock relay`: every change reaches a shop's endpoint, signed, those of a sale in their order, whatever dies meanwhile."""

import base64
import hashlib
import hmac
import json
import subprocess
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import pytest

from crowd import new_seed
from feed import NEXT
from penstock import OPERATOR_TOKEN, PROGRAM, plain_environment, request, wait_until

KEY = b"the relay's own secret, 32 bytes"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Endpoint:
    """A shop's: remembers what it takes; `answer` says what each is told."""

    def __init__(self):
        self.taken, self.faults, self.answer = [], [], lambda change: 204
        self.lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = endpoint.take(self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def take(self, headers, body):
        identity, at = headers["webhook-id"], headers["webhook-timestamp"]
        expected = "v1," + base64.b64encode(hmac.new(KEY, f"{identity}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
        change = json.loads(body)
        status = self.answer(change)
        with self.lock:
            if headers["webhook-signature"] != expected or abs(time.time() - int(at)) > 60 or change["id"] != identity:
                self.faults.append(f"{identity} is signed wrongly")
            if 200 <= status < 300:
                self.taken.append(change)
        return status

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def ids(self):
        with self.lock:
            return [change["id"] for change in self.taken]

    def judge(self, feed):
        """What is wrong: each change of the feed was taken, those of a sale first in the feed's order; again only what was taken before."""
        faults, seen, order = list(self.faults), set(), defaultdict(list)
        with self.lock:
            for change in self.taken:
                if change["id"] not in seen:
                    order[change["data"]["sale"]].append(change["id"])
                seen.add(change["id"])
        wanted = defaultdict(list)
        for change in feed:
            wanted[change["data"]["sale"]].append(change["id"])
        return faults + [f"{sale}: {len(order[sale])} of {len(ids)} in their order" for sale, ids in wanted.items() if order[sale] != ids]


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.close()


class Relay:
    def __init__(self, folder, server, endpoint, **settings):
        self.folder, self.server, self.endpoint, self.settings = folder, server, endpoint, settings
        self.process = None

    def start(self):
        ready = self.folder / "relay.ready"
        ready.unlink(missing_ok=True)
        flags = [f"--{name}={value}" for name, value in {"relay.listen": "127.0.0.1:0", "log.format": "json", **self.settings}.items()]
        with open(self.folder / "relay.log", "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "relay", "--to", self.endpoint.url, "--operator", self.server.operator, "--ready-file", ready, *flags],
                cwd=self.folder, stdout=log, stderr=log,
                env={**plain_environment(), "PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN, "PENSTOCK_RELAY_SECRET": SECRET},
            )  # fmt: skip
        wait_until(lambda: ready.exists() or self.process.poll() is not None, 30, "the relay")
        assert ready.exists(), self.log()
        self.monitor = ready.read_text().split()[1]
        return self

    def log(self):
        return (self.folder / "relay.log").read_text()

    def metric(self, name):
        text = request(self.monitor, "GET", "/metrics", documented=False).body.decode()
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def relay(tmp_path):
    made = []

    def start(server, endpoint, **settings):
        made.append(Relay(tmp_path, server, endpoint, **settings))
        return made[-1].start()

    yield start
    for each in made:
        each.kill()


def feed_of(server):
    found, after = [], ""
    while True:
        page = server.operate("GET", f"/v1/changes?limit=1000{after}").json
        found += page["changes"]
        if not page["changes"]:
            return found
        after = f"&after={page['next']}"


def buy(server, sale, buyer):
    answer = server.buy(sale, buyer)
    assert answer.status == 202, answer.body
    return answer.json["id"]


def confirm(server, order):
    assert server.operate("POST", f"/v1/orders/{order}/confirm").status == 200


def test_every_change_arrives_signed_and_in_order(server, endpoint, relay):
    for sale in ("one", "two"):
        server.make_sale(sale, 50, limit_per_buyer=50, hold_seconds=600)
    for i in range(20):
        confirm(server, buy(server, ("one", "two")[i % 2], "ann"))
    process = relay(server, endpoint)
    wait_until(lambda: len(set(endpoint.ids())) == 40, 30, "all of them")
    assert endpoint.judge(feed_of(server)) == []
    assert process.metric("penstock_relay_delivered_total") == 40
    # It goes on where it was.
    assert process.stop() == 0
    confirm(server, buy(server, "one", "ben"))
    process.start()
    wait_until(lambda: len(endpoint.ids()) == 42, 30, "the newest two")
    assert len(set(endpoint.ids())) == 42
    assert endpoint.judge(feed_of(server)) == []


def test_a_sale_that_is_refused_waits_and_the_others_go_on(server, endpoint, relay):
    for sale in ("bad", "good"):
        server.make_sale(sale, 50, limit_per_buyer=50, hold_seconds=600)
    first = buy(server, "bad", "ann")
    confirm(server, first)
    endpoint.answer = lambda change: 503 if change["data"]["event"]["id"] == first else 204
    process = relay(server, endpoint, **{"relay.patience": "1s"})
    second = buy(server, "good", "ann")
    confirm(server, second)
    wait_until(lambda: len(endpoint.ids()) == 2, 30, "the good sale's")
    wait_until(lambda: process.metric("penstock_relay_lines_standing") == 1, 30, "the alert")
    assert request(process.monitor, "GET", "/health", documented=False).status == 503
    # A restart does not send again what is ahead of the line that stands.
    assert process.stop() == 0
    process.start()
    wait_until(lambda: process.metric("penstock_relay_refused_total") >= 1, 30, "a try")
    assert len(endpoint.ids()) == 2
    stuck = feed_of(server)[0]["id"]
    done = subprocess.run(
        [PROGRAM, "relay", "--skip", stuck, "--reason", "no such order", "--operator", server.operator],
        env={**plain_environment(), "PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    endpoint.answer = lambda change: 204
    wait_until(lambda: len(endpoint.ids()) == 3, 150, "what was behind it")  # its turns come up to a minute apart by then
    assert stuck not in endpoint.ids()
    row = server.operate("GET", "/v1/log?action=relay.skip").json["rows"][0]
    assert row["detail"] == {"change": stuck, "reason": "no such order"} and row["subject"] == "default"


def test_everything_arrives_through_a_hundred_deaths_of_the_relay(server, endpoint, relay):
    """And of its server now and then; the endpoint refuses one in five."""
    random = Random(new_seed("relay"))
    sales = [f"drop-{i}" for i in range(4)]
    for sale in sales:
        server.make_sale(sale, 2000, limit_per_buyer=1000, hold_seconds=600)
    endpoint.answer = lambda change: 500 if random.random() < 0.2 else 204
    process = relay(server, endpoint)
    for death in range(100):
        for _ in range(4):
            order = buy(server, random.choice(sales), f"b{random.randrange(20)}")
            if random.random() < 0.7:
                confirm(server, order)
        threading.Event().wait(random.uniform(0, 0.1))  # somewhere in its work
        process.kill()
        if death % 20 == 19:
            server.kill()
            server.restart()
        process.start()
    endpoint.answer = lambda change: 204
    feed = feed_of(server)
    wait_until(lambda: len(set(endpoint.ids())) == len(feed), 120, "all of them")
    assert endpoint.judge(feed) == []
    assert set(NEXT.values()) >= {change["data"]["state"] for change in feed}
