"""What a unit's sandbox holds shut, tried from inside of it.

systemd leaves out what the kernel or a namespace does not let it do, and says so in a debug message
at most. So each line has a door: a command that gets through where the line is not in force, and
not where it is. It is tried outside of the sandbox first, as the same user: a door that is shut
there already tells nothing, and that is said.
"""

import platform
import re

from fresh_debian import hold, say

MMAP, FOLDER = {"x86_64": 9, "aarch64": 222}, "/tried"

DOORS = {
    "CapabilityBoundingSet": "! grep -q '^CapBnd:.0*$' /proc/self/status",
    "LimitNOFILE": "test $(ulimit -n) != 65536",
    "LockPersonality": "setarch --addr-no-randomize true",
    "MemoryDenyWriteExecute": f"perl -e 'exit(syscall({MMAP.get(platform.machine(), -1)}, 0, 4096, 7, 0x22, -1, 0) == -1)'",
    "NoNewPrivileges": "grep -q '^NoNewPrivs:.0' /proc/self/status",
    "PrivateDevices": "test -e /dev/tried",
    "PrivateIPC": 'test "$(readlink /proc/self/ns/ipc)" = "$IPC"',
    "PrivateTmp": "cat /tmp/tried",
    "PrivateUsers": "grep -Eq '^ *0 +0 +4294967295' /proc/self/uid_map",
    "ProcSubset": "test -e /proc/meminfo",
    "ProtectControlGroups": "grep -q ' /sys/fs/cgroup rw,' /proc/self/mountinfo",
    "ProtectHome": "cat /home/tried",
    "ProtectHostname": 'test "$(readlink /proc/self/ns/uts)" = "$UTS"',
    "ProtectKernelLogs": "dmesg",
    "ProtectKernelModules": "cat /usr/lib/modules/tried",
    "ProtectProc": "test -d /proc/1",
    "ProtectSystem": f"touch {FOLDER}/anybody",
    "RestrictAddressFamilies": "perl -MSocket -e 'socket(S, 16, SOCK_RAW, 0) or exit 1'",
    "RestrictNamespaces": "unshare --user true",
    "RestrictSUIDSGID": "f=$(mktemp) && chmod u+s $f",
    "SystemCallFilter": "f=$(mktemp) && chown $(id -u) $f",
    "UMask": "test $(umask) != 0077",
}
# What these keep shut is shut by another line, too, or to any user but root.
NO_DOOR = {
    "AmbientCapabilities", "ProtectClock", "ProtectKernelTunables", "RemoveIPC", "RestrictRealtime", "SystemCallArchitectures", "SystemCallErrorNumber",
}  # fmt: skip
# What root must be able to do in there for a line to come into force.
NEEDS = {"LimitNOFILE": ["prlimit", "--nofile=65536:65536", "true"]}
LINES = re.compile(r"((?:Ambient|Capability|Limit|Lock|Memory|NoNew|Private|Proc|Protect|RemoveIPC|Restrict[A-Z]|SystemCall|UMask)\w*)=")
# What is of the program, and not of what it may do.
OTHERS = re.compile(r"(Type|NotifyAccess|Exec\w+|WatchdogSec|Restart\w*|Timeout\w+|EnvironmentFile)=")


def prepare(debian):
    """What lies behind the doors."""
    for name in "/home/tried", "/tmp/tried", "/usr/lib/modules/tried":
        debian.run("mkdir", "-p", name.rpartition("/")[0])
        debian.run("sh", "-c", f"echo open >{name}")
    debian.run("mkdir", "-m", "1777", FOLDER)
    debian.run("mknod", "-m", "666", "/dev/tried", "c", "1", "3")
    own = "\n".join(f"{kind.upper()}={debian.run('readlink', f'/proc/1/ns/{kind}').strip()}" for kind in ("ipc", "uts"))
    doors = "\n".join(f"if {{ {command}; }} >/dev/null 2>&1; then echo door {name} open; else echo door {name} shut; fi" for name, command in DOORS.items())
    debian.run("tee", f"{FOLDER}/doors", input=f"{own}\n{doors}\n")


def found(text):
    return dict(re.findall(r"door (\w+) (open|shut)", text))


def try_unit(debian, unit):
    """The sandbox of this unit with the doors in it, in place of the program."""
    lines = debian.unit_lines(unit)
    inside = [line for line in lines[lines.index("[Service]") + 1 :] if not OTHERS.match(line)]
    inside = inside[: inside.index("[Install]")] if "[Install]" in inside else inside
    told = {match[1] for match in map(LINES.match, inside) if match}
    unknown = told - DOORS.keys() - NO_DOOR
    hold(not unknown, f"each line of the sandbox of {unit} is known to tools/sandbox.py {' '.join(sorted(unknown))}")
    text = "\n".join(["[Service]", "Type=oneshot", f"ExecStart=/bin/sh {FOLDER}/doors", f"StandardOutput=truncate:{FOLDER}/told", *inside])
    debian.run("tee", "/run/systemd/system/tried.service", input=text + "\n")
    debian.run("systemctl", "daemon-reload")
    debian.run("systemctl", "start", "tried.service")
    within = found(debian.path(f"{FOLDER}/told").read_text())
    as_user = ["setpriv", "--reuid=penstock", "--regid=penstock", "--clear-groups", "sh", "-c", f"umask 022; ulimit -n 512; . {FOLDER}/doors"]
    without = found(debian.run(*as_user))
    hold(within.keys() == without.keys() == DOORS.keys(), f"all {len(DOORS)} doors were tried in {unit}")
    doors = told & DOORS.keys()
    refused = {name for name in doors & NEEDS.keys() if not debian.tried(*NEEDS[name])[0]}
    mute = {name for name in doors - refused if without[name] == "shut"}
    ajar = {name for name in doors - refused if within[name] == "open"}
    hold(not ajar, f"{len(doors - refused - mute)} lines of the sandbox of {unit} are in force {' '.join(sorted(ajar))}".rstrip())
    for names, why in (refused, "REFUSED by this machine, to root too"), (mute, "NOT TOLD on this machine, which shuts that door to anybody"):
        if names:
            say(f"{why}: {' '.join(sorted(names))} of {unit}")
