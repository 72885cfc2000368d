"""
Clients that are slow, silent or very many: they are cut or refused in time, and nobody else waits
for them.
"""

import os
import resource
import socket
import threading
import time
import urllib.parse

import pytest

from penstock import OPERATOR_TOKEN, buyer_token, run, wait_until
from wire import Closed, Wire

GET = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"
# Quick, and yet a client that a busy machine keeps from its core between two calls is not cut for
# it.
QUICK = {"gate.header_timeout": "2s", "gate.body_timeout": "2s", "gate.idle_timeout": "2s", "gate.write_timeout": "2s"}


def purchase(buyer, key="key"):
    return (
        f"POST /v1/sales/drop/orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        f"Authorization: Bearer {buyer_token(buyer)}\r\nIdempotency-Key: {key}\r\n\r\n{{}}"
    ).encode()


def end_of(wire):
    """What still comes before the end."""
    try:
        while True:
            wire.more()
    except (Closed, ConnectionResetError):
        return wire.buffer


class Dripping(threading.Thread):
    """Sends a byte every 50 ms, far within every deadline if that began anew with each byte."""

    def __init__(self, wire, data):
        super().__init__(daemon=True)
        self.wire, self.data, self.over = wire, data, threading.Event()

    def run(self):
        for i in range(len(self.data)):
            try:
                self.wire.send(self.data[i : i + 1])
            except OSError:
                return
            if self.over.wait(0.05):
                return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


@pytest.mark.parametrize("before", [b"", b"POST /v1/sales/drop/orders HTTP/1.1\r\nHost: test\r\nContent-Length: 9999\r\n\r\n"], ids=["headers", "body"])
def test_bytes_that_drip_are_cut_at_the_deadline(serve, before):
    server = serve(QUICK)
    start = time.monotonic()
    with Wire(server.public) as wire:
        wire.send(before)
        with Dripping(wire, b"GET /livez HTTP/1.1\r\nHost: test\r\nX-Padding: " + b"x" * 200):
            reply = wire.read()
        assert (reply.status, reply.code) == (408, "request-timeout")
        assert reply.header("connection") == "close"
        assert 1.9 < time.monotonic() - start < 10  # all its bytes take twelve
        assert end_of(wire) == b""


def test_silence_is_cut_without_a_word(serve):
    server = serve(QUICK)
    with Wire(server.public) as never, Wire(server.public) as after:
        assert after.ask(GET).status == 200
        assert end_of(never) == b"" and end_of(after) == b""
    wait_until(lambda: server.metric("penstock_http_timeouts_total") == 2)


def test_half_requests_hold_no_slot(serve):
    server = serve({"gate.in_flight_max": 2, "gate.header_timeout": "1h", "gate.body_timeout": "1h"})
    server.make_sale("drop", 50)
    slow = [Wire(server.public) for _ in range(20)]
    for i, wire in enumerate(slow):
        wire.send(purchase(f"slow-{i}")[:-1])
    for i in range(10):
        assert server.buy("drop", f"quick-{i}").status == 202
    for wire in slow:
        wire.send(b"}")
    assert {wire.read().status for wire in slow} <= {202, 503}
    server.audit()


def test_a_client_that_does_not_read_is_cut(serve):
    server = serve(QUICK)
    wire = Wire(server.public, timeout=0.2)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with pytest.raises(OSError):  # first nothing more is read from it, then it is cut
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                wire.send(b"GET /openapi.json HTTP/1.1\r\nHost: test\r\n\r\n" * 50)
            except TimeoutError:
                assert server.ask("GET", "/livez").status == 200
    wire.socket.close()
    assert server.metric("penstock_http_timeouts_total") == 1
    wait_until(lambda: server.metric("penstock_connections") == 0)


