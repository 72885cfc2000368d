"""A fresh Debian to try packages in, and a systemd that runs it.

The root is made once by debootstrap from the place and release that this machine's apt has; what a
run changes lies in an overlay. All of it is mounted in a namespace that ends with the run.

`Booted` starts systemd in there as the process with the number 1, in namespaces of its own, and on
a group of its own of cgroup v2. That is mounted afresh, so it is the same on a machine that has
only v1, both or only v2, whether systemd runs that machine or not. systemd-nspawn does much the
same; it takes over the machine's own hierarchy, which newer releases of systemd refuse where it is
v1, leaves groups behind in it, and is one more package.
"""

import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASE = ROOT / "build-deb-root"
CLONE_NEWNS, CLONE_NEWNET, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x00020000, 0x40000000, 0x8913, 0x8914, 1
START_S = 120  # of a busy machine: two seconds of a calm one
HALT = signal.SIGRTMIN + 3

# The process that becomes systemd. /proc/sys is the machine's own, and /sys too: read only.
INIT = """
echo 0 >"$GROUP/cgroup.procs"
exec unshare --cgroup sh -euc '
cd "$1"
umount proc
mount -t proc -o nosuid,nodev,noexec proc proc
for name in proc/sys proc/sysrq-trigger; do
	[ -e "$name" ] || continue
	mount --bind "$name" "$name"
	mount -o remount,bind,ro,nosuid,nodev,noexec "$name"
done
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,nosuid tmpfs dev
mkdir dev/pts dev/shm
for device in null:3 zero:5 full:7 random:8 urandom:9; do
	mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 dev/tty c 5 0
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
pivot_root . mnt
umount -l /mnt
exec env -i container=try-deb PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal --log-level=info --show-status=no
' sh "$FRESH"
"""


class NoSystemd(Exception):
    """This machine does not let one run; why."""


def say(text):
    print(f"try-deb: {text}", flush=True)


def call(*command, **options):
    done = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode:
        sys.exit(f"try-deb: failed with {done.returncode}: {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def hold(fact, what):
    if not fact:
        sys.exit(f"try-deb: not so: {what}")
    say(f"holds: {what}")


def within(seconds, fact):
    """Whether it has become so in that time: what it is then."""
    end = time.monotonic() + seconds
    while True:
        found = fact()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.1)


def make_base():
    """From where apt gets its packages here: the first of its indexes, and the release's name."""
    first = call("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(SIGNED_BY)", "Created-By: Packages").split()
    mirror, release = first[0], first[1]
    keys = ["--keyring", first[2]] if len(first) > 2 and first[2].startswith("/") else []
    say(f"making {BASE.name}/: {release}")
    partial = BASE.with_name(BASE.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    call("debootstrap", "--variant=minbase", "--include=systemd,man-db", *keys, release, partial, mirror)
    # How apt reaches its mirror is this machine's affair: the same in there.
    acquire = [line for line in call("apt-config", "dump", "Acquire").splitlines() if re.match(r"Acquire::(https?|ftp)::", line)]
    (partial / "etc/apt/apt.conf.d/01mirror").write_text("\n".join(acquire) + "\n")
    partial.rename(BASE)


def unshare(flag, what):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flag):
        sys.exit(f"try-deb: no {what} of its own: {os.strerror(ctypes.get_errno())}")


def alone_with_mounts():
    """From here on what is mounted is seen by this process and its children alone."""
    unshare(CLONE_NEWNS, "mounts")
    call("mount", "--make-rprivate", "/")


def alone_on_loopback():
    """From here on no address of this machine is in anybody's way."""
    unshare(CLONE_NEWNET, "network")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, name))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


