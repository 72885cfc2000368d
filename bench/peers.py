"""What penstock is held against: nginx, and PostgreSQL with one hot row. Private ones, ended with the bench."""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from measure import Failed, Watch, wait_until
from server import LOAD_CORE, ROOT, SCRATCH, SERVER_CORE

sys.path.append(str(ROOT / "tools/services"))

from ports import free_port  # noqa: E402


class Peer:
    """A process that is ended with its block, also where its start fails."""

    process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        if self.process and self.process.poll() is None:
            self.stop()
            self.process.wait(30)


class Nginx(Peer):
    """One worker that answers everything with `return 410` and this body."""

    def __init__(self, body):
        self.body = body
        self.folder = SCRATCH / "nginx"

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        temporary = "".join(f"{kind}_temp_path temp_{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(
            "daemon off; worker_processes 1; pid nginx.pid; error_log error.log;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ access_log off; default_type application/problem+json; {temporary}\n"
            "  keepalive_requests 1000000000; keepalive_timeout 75s;\n"
            f"  server {{ listen 127.0.0.1:{port}; location / {{ return 410 '{self.body}'; }} }}\n"
            "}\n"
        )
        command = ["taskset", "-c", SERVER_CORE, "nginx", "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, "nginx")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.pid = int(children[0])

    def answers(self):
        if self.process.poll() is not None:
            raise Failed(f"nginx ended: {(self.folder / 'error.log').read_text()}")
        try:
            urllib.request.urlopen(self.url, timeout=1)
        except urllib.error.HTTPError as error:
            return error.code == 410 and len(error.read()) == len(self.body)
        except OSError:
            return False

    def stop(self):
        self.process.terminate()


class HotRow(Peer):
    """PostgreSQL, as Debian sets it up, and pgbench that sells the naive way: everybody updates one row."""

    CLIENTS = 64
    SCHEMA = """
        CREATE TABLE lots (id int PRIMARY KEY, units_left int NOT NULL CHECK (units_left >= 0));
        CREATE TABLE orders (id bigserial PRIMARY KEY, lot int NOT NULL, buyer bigint NOT NULL, placed_at timestamptz NOT NULL DEFAULT now());
        INSERT INTO lots VALUES (1, 1000000000);
    """
    PURCHASE = """
        \\set buyer random(1, 1000000000)
        BEGIN;
        UPDATE lots SET units_left = units_left - 1 WHERE id = 1 AND units_left > 0;
        INSERT INTO orders (lot, buyer) VALUES (1, :buyer);
        COMMIT;
    """

    folder = None

    def as_owner(self, *command):
        """PostgreSQL does not run as root."""
        return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)

    def make_folder(self):
        """On the same disk as the rest. Its user may not be let into our folder: then where everybody is."""
        SCRATCH.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=SCRATCH))
        if os.geteuid() != 0:
            return folder
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        if subprocess.run(self.as_owner("test", "-w", str(folder)), cwd="/").returncode == 0:
            return folder
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="penstock-bench-", dir="/var/tmp"))
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        if folder.stat().st_dev != SCRATCH.stat().st_dev:
            folder.rmdir()
            raise Failed(f"the user postgres cannot get into {SCRATCH}, and /var/tmp is on another disk")
        return folder

    def program(self, name):
        found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
        if not found:
            raise Failed(f"{name} is not installed (tools/setup bench)")
        return str(found[-1])

    def run(self, *command, **options):
        done = subprocess.run(self.as_owner(*command), capture_output=True, text=True, cwd="/", **options)
        if done.returncode != 0:
            raise Failed(f"{command[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self):
        self.folder = self.make_folder()
        self.data, self.port = str(self.folder / "data"), free_port()
        self.run(self.program("initdb"), "-D", self.data, "-A", "trust", "-U", "bench", "--no-sync")
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "on", "max_connections": 100}
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", SERVER_CORE, *self.as_owner(self.program("postgres"), "-D", self.data, *flags)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self.answers, "PostgreSQL", pause=0.05)
        self.psql(self.SCHEMA)
        script = self.folder / "purchase.sql"
        script.write_text("\n".join(line.strip() for line in self.PURCHASE.strip().splitlines()) + "\n")
        script.chmod(0o644)

    def answers(self):
        if self.process.poll() is not None:
            raise Failed(f"PostgreSQL ended: {(self.folder / 'log').read_text()}")
        command = [self.program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command).returncode == 0

    def client(self, name, *arguments):
        return [self.program(name), "-h", "127.0.0.1", "-p", str(self.port), "-U", "bench", *arguments]

    def psql(self, statement):
        return self.run(*self.client("psql", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-Atqc", statement)).strip()

    def sell(self, seconds):
        """Purchases a second, and how much others disturbed them."""
        flags = ["-n", "-M", "prepared", "-c", str(self.CLIENTS), "-j", "1", "-T", str(seconds), "-f", str(self.folder / "purchase.sql")]
        before = int(self.psql("SELECT count(*) FROM orders"))
        with Watch(self.cpu_seconds) as watch:
            out = self.run("taskset", "-c", LOAD_CORE, *self.client("pgbench", *flags, "postgres"))
        sold = int(self.psql("SELECT count(*) FROM orders")) - before
        rate = re.search(r"^tps = ([0-9.]+)", out, re.MULTILINE)
        counted = re.search(r"^number of transactions actually processed: (\d+)", out, re.MULTILINE)
        if not rate or not counted or int(counted[1]) != sold:
            raise Failed(f"pgbench and the table do not agree ({sold} orders): {out}")
        return float(rate[1]), watch.disturbance

    def cpu_seconds(self):
        """Of the server and of its sessions that have ended."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        subprocess.run(self.as_owner(self.program("pg_ctl"), "-D", self.data, "-m", "immediate", "stop"), cwd="/", capture_output=True)

    def __exit__(self, *exception):
        super().__exit__()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
