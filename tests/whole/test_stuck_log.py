"""Whoever reads standard error stops reading: nothing else may stop with it."""

import os
import signal
import time

from penstock import wait_until


class Unread:
    """A pipe in the place of the log file, which nobody reads until the test does."""

    def __init__(self, folder):
        self.path = folder / "unread"
        os.mkfifo(self.path)
        self.reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self):
        try:
            return os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return b""


def fill(server):
    """Until more was logged than the pipe and the program's memory hold."""
    answer = server.operate("PUT", "/v1/log-level", {"level": "debug"})
    assert answer.status == 200, answer.body
    deadline = time.monotonic() + 120
    while server.metric("penstock_log_dropped_total") == 0:
        assert time.monotonic() < deadline, "no line was dropped"
        for _ in range(50):
            server.operate("GET", "/v1/sales/none")


def test_a_log_that_nobody_reads_stops_neither_sales_nor_pause_nor_the_end(serve, tmp_path):
    unread = Unread(tmp_path)
    server = serve(wrapper=("/bin/sh", "-c", f'exec "$@" 2>"{unread.path}"', "sh"))
    server.make_sale("drop", 100)
    fill(server)
    assert server.buy("drop", "anna", key="key").status == 202
    assert server.operate("POST", "/v1/sales/drop/pause").status == 200
    assert server.buy("drop", "berta", key="key").code == "sale-not-open"
    assert server.operate("POST", "/v1/sales/drop/resume").status == 200
    assert server.buy("drop", "berta", key="key").status == 202
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0
    assert time.monotonic() - start < 20


def test_what_was_dropped_is_said_when_somebody_reads_again(serve, tmp_path):
    unread = Unread(tmp_path)
    server = serve(wrapper=("/bin/sh", "-c", f'exec "$@" 2>"{unread.path}"', "sh"))
    fill(server)
    seen = b""

    def said():
        nonlocal seen
        seen += unread.read()
        return b"lines were dropped" in seen

    wait_until(said, seconds=60, what="the line that says it")
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: unread.read() is not None and server.process.poll() is not None, seconds=20, what="the end")
