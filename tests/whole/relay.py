"""`penstock relay` and a shop's endpoint that it posts to."""

import base64
import hashlib
import hmac
import json
import subprocess
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from penstock import OPERATOR_TOKEN, PROGRAM, plain_environment, request, wait_until

KEY = b"the relay's own secret, 32 bytes"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def signature(identity, at, body):
    return "v1," + base64.b64encode(hmac.new(KEY, f"{identity}.{at}.".encode() + body, hashlib.sha256).digest()).decode()


class Endpoint:
    """
    A shop's: remembers what it takes; `answer` says what each is told. tls: a server's context.
    """

    def __init__(self, tls=None):
        self.taken, self.faults, self.answer = [], [], lambda change: 204
        self.targets = set()
        self.lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.targets.add(self.path)
                status = endpoint.take(self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}/hook"

    def take(self, headers, body):
        identity, at = headers["webhook-id"], headers["webhook-timestamp"]
        change = json.loads(body)
        status = self.answer(change)
        with self.lock:
            if headers["webhook-signature"] != signature(identity, at, body) or abs(time.time() - int(at)) > 60 or change["id"] != identity:
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
        """
        What is wrong: each change of the feed was taken, those of a sale first in the feed's order;
        again only what was taken before.
        """
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


def without_proxies():
    """What would lead the relay elsewhere, or let it trust others, is the test's to say."""
    said = ("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE")
    return {name: value for name, value in plain_environment().items() if name not in said and not name.lower().endswith("_proxy")}


class Relay:
    def __init__(self, folder, server, endpoint, environment=None, **settings):
        self.folder, self.server, self.endpoint, self.settings = folder, server, endpoint, settings
        self.environment = environment or {}
        self.process = None

    def start(self, *options):
        ready = self.folder / "relay.ready"
        ready.unlink(missing_ok=True)
        flags = [f"--{name}={value}" for name, value in {"relay.listen": "127.0.0.1:0", "log.format": "json", **self.settings}.items()]
        with open(self.folder / "relay.log", "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "relay", "--to", self.endpoint.url, "--operator", self.server.operator, "--ready-file", ready, *flags, *options],
                cwd=self.folder, stdout=log, stderr=log,
                env={**without_proxies(), **self.environment, "PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN, "PENSTOCK_RELAY_SECRET": SECRET},
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


def feed_of(server):
    found, after = [], ""
    while True:
        page = server.operate("GET", f"/v1/changes?limit=1000{after}").json
        found += page["changes"]
        if not page["changes"]:
            return found
        after = f"&after={page['next']}"
