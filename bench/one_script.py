"""
The peer that is as short as it can be: nginx with its Lua module before one script in Redis
(bench/peers/one_script). It has no ledger, no holds and no recovery; what it has accepted is in
Redis' append-only file.
"""

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from cluster import pin
from measure import Failed, cpu_seconds, resident_bytes, wait_until
from peers import Peer, free_port
from redis import Redis
from server import ROOT, SCRATCH

HERE = ROOT / "bench/peers/one_script"
LUA = ROOT / "build-lua/root"  # tools/nginx-lua


class OneScript(Peer):
    """sync: appendfsync of its Redis, `always` or `everysec`."""

    name = "one script"

    def __init__(self, sync):
        self.folder = SCRATCH / f"one-script-{sync}"
        self.redis = Redis(appendfsync=sync)

    def start(self):
        if not LUA.exists():
            raise Failed("nginx's Lua module is missing: run tools/setup bench")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.redis.start()
        self.run()

    def run(self):
        """Its program, before a Redis that is there. Redis keeps the data, but no scripts."""
        sha = self.redis.call("SCRIPT", "LOAD", (HERE / "purchase.lua").read_text()).decode()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        text = (HERE / "nginx.conf").read_text()
        for name, value in {"LUA": LUA, "HERE": HERE, "PORT": self.redis.port, "SHA": sha, "LISTEN": port}.items():
            text = text.replace(f"@{name}@", str(value))
        (self.folder / "nginx.conf").write_text(text)
        begin = time.monotonic()
        # Its LuaJIT is a private one, for the one that is installed is wrk's.
        self.process = subprocess.Popen(
            ["nginx", "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log"],
            env={**os.environ, "LD_LIBRARY_PATH": ":".join(str(path.parent) for path in LUA.glob("**/*.so.?"))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self.answers, "nginx with its Lua module")
        self.start_seconds = time.monotonic() - begin
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.worker = int(children[0])

    @property
    def pid(self):
        return self.worker

    def answers(self):
        """There is no such sale."""
        if self.process.poll() is not None:
            raise Failed(f"nginx ended: {(self.folder / 'error.log').read_text()}")
        headers = {"X-Buyer-Id": "first", "Idempotency-Key": "first", "Content-Type": "application/json"}
        try:
            urllib.request.urlopen(urllib.request.Request(f"{self.url}/v1/sales/none/orders", b'{"quantity":1}', headers), timeout=5).close()
        except urllib.error.HTTPError as refusal:
            if refusal.code == 410:
                return True
            raise Failed(f"the peer of one script answers {refusal.code}: {(self.folder / 'error.log').read_text()}") from None
        except OSError:
            return False

    def open(self, sale, units):
        self.redis.call("SET", f"{{{sale}}}:units", units)

    def units_left(self, sale):
        return int(self.redis.call("GET", f"{{{sale}}}:units"))

    def pin(self, gate, redis):
        """Its two processes each on a core, or on any."""
        pin(self.worker, gate)
        pin(self.redis.process.pid, redis)

    def cpu_seconds(self):
        return cpu_seconds(self.worker) + cpu_seconds(self.redis.process.pid)

    def redis_seconds(self):
        """CPU as Redis counts it."""
        seen = self.redis.info("cpu")
        return float(seen["used_cpu_user"]) + float(seen["used_cpu_sys"])

    def resident_bytes(self):
        return resident_bytes(self.process.pid, self.worker, self.redis.process.pid)

    def count(self, sale):
        return int(self.redis.call("XLEN", f"{{{sale}}}:orders"))

    def orders(self, sale):
        """(id, buyer) of each that is in its stream."""
        entries = [fields for _, fields in self.redis.call("XRANGE", f"{{{sale}}}:orders", "-", "+")]
        return [(fields[1].decode(), fields[3].decode()) for fields in entries]

    def settle(self, sale, orders):
        """Its stream is all the ledger it has: a 202 is there."""

    def prove(self):
        """It has no audit."""

    def kill(self):
        """-9, all of it at once. A master starts another worker, so it goes first."""
        self.process.kill()
        os.kill(self.worker, signal.SIGKILL)
        self.process.wait(30)
        self.redis.kill()

    def restart(self):
        self.redis.restart()
        self.run()

    def stop(self):
        self.process.terminate()

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self.redis.free()
