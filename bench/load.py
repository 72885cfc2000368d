"""
The load: requests in a file, sent by wrk (as many as it can) or by burst (so many, in lockstep).
"""

import base64
import hmac
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from measure import Failed, Watch, cpu_seconds
from server import JWT_KEY, LOAD_CORE, PROGRAM, SCRATCH

SECONDS = 2
BURST_SECONDS_MAX = 600  # a burst that takes longer has lost an answer
BENCH = Path(__file__).resolve().parent


@dataclass
class Requests:
    """A file of purchases, each of another buyer and all of the same size."""

    path: Path
    size: int
    count: int
    key: str = JWT_KEY  # that their tokens are checked with


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(buyer, now):
    text = unpadded(b'{"alg":"HS256","typ":"JWT"}') + b"." + unpadded(b'{"sub":"%s","iat":%d,"exp":%d}' % (buyer, now, now + 36000))
    return text + b"." + unpadded(hmac.digest(JWT_KEY.encode(), text, "sha256"))


def signed_elsewhere(count):
    """The public key of a login, and a token of it for each buyer (ES256)."""
    command = [str(PROGRAM.parent / "bench/sign_tokens"), str(count), str(int(time.time()))]
    pem, end, tokens = subprocess.run(command, check=True, capture_output=True).stdout.partition(b"-----END PUBLIC KEY-----\n")
    return (pem + end).decode(), tokens.split()


def make_requests(name, count, identity, sales=(b"s",)):
    """
    identity: "token", "login" (signed_elsewhere) or "header". A purchase is what the documentation
    tells people to send: an Idempotency-Key is with it.
    """
    SCRATCH.mkdir(parents=True, exist_ok=True)
    path = SCRATCH / name
    now = int(time.time())
    key, tokens = signed_elsewhere(count) if identity == "login" else (JWT_KEY, None)
    with open(path, "wb") as file:
        for i in range(count):
            buyer = b"buyer-%09d" % i
            if identity == "header":
                who = b"X-Buyer-Id: " + buyer
            else:
                who = b"Authorization: Bearer " + (tokens[i] if tokens else token(buyer, now))
            size = file.write(
                b"POST /v1/sales/%s/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%s\r\n"
                b"Idempotency-Key: 0193f0a0-7b6c-7000-8000-%012d\r\nContent-Length: 14\r\n\r\n"
                b'{"quantity":1}' % (sales[i % len(sales)], who, i)
            )
    if path.stat().st_size != size * count:
        raise Failed("requests of different sizes")
    return Requests(path, size, count, key)


@dataclass
class Run:
    """What wrk saw, and who was busy with it."""

    requests: int
    refused: int  # with a status of 400 or more
    seconds: float
    server_seconds: float  # CPU
    load_seconds: float  # CPU
    disturbance: float  # see Watch
    p50_us: float

    @property
    def rate(self):
        """Answers a second."""
        return self.requests / self.seconds

    @property
    def core_rate(self):
        """
        Answers for each second of CPU that the server used: its rate if the load could fill its
        core.
        """
        return self.requests / self.server_seconds

    @property
    def busy(self):
        return self.server_seconds / self.seconds


def finish(command, seconds):
    """Runs it to its end, which must come: within a minute more than it should take."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[3]} did not end") from None


def wrk(url, server, connections, requests, seconds=SECONDS, core=LOAD_CORE):
    """
    Loads what is behind url; every request at most once. server: a process, or what tells the CPU
    seconds of several.
    """
    command = ["taskset", "-c", core, "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--timeout", "10s", "--script", str(BENCH / "load.lua"), url, "--", str(requests.path), str(requests.size)]
    with Watch(server if callable(server) else lambda: cpu_seconds(server)) as watch:
        done = finish(command, seconds)
    if done.returncode != 0:
        raise Failed(f"wrk: {done.stdout}{done.stderr}")
    seen = json.loads(done.stdout.splitlines()[-1])
    if seen["errors"]:
        raise Failed(f"wrk saw {seen['errors']} errors of connections")
    if seen["requests"] > requests.count:
        raise Failed(f"{seen['requests']} answers, but only {requests.count} requests were made: buyers came twice")
    return Run(seen["requests"], seen["refused"], seen["microseconds"] / 1e6, watch.server, seen["cpu"], watch.disturbance, seen["p50_us"])


@dataclass
class OpenRun:
    """
    What an open loop saw: of the answers with the status that was expected (wanted), and of the
    others.
    """

    wanted: dict  # count, and from when each was due, in microseconds: p50_us, p99_us, p999_us
    others: dict
    own: dict  # the same of how late the load itself sent
    seconds: float
    server_seconds: float  # CPU
    disturbance: float

    @property
    def rate(self):
        """Wanted answers a second."""
        return self.wanted["count"] / self.seconds


def open_loop(url, server, requests, first, rate, connections, status, seconds=SECONDS, core=LOAD_CORE):
    """
    `rate` purchases a second, from number `first` on, whatever becomes of those before. server: a
    process.
    """
    command = ["taskset", "-c", core, str(PROGRAM.parent / "bench/open_loop"), url.rsplit(":", 1)[1], str(requests.path), str(requests.size)]
    command += [str(first), str(rate), str(seconds * 1000), str(connections), str(status), str(server)]
    with Watch(lambda: cpu_seconds(server)) as watch:
        done = finish(command, seconds)
    if done.returncode != 0:
        raise Failed(f"open_loop: {done.stderr}")
    seen = json.loads(done.stdout)
    return OpenRun(seen["wanted"], seen["others"], seen["own"], seen["ns"] / 1e9, seen["cpu_ns"] / 1e9, watch.disturbance)


def burst(server, requests, first, count, connections, status=202, sync=None, core=LOAD_CORE, port=None):
    """
    So many purchases in lockstep, or other requests, at that port of the server. sync: (file,
    bytes) to be written and synced after each step.
    """
    command = ["taskset", "-c", core, str(PROGRAM.parent / "bench/burst"), str(port or server.port), str(requests.path), str(requests.size)]
    command += [str(number) for number in (first, count, connections, status, server.pid)]
    command += [str(part) for part in sync or ()]
    with Watch(lambda: cpu_seconds(server.pid)) as watch:
        done = finish(command, BURST_SECONDS_MAX)
    if done.returncode != 0:
        raise Failed(f"burst: {done.stderr}")
    return {**json.loads(done.stdout), "disturbance": watch.disturbance}