def test_slow_connections_do_not_fill_the_server(serve):
    """Who has been waited for longest goes first."""
    server = serve({"gate.header_timeout": "1h", "gate.connections_max": 20})
    slow = []
    for _ in range(20):
        slow.append(Wire(server.public))
        slow[-1].send(b"GET /livez HT")
    wait_until(lambda: server.metric("penstock_connections") == 20, what="all to be taken")
    wait_until(lambda: server.metric("penstock_http_received_bytes_total") >= 20 * 13, what="their bytes to be read")
    for _ in range(5):
        assert served(server)
    assert server.operate("GET", "/v1/sales").status == 200, "operators have a door of their own"
    assert server.metric("penstock_connections_evicted_total") >= 1
    assert server.metric("penstock_connections_refused_total") == 0


def served_from(server, source):
    address = urllib.parse.urlsplit(server.public)
    with socket.create_connection((address.hostname, address.port), timeout=10, source_address=(source, 0)) as connection:
        connection.sendall(b"GET /v1/sales HTTP/1.1\r\nHost: test\r\n\r\n")
        return connection.recv(12) == b"HTTP/1.1 200"


def test_one_address_does_not_take_the_shop(serve):
    """
    Found: 10,000 idle connections of one address, made in 0.4 s, had everybody else answered 503.
    """
    server = serve({"gate.connections_max": 200})
    modest = Wire(server.public)  # of another address than the greedy one, and idle for longest
    assert modest.ask(GET).status == 200
    greedy = []
    for _ in range(300):
        address = urllib.parse.urlsplit(server.public)
        greedy.append(socket.create_connection((address.hostname, address.port), timeout=10, source_address=("127.0.0.2", 0)))
    wait_until(lambda: server.metric("penstock_connections") == 200, what="the shop to be full")
    others = [served_from(server, f"127.0.0.{i}") for i in range(3, 53)]
    assert all(others), others.count(False)
    assert modest.ask(GET).status == 200
    for connection in greedy:
        connection.close()


def test_busy_connections_leave_a_reserve_for_probes(serve):
    """
    Streams are nobody's idleness: buyers are told that there is no room, and a load balancer still
    learns that the gate is well.
    """
    server = serve({"gate.connections_max": 10})
    server.make_sale("drop", 5)
    streams = [Wire(server.public) for _ in range(10)]
    for wire in streams:
        wire.send(b"GET /v1/sales/drop/events HTTP/1.1\r\nHost: test\r\n\r\n")
        assert wire.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    for _ in range(100):
        with Wire(server.public) as probe:
            reply = probe.ask(GET)
            assert (reply.status, reply.header("connection")) == (200, "close")
        answer = server.ask("GET", "/v1/sales")
        assert (answer.status, answer.code, answer.header("Retry-After")) == (503, "overloaded", "1")
    for wire in streams:
        wire.socket.close()
    wait_until(lambda: served(server), what="room again")


def test_idle_connections_do_not_shut_the_operators_out(serve):
    """
    Found: 256 of them, without a token, and there were no operators, no metrics and no payments.
    """
    server = serve()
    idle = [Wire(server.operator) for _ in range(300)]
    assert server.operate("GET", "/v1/sales").status == 200
    assert server.metric("penstock_connections") == 0
    for wire in idle:
        wire.socket.close()


def watch(base, source=None, **headers):
    address = urllib.parse.urlsplit(base)
    connection = socket.create_connection((address.hostname, address.port), timeout=20, source_address=(source, 0) if source else None)
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"GET /v1/sales/drop/events HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
    return connection


def status(connection):
    return int(connection.recv(12).split()[1])


def test_streams_have_a_budget_for_each_address(serve):
    """Behind a proxy too, where they are counted by the client that it names."""
    server = serve({"gate.trusted_proxies": "127.0.0.1", "gate.threads": 1})
    server.make_sale("drop", 5)
    streams = [watch(server.public, X_Forwarded_For="203.0.113.1") for _ in range(256)]
    assert {status(stream) for stream in streams} == {200}
    with watch(server.public, X_Forwarded_For="203.0.113.1") as stream:
        assert stream.recv(4096).startswith(b"HTTP/1.1 429 ")
    for client in ("203.0.113.2", "2001:db8::1"):
        with watch(server.public, X_Forwarded_For=client) as stream:
            assert status(stream) == 200
    for stream in streams:
        stream.close()


