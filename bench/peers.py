"""
What penstock is held against: nginx. A private one, ended with the bench; the other peers are in
files of their own.
"""

import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from measure import Failed, wait_until
from server import ROOT, SCRATCH, SERVER_CORE

sys.path.append(str(ROOT / "tools/services"))

from ports import free_port  # noqa: E402


class Peer:
    """Processes that are ended with their block, also where their start fails."""

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
    """One worker that answers everything with `return STATUS` and this body."""

    def __init__(self, body, status=410):
        self.body, self.status = body, status
        self.folder = SCRATCH / "nginx"

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        temporary = "".join(f"{kind}_temp_path temp_{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(
            "daemon off; worker_processes 1; pid nginx.pid; error_log error.log;\n"
            "events { worker_connections 16384; }\n"
            f"http {{ access_log off; default_type application/problem+json; {temporary}\n"
            "  keepalive_requests 1000000000; keepalive_timeout 75s;\n"
            f"  server {{ listen 127.0.0.1:{port}; location / {{ return {self.status} '{self.body}'; }} }}\n"
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
            with urllib.request.urlopen(self.url, timeout=1) as answer:
                return answer.status == self.status
        except urllib.error.HTTPError as error:
            return error.code == self.status and len(error.read()) == len(self.body)
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
