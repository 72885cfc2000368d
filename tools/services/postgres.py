"""A private PostgreSQL for tests: its own folder, socket and port, with fsync, and ended with
whoever started it.

As a program (for tests in C): `postgres.py run` prints the socket's folder and the port once the
server takes connections, and runs until its standard input ends.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from freezing import freeze
from ports import free_port

# The server refuses to run as root; Debian's package has a user for it.
USER = "postgres"
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
    "restart_after_crash": "on",
}


def folder_of_programs():
    """Debian keeps the server's programs of each version apart, and off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent  # a link to one of them leads to all
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not versions:
        sys.exit("there is no PostgreSQL server here: run tools/setup test")
    return versions[-1].parent


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {seconds} s")
        time.sleep(0.01)


def is_alive(pid):
    """
    Whether it still has its memory: one that has ended, and that nobody has asked about, has none.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Postgres:
    def __init__(self, **settings):
        self.programs = folder_of_programs()
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-pg-", dir="/tmp"))  # a socket's path has at most 107 bytes
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.settings = {**SETTINGS, **settings}
        self.as_user = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chmod(self.folder, 0o755)
        self.process = None
        self.made = 0
        self.port = free_port()
        try:
            self.program("initdb", "-D", self.data, "-U", "penstock", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def program(self, name, *arguments):
        done = subprocess.run(
            [str(self.programs / name), *map(str, arguments)],
            cwd=self.folder, capture_output=True, text=True, timeout=120, **self.as_user,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, wait=True):
        arguments = [f"-c{name}={value}" for name, value in self.settings.items()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.data), "-k", str(self.folder), "-p", str(self.port), *arguments],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **self.as_user,
            )  # fmt: skip
        if wait:
            wait_until(self.is_ready, 60, "PostgreSQL")
        return self

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text(errors="replace")
        done = subprocess.run(
            [str(self.programs / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)], timeout=60
        )
        return done.returncode == 0

    def url(self, database="postgres", tcp=False):
        if tcp:
            return f"postgresql://penstock@127.0.0.1:{self.port}/{database}"
        return f"postgresql://penstock@/{database}?host={self.folder}&port={self.port}"

    def sql(self, query, database="postgres"):
        """The rows of a query, as lists of texts."""
        text = self.program("psql", "-XqAt", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", query)
        return [line.split("\x1f") for line in text.splitlines()]

    def make_database(self):
        self.made += 1
        name = f"ledger_{self.made}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def kill(self, number=signal.SIGKILL):
        """The server's first process, and nobody else."""
        self.process.send_signal(number)
        self.process.wait(60)

    def children(self):
        """
        The server's other processes: each is a session and a process group of its own, but the
        child of the first.
        """
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                pid, rest = status.read_text().split(" ", 1)
                if int(rest.rsplit(")", 1)[1].split()[1]) == self.process.pid:
                    found.append(int(pid))
        return found

    def crash(self):
        """Everything at once, as in a power cut, but for what the kernel has not written yet."""
        freeze(self.process)  # so that it starts no more of them
        children = self.children()
        for number in (signal.SIGSTOP, signal.SIGKILL):  # and no one of them sees another go
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        self.process.kill()
        self.process.wait(60)
        wait_until(lambda: not any(map(is_alive, children)), 60, "the end of PostgreSQL's processes")

    def end(self, number):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.crash()

    def stop(self):
        self.end(signal.SIGINT)  # a fast shutdown

    def free(self):
        """Nobody asks for its data again: it writes nothing down before it goes."""
        with contextlib.suppress(ProcessLookupError):
            self.end(signal.SIGQUIT)  # an immediate shutdown
        shutil.rmtree(self.folder, ignore_errors=True)


def main(arguments):
    if arguments != ["run"]:
        sys.exit(__doc__)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # a terminal sends them to all; the end of our input is what counts
    # Nobody cuts the power of these, and a disk that others keep busy for seconds would make who
    # waits for a lock give up.
    server = Postgres(fsync="off")
    try:
        server.start()
        print(server.folder, server.port, flush=True)
        sys.stdin.read()
    finally:
        server.free()


if __name__ == "__main__":
    main(sys.argv[1:])