def test_streams_of_one_address_do_not_shut_out_other_watchers(serve):
    """
    Found: as many as there may be of them, and nobody else could watch. A quarter of the
    connections is for who does not.
    """
    server = serve({"gate.threads": 1, "gate.connections_max": 80})
    server.make_sale("drop", 5)
    streams = [watch(server.public) for _ in range(60)]
    assert {status(stream) for stream in streams} == {200}
    with watch(server.public, "127.0.0.2") as other:
        assert status(other) == 200
        ended = streams[0]
        while ended.recv(65536):  # the oldest of whoever has most
            pass
    with watch(server.public) as another:
        assert status(another) == 200
    assert server.buy("drop", "anna").status == 202
    for stream in streams:
        stream.close()


def test_watchers_are_as_many_as_connections_allow(serve, many_files):
    """Found: 1,024 a thread. All of them hear of a change."""
    count = 2500
    if many_files < count + 300:
        pytest.skip(f"this process may open only {many_files} files")
    server = serve({"gate.threads": 1})
    server.make_sale("drop", 1)
    streams = [watch(server.public) for _ in range(count)]
    try:
        heads = [read_until(stream, b"event: stock") for stream in streams]
        assert all(head.startswith(b"HTTP/1.1 200 ") for head in heads)
        assert server.buy("drop", "anna").status == 202
        for stream, head in zip(streams, heads):
            read_until(stream, b'"sold_out":true', head[head.index(b"event: stock") :])
    finally:
        for stream in streams:
            stream.close()
    wait_until(lambda: server.metric("penstock_connections") < 10, 30, "the watchers to be gone")


def read_until(connection, mark, data=b""):
    while mark not in data:
        more = connection.recv(65536)
        assert more, data
        data += more
    return data


def test_wrong_operators_tokens_are_seen_and_slowed_and_keep_nobody_out(serve):
    """Found: 524,000 of them a second left no trace."""
    server = serve()
    guess = b"GET /v1/sales HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a-guess-of-sixteen-bytes\r\n\r\n"
    start = time.monotonic()
    with Wire(server.operator) as wire:
        wire.send(guess * 4)
        for _ in range(4):
            reply = wire.read()
            assert (reply.status, reply.code) == (401, "unauthorized")
            assert "invalid_token" in reply.header("www-authenticate")
    assert time.monotonic() - start > 4 * 0.25
    assert server.metric('penstock_identity_failures_total{listener="operator"}') == 4
    lines = [line for line in server.log().splitlines() if "a wrong operator's token" in line]
    assert 1 <= len(lines) <= 3 and "127.0.0.1" in lines[0]
    guessing = [Wire(server.operator, timeout=30) for _ in range(256)]
    for wire in guessing:
        wire.send(guess * 50)
    for _ in range(5):
        assert server.operate("GET", "/v1/sales").status == 200
    for wire in guessing:
        wire.socket.close()


HALF_A_MEGABYTE = "Content-Type: application/json\r\nContent-Length: 524288\r\n"


@pytest.mark.parametrize(
    "who, path, status, code",
    [
        ("", "/v1/imports", 401, "unauthorized"),
        ("Authorization: Bearer a-guess-of-sixteen-bytes\r\n", "/v1/imports", 401, "unauthorized"),
        ("Authorization: Bearer READER\r\n", "/v1/imports", 403, "forbidden"),
        ("", "/v1/nothing", 404, "not-found"),
        ("Expect: 100-continue\r\n", "/v1/imports", 401, "unauthorized"),
    ],
)
def test_who_may_not_is_answered_before_the_body(serve, who, path, status, code):
    """Found: half a megabyte was read, and waited for, of whoever came."""
    words = run("token", "--operator", "ann", "--scopes", "read").stdout.split()
    server = serve(environment={"PENSTOCK_OPERATOR_TOKENS": words[words.index("=") + 1]})
    who = who.replace("READER", words[words.index("token") + 1])
    with Wire(server.operator) as wire:
        wire.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{HALF_A_MEGABYTE}{who}\r\n")
        reply = wire.read()
        assert (reply.status, reply.code, reply.header("connection")) == (status, code, "close")
        assert end_of(wire) == b""


