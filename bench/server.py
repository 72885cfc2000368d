"""
A penstock server of its own, in a folder of its own; all its threads on one core, unless it is told
otherwise.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import time
import urllib.request
from pathlib import Path

from measure import Failed, resident_bytes, wait_until

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(os.environ.get("PENSTOCK", ROOT / "build/penstock")).resolve()
TESTING_PROGRAM = Path(os.environ.get("PENSTOCK_TESTING", ROOT / "build-test/penstock")).resolve()
# On the disk that people will use: a file system in memory has no fsync worth the name.
SCRATCH = ROOT / "build/bench"
# The first and the last that we may use: where there are more than two, these are least likely to
# share a core's hardware.
CORES = [str(core) for core in sorted(os.sched_getaffinity(0))]
SERVER_CORE, LOAD_CORE, ANY_CORE = CORES[0], CORES[-1], ",".join(CORES)
JWT_KEY = "the bench's own secret of more than 32 bytes"
OPERATOR_TOKEN = "the-operators-token-of-the-bench"


class Server:
    def __init__(self, name, core=SERVER_CORE, command="serve", **settings):
        self.folder = SCRATCH / name
        self.core = core
        self.command = command
        self.settings = {
            "gate.listen": "127.0.0.1:0",
            "operator.listen": "127.0.0.1:0",
            "gate.threads": "1",
            "gate.address_rate": "off",
            "log.level": "warn",
            **settings,
        }
        self.program, self.environment, self.key = PROGRAM, {}, JWT_KEY
        self.process = None

    @property
    def ledger(self):
        return self.folder / "penstock.db"

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.kill()

    def fresh(self, ledger=None):
        """An empty folder, or one with a copy of that ledger."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if ledger:
            shutil.copy(ledger, self.ledger)
            self.rest()
        return self

    def rest(self):
        """What was copied is on the disk: no write of it is left for whoever writes next."""
        with open(self.ledger, "rb") as file:
            os.fsync(file.fileno())

    def start(self):
        """Returns the seconds from the start of the program to its being ready."""
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        flags = [f"--{name}={value}" for name, value in self.settings.items()]
        secrets = {"PENSTOCK_IDENTITY_JWT_KEY": self.key, "PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN}
        with open(self.folder / "log", "ab") as log:
            begin = time.monotonic()
            self.process = subprocess.Popen(
                ["taskset", "-c", self.core, str(self.program), self.command, "--ready-file", str(ready), *flags],
                cwd=self.folder,
                env={**{k: v for k, v in os.environ.items() if not k.startswith("PENSTOCK")}, **secrets, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: ready.exists() or self.process.poll() is not None, "the server's readiness")
        self.start_seconds = time.monotonic() - begin
        if not ready.exists():
            raise Failed(f"the server ended: {(self.folder / 'log').read_text()}")
        places = dict(line.split(" ", 1) for line in ready.read_text().splitlines())
        self.public, self.operator, self.monitor = places.get("public"), places.get("operator"), places.get("monitor")
        return self.start_seconds

    def stop(self):
        self.process.terminate()
        if self.process.wait(30) != 0:
            raise Failed(f"the server ended with {self.process.returncode}: {(self.folder / 'log').read_text()}")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def port(self):
        return int(self.public.rsplit(":", 1)[1])

    def resident_bytes(self):
        return resident_bytes(self.pid)

    # --- The operator ---

    def operate(self, method, path, body=None):
        request = urllib.request.Request(
            self.operator + path,
            method=method,
            data=json.dumps(body).encode() if body else b"" if method == "POST" else None,
            headers={"Authorization": f"Bearer {OPERATOR_TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()

    def make_item(self, units):
        self.operate("POST", "/v1/items", {"sku": "A", "name": "Item", "on_hand": units})

    def make_sale(self, sale, units, hold_seconds=3600, rate=None):
        """
        An open sale of `units` of the item. No hold runs out while it is measured. rate: requests
        of a buyer in a window, as the interface has it.
        """
        terms = {"price": {"amount": 17900, "currency": "EUR"}, "limit_per_buyer": 1, "rate": rate, "hold_seconds": hold_seconds}
        self.operate("POST", "/v1/sales", {"id": sale, "name": sale, "lots": [{"sku": "A", "units": units}], **terms})
        self.operate("POST", f"/v1/sales/{sale}/open")

    def metrics(self):
        if self.operator:
            return self.operate("GET", "/metrics")
        with urllib.request.urlopen(f"{self.monitor}/metrics", timeout=30) as answer:
            return answer.read().decode()

    def metric(self, name):
        """The value of one series."""
        return next(float(line.rsplit(" ", 1)[1]) for line in self.metrics().splitlines() if line.startswith(f"{name} "))

    def purchases(self):
        """Answers to purchases so far, by outcome."""
        found = {}
        for line in self.metrics().splitlines():
            if line.startswith("penstock_purchases_total{"):
                name, value = line.rsplit(" ", 1)
                found[name.split('"')[1]] = int(float(value))
        return found

    # --- Proof ---

    def count(self, rows):
        """Rows in the ledger of a server that has stopped: of a table, or of a part of it."""
        connection = sqlite3.connect(self.ledger)
        try:
            return connection.execute(f"SELECT count(*) FROM {rows}").fetchone()[0]
        finally:
            connection.close()

    def orders(self):
        """Orders in the ledger of a server that has stopped."""
        return self.count("orders")

    def prove(self):
        """The promises hold on the ledger that the server has left."""
        audit = subprocess.run([PROGRAM, "audit", f"sqlite:{self.ledger}", "--json"], capture_output=True, text=True)
        if audit.returncode != 0:
            raise Failed(f"the audit of {self.ledger} fails: {audit.stdout}{audit.stderr}")