class Debian:
    """A root in an overlay over the fresh one; its mounts end with this process's namespace."""

    def __init__(self, folder):
        self.folder, self.root = folder, folder / "root"
        self.enter = ["chroot", self.root]
        for name in "root", "upper", "work":
            (folder / name).mkdir()
        call("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={BASE},upperdir={folder}/upper,workdir={folder}/work", self.root)
        call("mount", "-t", "proc", "proc", self.root / "proc")
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        (self.root / "debs").mkdir()

    def words(self, *command):
        """How the command is run in there, and with which environment."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        proxies = {name: value for name, value in os.environ.items() if name.lower() in ("http_proxy", "https_proxy", "no_proxy")}
        return [*map(str, self.enter), *map(str, command)], {**environment, **proxies}

    def run(self, *command, **options):
        words, environment = self.words(*command)
        return call(*words, env=environment, **options)

    def tried(self, *command):
        """Whether it exits with 0, and what it says."""
        words, environment = self.words(*command)
        done = subprocess.run(words, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode == 0, done.stdout

    def command(self, *words):
        # As `sudo -u penstock` does: the token that was made beside the ledger is that user's
        # alone.
        as_service = ["setpriv", "--reuid=penstock", "--regid=penstock", "--clear-groups", "--reset-env"]
        return self.run(*as_service, "penstock", *words, "--config", "/etc/penstock/penstock.conf")

    def path(self, name):
        return self.root / name.lstrip("/")

    def user(self, name):
        """Its numbers, as the passwd in there has them."""
        for line in self.path("/etc/passwd").read_text().splitlines():
            if line.startswith(name + ":"):
                return tuple(map(int, line.split(":")[2:4]))
        return None

    def unit_lines(self, name):
        found = [folder for folder in ("/usr/lib/systemd/system", "/lib/systemd/system") if self.path(f"{folder}/{name}").is_file()]
        return self.path(f"{found[0]}/{name}").read_text().splitlines()

    def unit(self, name):
        return dict(line.partition("=")[::2] for line in self.unit_lines(name) if re.match(r"\w+=", line))


@contextlib.contextmanager
def control_group(folder):
    """
    An empty group of cgroup v2, below the one that this process is in: what limits it limits that,
    too. Its folder, or None and why there is none. No process in it outlives this, nor does it.
    """
    mount = folder / "cgroup2"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "cgroup2", "cgroup2", mount], text=True, stderr=subprocess.PIPE)
    if done.returncode:
        yield None, done.stderr.strip()
        return
    (own,) = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    group = mount / own.lstrip("/") / folder.name

    def is_gone():
        for inner, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(inner)
        return not group.exists()

    why = None
    try:
        group.mkdir()
    except OSError as error:
        why = f"no control group of its own: {error}"
    try:
        yield None if why else group, why
    finally:
        if not within(30, is_gone):
            say(f"LEFT BEHIND: the control group {own.rstrip('/')}/{folder.name}")
        call("umount", mount)


class Booted:
    """A Debian whose systemd runs, and ends with this."""

    def __init__(self, debian, group):
        self.debian, self.group = debian, group
        self.process, self.first = None, None

    def begin(self):
        """What has begun, or NoSystemd."""
        log = self.debian.folder / "boot.log"
        self.process = subprocess.Popen(
            ["unshare", "--pid", "--uts", "--ipc", "--mount", "--propagation", "private", "--fork", "--kill-child", "sh", "-euc", INIT],
            env={"PATH": os.environ["PATH"], "GROUP": str(self.group), "FRESH": str(self.debian.root)},
            stdin=subprocess.DEVNULL, stdout=open(log, "wb"), stderr=subprocess.STDOUT,
        )  # fmt: skip
        if not within(START_S, lambda: self.process.poll() is not None or self.is_systemd()):
            raise NoSystemd("it has not begun")
        self.debian.enter = ["nsenter", "--target", self.first, "--mount", "--pid", "--uts", "--ipc", "--cgroup"]
        # Not by --wait, which wants a bus.
        if not within(START_S, lambda: self.process.poll() is not None or self.state() in ("running", "degraded")):
            raise NoSystemd(f"it has not come up: {self.state()}")
        if self.process.poll() is not None:
            raise NoSystemd(" ".join(log.read_text(errors="replace").split()) or f"it has ended with {self.process.poll()}")
        failed = self.debian.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager").splitlines()
        say(f"systemd runs: {self.debian.run('systemctl', '--version').splitlines()[0]}, {self.state()} {' '.join(failed)}".rstrip())

    def is_systemd(self):
        try:
            found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            self.first = found[0] if found else None
            return self.first and Path(f"/proc/{self.first}/comm").read_text().strip() == "systemd"
        except OSError:
            return False

    def state(self):
        return self.debian.tried("systemctl", "is-system-running")[1].strip()

    def end(self):
        self.debian.enter = ["chroot", self.debian.root]
        if not self.process:
            return
        if self.process.poll() is None and self.first:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(self.first), HALT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()  # takes its child along, and that every other process in there
            self.process.wait()