def test_an_operators_body_is_read_in_its_own_time(server):
    body = b'{"items":[{"sku":"A","name":"An item","on_hand":1}]}'
    with Wire(server.operator) as wire:
        wire.send(
            f"POST /v1/imports HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR_TOKEN}\r\nExpect: 100-continue\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        assert wire.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        for at in range(len(body)):
            wire.send(body[at : at + 1])
        assert wire.read().status == 200


def served(server):
    try:
        with Wire(server.public) as wire:
            return wire.ask(GET).status == 200
    except (Closed, ConnectionError):
        return False


# --- Many ---


@pytest.fixture
def many_files():
    """As many open files as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_five_thousand_connections_at_once(serve, many_files):
    count = 5000
    if many_files < count + 200:
        pytest.skip(f"this process may open only {many_files} files")
    # Nobody is cut or refused for how long a busy machine, or a sanitizer, takes for so many.
    patient = {"gate.header_timeout": "1h", "gate.idle_timeout": "1h", "journal.ack_deadline": "60s"}
    server = serve({"gate.in_flight_max": 8192, "gate.threads": 2, **patient})
    server.make_sale("drop", 3000)
    wires = [Wire(server.public, timeout=120) for _ in range(count)]
    wait_until(lambda: server.metric("penstock_connections") == count)
    for wire in wires:
        wire.send(GET)
    assert {wire.read().status for wire in wires} == {200}
    for i, wire in enumerate(wires):
        wire.send(purchase(f"buyer-{i}"))
    statuses = [wire.read().status for wire in wires]
    assert (statuses.count(202), statuses.count(410)) == (3000, 2000)
    server.audit()
    for wire in wires:
        wire.socket.close()
    wait_until(lambda: server.metric("penstock_connections") == 0, what="the end of all of them")


def open_files(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def limit_files(server, count):
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (count, hard))


def test_a_server_without_file_descriptors_serves_those_that_it_has(serve):
    server = serve()
    server.make_sale("drop", 100)
    old = [Wire(server.public) for _ in range(10)]
    assert {wire.ask(GET).status for wire in old} == {200}
    before = open_files(server)
    limit_files(server, before + 5)
    new = [Wire(server.public, timeout=0.5) for _ in range(30)]
    wait_until(lambda: "out of file descriptors" in server.log(), what="the warning")
    for i, wire in enumerate(old):
        assert wire.ask(purchase(f"buyer-{i}")).status == 202
    told = 0
    for wire in new:
        try:
            wire.send(GET)
            status = wire.read().status
            assert status in (200, 503)
            told += status == 503
        except (Closed, TimeoutError, ConnectionError):
            pass
    assert told, "nobody was told"
    for wire in new:
        wire.socket.close()
    wait_until(lambda: served(server), what="accepting again, once others are gone")
    limit_files(server, before + 1000)
    again = [Wire(server.public) for _ in range(30)]
    assert {wire.ask(GET).status for wire in again} == {200}
    assert {wire.ask(GET).status for wire in old} == {200}
    assert server.rows("select count(*) from orders") == [(10,)]
    server.audit()


def test_a_limit_that_is_raised_lets_the_waiting_in(serve):
    server = serve()
    limit_files(server, open_files(server) + 2)
    waiting = [Wire(server.public) for _ in range(5)]
    wait_until(lambda: "out of file descriptors" in server.log(), what="the warning")
    limit_files(server, 1000)
    statuses = []
    for wire in waiting:
        try:
            wire.send(GET)
            statuses.append(wire.read().status)
        except (Closed, ConnectionError):
            statuses.append(503)
    assert set(statuses) <= {200, 503} and statuses.count(200) >= 2
    assert served(server)
