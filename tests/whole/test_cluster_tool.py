"""
tools/cluster as a newcomer meets it: what it prints is enough to buy, and nothing is left of it.
"""

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

from penstock import PROGRAM, ROOT, plain_environment, request, wait_until


def tool(command, log, *options):
    """tools/cluster with a program that is built already."""
    with open(log, "wb") as out:
        return subprocess.Popen(
            [ROOT / "tools/cluster", command, "--program", PROGRAM, *options],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            env={**plain_environment(), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip


def processes():
    """Each process that runs: its parent, and when it began."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = place.read_text().rsplit(")", 1)[1].split()
            if fields[0] != "Z":
                found[int(place.parent.name)] = (int(fields[1]), int(fields[19]))
    return found


def family(root):
    """The process, its children and theirs: when each began."""
    there, found = processes(), {}
    todo = [root]
    while todo:
        pid = todo.pop()
        if pid in there:
            found[pid] = there[pid][1]
            todo += [child for child, (parent, _) in there.items() if parent == pid]
    return found


def left(them):
    there = processes()
    return {pid for pid, began in them.items() if pid in there and there[pid][1] == began}


def end(process):
    if process.poll() is None:
        os.kill(process.pid, signal.SIGTERM)
    return process.wait(60)


def test_up_prints_what_it_takes_to_buy_at_each_gate_and_leaves_nothing(tmp_path):
    log = tmp_path / "out"
    process = tool("up", log)
    try:

        def is_up():
            assert process.poll() is None, log.read_text()
            return "Ctrl-C" in log.read_text()

        wait_until(is_up, 120, "the cluster")
        text = log.read_text()
        them = family(process.pid)
        assert len(them) >= 7  # the tool, three services, three of ours
        token = re.search(r"TOKEN=(\S+)", text).group(1)
        publics = re.findall(r"gate-\d +buyers (\S+)", text)
        assert len(set(publics)) == 2
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "first"}
        first, again = (request(public, "POST", "/v1/sales/sample/orders", {"quantity": 1}, headers) for public in publics)
        assert first.status == 202, first.body
        # The same key at the other gate is the same order, and another key meets the limit of the
        # one sale.
        assert again.status == 202 and again.json["id"] == first.json["id"], again.body
        other = request(publics[1], "POST", "/v1/sales/sample/orders", {"quantity": 1}, {**headers, "Idempotency-Key": "second"})
        assert (other.status, other.code) == (409, "buyer-limit-reached"), other.body
        for name in ("redis://", "kafka://", "postgresql://", "/docs", "/metrics", "gate-2.log"):
            assert name in text
        looks = re.findall(r"^  \(cd .*\)$", text, re.MULTILINE)
        assert len(looks) == 4
        for look in looks:
            done = subprocess.run(["sh", "-c", look], cwd="/", env=plain_environment(), capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, (look, done.stdout, done.stderr)
        folder = Path(re.search(r"settings +(\S+)/penstock.conf", text).group(1))
    finally:
        code = end(process)
    assert code == 0, log.read_text()
    assert not left(them)
    assert not folder.exists()


def test_a_short_demo_keeps_every_promise(tmp_path):
    log = tmp_path / "out"
    process = tool("demo", log, "--buyers=2000", "--bots=10", "--units=300", "--over=6")
    them = {}

    def is_over():
        them.update(family(process.pid))
        return process.poll() is not None

    try:
        wait_until(is_over, 150, "the verdict")
    finally:
        code = end(process)
    text = log.read_text()
    assert code == 0, text
    assert "every promise holds" in text and "BROKEN" not in text
    report, _, feed = text.partition("The report")[2].partition("The feed")
    assert re.search(r"^refunded +3 ", report, re.MULTILINE) and re.search(r"^expired +[1-9]", report, re.MULTILINE), report
    assert feed.count("  order.refunded  ") == 3
    for name in ("gate-1 killed", "drain killed", "Redis killed", "the stock is rebuilt"):
        assert name in text
    assert not left(them)
