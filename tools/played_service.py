"""systemd's part, played, for machines that let none run: the units' user, folder, commands and
notifications, and nothing of their sandbox.
"""

import os
import select
import shutil
import socket
import subprocess
import time

from fresh_debian import call


class PlayedService:
    """A unit of Type=notify, without a service manager: this does what the unit tells one to."""

    def __init__(self, debian, unit):
        self.debian, self.unit = debian, debian.unit(unit)
        self.notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.place = debian.path(f"/run/{unit}.notify")
        self.place.unlink(missing_ok=True)
        self.notes.bind(str(self.place))
        self.place.chmod(0o666)
        user, group = debian.user(self.unit["User"])
        folder = "/"
        if "StateDirectory" in self.unit:
            folder = "/var/lib/" + self.unit["StateDirectory"]
            debian.path(folder).mkdir(mode=int(self.unit["StateDirectoryMode"], 8), exist_ok=True)
            os.chown(debian.path(folder), user, group)
        self.process = subprocess.Popen(
            [shutil.which("chroot"), f"--userspec={user}:{group}", str(debian.root), "sh", "-c", 'cd "$0" && exec "$@"', folder, *self.unit["ExecStart"].split()],
            env={"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": f"/run/{unit}.notify"},
            stdout=subprocess.DEVNULL, stderr=open(debian.path("/debs/log"), "ab"),
        )  # fmt: skip

    def heard(self, text):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if select.select([self.notes], [], [], 1)[0] and text in self.notes.recv(4096).decode():
                return True
            if self.process.poll() is not None:
                return False
        return False

    def reload(self):
        call(*self.unit["ExecReload"].replace("$MAINPID", str(self.process.pid)).split())

    def stop(self):
        self.process.terminate()
        return self.process.wait(int(self.unit["TimeoutStopSec"]) + 30)
