"""
The peer that is as short as it can be: nginx with its Lua module before one script in Redis (bench/peers/one_script). It has no ledger, no holds and
no recovery; what it has accepted is in Redis' append-only file.
"""

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from cluster import pin
from measure import Failed, cpu_seconds, wait_until
from peers import Peer, free_port
from redis import Redis
from server import ROOT, SCRATCH

HERE = ROOT / "bench/peers/one_script"
LUA = ROOT / "build-lua/root"  # tools/nginx-lua


class OneScript(Peer):
    """sync: appendfsync of its Redis, `always` or `everysec`."""

    FIRST = 1  # orders that its own start has made

    def __init__(self, sync, units):
        self.units = units
        self.folder = SCRATCH / f"one-script-{sync}"
        self.redis = Redis(appendfsync=sync)

    def start(self):
        if not LUA.exists():
            raise Failed("nginx's Lua module is missing: run tools/setup bench")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.redis.start()
        self.redis.call("SET", "{s}:units", self.units)
        sha = self.redis.call("SCRIPT", "LOAD", (HERE / "purchase.lua").read_text()).decode()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        text = (HERE / "nginx.conf").read_text()
        for name, value in {"LUA": LUA, "HERE": HERE, "PORT": self.redis.port, "SHA": sha, "LISTEN": port}.items():
            text = text.replace(f"@{name}@", str(value))
        (self.folder / "nginx.conf").write_text(text)
        # Its LuaJIT is a private one, for the one that is installed is wrk's.
        self.process = subprocess.Popen(
            ["nginx", "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log"],
            env={**os.environ, "LD_LIBRARY_PATH": ":".join(str(path.parent) for path in LUA.glob("**/*.so.?"))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self.sells, "nginx with its Lua module")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.worker = int(children[0])

    def sells(self):
        if self.process.poll() is not None:
            raise Failed(f"nginx ended: {(self.folder / 'error.log').read_text()}")
        headers = {"X-Buyer-Id": "first", "Idempotency-Key": "first", "Content-Type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{self.url}/v1/sales/s/orders", b'{"quantity":1}', headers), timeout=5) as answer:
                return answer.status == 202
        except urllib.error.HTTPError as refusal:
            raise Failed(f"the peer of one script answers {refusal.code}: {(self.folder / 'error.log').read_text()}") from None
        except OSError:
            return False

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

    def orders(self):
        return int(self.redis.call("XLEN", "{s}:orders"))

    def stop(self):
        self.process.terminate()

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self.redis.free()
