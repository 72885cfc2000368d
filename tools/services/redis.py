"""A private Redis for tests: its own folder and port, with an append-only file; replicas and
Sentinels where a test needs them.

As a program (for tests in C): `redis.py run` prints the port once the server takes commands, and
runs until its standard input ends.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from freezing import freeze, thaw
from ports import free_port
from postgres import wait_until

SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "maxmemory-policy": "noeviction",
    "repl-diskless-sync-delay": "0",
    "loglevel": "notice",
}


class Connection:
    """
    The protocol itself (RESP2), so that no client library stands between a test and the server.
    """

    def __init__(self, port, timeout=10.0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def call(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self.read()

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server hung up")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind in b"+:":
            return int(rest) if kind == b":" else rest.decode()
        size = int(rest)
        if size < 0:
            return None
        if kind == b"$":
            return self.file.read(size + 2)[:-2]
        return [self.read() for _ in range(size)]


class Server:
    """One process of redis-server's; the settings are its own file's."""

    program = "redis-server"

    def __init__(self, settings, port=None):
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-redis-"))
        self.port = port or free_port()
        self.settings = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "daemonize": "no", **settings}
        self.file = self.folder / "server.conf"
        self.log = self.folder / "log"
        self.process = None
        if not shutil.which(self.program):
            sys.exit(f"there is no {self.program} here: run tools/setup test")
        self.write_settings()

    def write_settings(self):
        lines = [f"{name} {value}" for name, one in self.settings.items() for value in (one if isinstance(one, list) else [one])]
        self.file.write_text("\n".join(lines) + "\n")

    def start(self, wait=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, str(self.file)], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if wait:
            wait_until(self.is_ready, 60, self.program)
        return self

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text(errors="replace")
        try:
            return self.call("PING") == "PONG"
        except (OSError, RuntimeError):  # not there yet, or loading
            return False

    def call(self, *words):
        with Connection(self.port) as connection:
            return connection.call(*words)

    def info(self, section):
        lines = self.call("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def kill(self, number=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)

    def freeze(self):
        """It answers nobody and drops nobody, as behind a partition."""
        freeze(self.process)

    def thaw(self):
        thaw(self.process)

    def free(self):
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.thaw()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis(Server):
    def __init__(self, port=None, **settings):
        """Names with a hyphen are written with an underscore."""
        super().__init__({**SETTINGS, **{name.replace("_", "-"): value for name, value in settings.items()}}, port)

    def url(self, database=0, user=None):
        return f"redis://{user + '@' if user else ''}127.0.0.1:{self.port}/{database}"

    def restart(self, empty=False):
        """After kill(): with what is on its disk, or as one that has forgotten all."""
        if empty:
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.suffix in (".rdb", ".aof"):
                    path.unlink()
        return self.start()

    def role(self):
        """"master", "slave", or None while it does not say: a change of it closes connections."""
        with contextlib.suppress(OSError):
            return self.info("replication")["role"]

    def follow(self, master):
        self.call("REPLICAOF", "127.0.0.1", master.port)
        wait_until(lambda: self.info("replication").get("master_link_status") == "up", 60, "the replica's link")

    def promote(self):
        self.call("REPLICAOF", "NO", "ONE")


class Sentinel(Server):
    """Watches a master; three of them agree on a failover."""

    program = "redis-sentinel"

    def __init__(self, master, name="penstock", quorum=2, down_after_ms=1000, port=None):
        super().__init__(
            {
                "sentinel": [
                    f"monitor {name} 127.0.0.1 {master.port} {quorum}",
                    f"down-after-milliseconds {name} {down_after_ms}",
                    f"failover-timeout {name} 5000",
                    f"parallel-syncs {name} 1",
                ]
            },
            port,
        )
        self.name = name

    def master_port(self):
        return int(self.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)[1])


def main(arguments):
    if arguments != ["run"]:
        sys.exit(__doc__)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server = Redis()
    try:
        server.start()
        print(server.port, flush=True)
        sys.stdin.read()
    finally:
        server.free()


if __name__ == "__main__":
    main(sys.argv[1:])
