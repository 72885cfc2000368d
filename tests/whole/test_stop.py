"""
SIGTERM, a second one, and clients that hang up: every request that was sent is answered, every
order completes.
"""

import asyncio
import itertools
import signal
import socket
import struct
import time

import pytest

from crowd import Connection, Crowd, new_seed
from failpoints import serve_with_failpoints
from penstock import PATIENCE, buyer_token, wait_until


def purchase(buyer, key, sale="drop"):
    return (
        f"POST /v1/sales/{sale}/orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        f"Authorization: Bearer {buyer_token(buyer)}\r\nIdempotency-Key: {key}\r\n\r\n{{}}"
    ).encode()


def read_all(connection):
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


def refuses_connections(server):
    try:
        server.connect().close()
        return False
    except ConnectionError:
        return True


class Stopped(Crowd):
    """
    Clients who buy until the server is gone, and know what they had sent before it was told to
    stop.
    """

    signalled = None

    def stop(self):
        self.signalled = time.monotonic()
        self.server.process.send_signal(signal.SIGTERM)

    async def client(self, over):
        connection = Connection(self.server.public)
        while True:
            answer = await self.buy(connection, self.new_wish())
            if answer:
                continue
            if connection.broken_off:
                self.faults.append("P5: an answer broke off in the middle")
            # What is sent after the signal may meet a closing connection, as with any server; what
            # was sent before may not.
            elif connection.sent and connection.sent_at < self.signalled:
                self.faults.append("P5: a request that was sent before the signal got no answer")
            break


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stop_under_load_loses_no_answer(serve, threads):
    seed = new_seed("stop")
    server = serve({"gate.threads": threads})
    server.make_sale("drop", 3000, limit_per_buyer=2)
    crowd = Stopped(server, "drop", seed, buyers=2000)
    end = time.monotonic() + PATIENCE
    for stops in itertools.count():
        # On a busy machine a stop may come before a dozen orders have.
        if stops >= 6 and (crowd.answers["accepted"] > 100 or time.monotonic() > end):
            break
        crowd.shop(crowd.random.uniform(0.05, 0.2), clients=32, then=crowd.stop)
        assert server.wait(10) == 0
        assert time.monotonic() - crowd.signalled < 20
        assert not crowd.faults
        server.restart()
    assert crowd.answers["accepted"] > 100
    crowd.assert_kept()


def test_orders_on_their_way_are_told_before_the_end(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    server.make_sale("drop", 50)
    failpoints.set("ledger.before_commit=delay:400")
    connections = [server.connect() for _ in range(20)]
    for i, connection in enumerate(connections):
        connection.sendall(purchase(f"buyer-{i}", "key"))
    wait_until(lambda: server.lot("drop")["held"] == 20, what="the grants")
    server.process.send_signal(signal.SIGTERM)
    answers = [read_all(connection) for connection in connections]
    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 202 Accepted"}
    assert all(b"Connection: close" in answer for answer in answers)
    assert server.wait(10) == 0
    assert server.rows("select count(*) from orders") == [(20,)]
    assert server.audit_ledger()[0] == 0


def test_what_is_not_a_whole_request_is_told_so_at_once_and_the_end_takes_no_second(serve):
    server = serve({"gate.stop_timeout": "1h", "gate.header_timeout": "1h", "gate.body_timeout": "1h"})
    server.make_sale("drop", 5)
    head, body = server.connect(), server.connect()
    head.sendall(b"GET /readyz HTTP/1.1\r\nHost: test\r\n")
    body.sendall(purchase("anna", "key")[:-1])
    wait_until(lambda: server.metric("penstock_connections") >= 2)
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    for half in (head, body):
        answer = read_all(half)
        assert answer.startswith(b"HTTP/1.1 503 ") and b'"code":"shutting-down"' in answer and b"Retry-After: " in answer
    assert server.wait(20) == 0
    assert time.monotonic() - start < 20  # a second, and a busy machine; never the hour
    assert server.rows("select count(*) from orders") == [(0,)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_without_load_is_quick(server, number):
    server.make_sale("drop", 5)
    idle = server.connect()
    server.process.send_signal(number)
    assert server.wait(5) == 0
    assert read_all(idle) == b""


def test_a_client_that_never_ends_its_request_does_not_hold_up_the_end(serve):
    server = serve({"gate.stop_timeout": "300ms", "gate.header_timeout": "1h"})
    client = server.connect()
    client.sendall(b"GET /readyz HTTP/1.1\r\n")
    wait_until(lambda: server.metric("penstock_connections") >= 1)
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0
    assert time.monotonic() - start < 20


def test_a_second_signal_forces_the_end(serve):
    server = serve({"gate.stop_timeout": "1h", "gate.header_timeout": "1h"})
    server.make_sale("drop", 5)
    order = server.buy("drop", "anna", key="key").body
    client = server.connect()
    client.sendall(b"GET /readyz HTTP/1.1\r\n")
    wait_until(lambda: server.metric("penstock_connections") >= 1)
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: refuses_connections(server))
    assert server.process.poll() is None
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(5) == 1
    server.await_log("stopped by force")
    server.restart()
    assert server.buy("drop", "anna", key="key").body == order


def buy_again(server, buyer):
    """The order is in the ledger a moment before the server knows that it is."""
    return wait_until(lambda: (answer := server.buy("drop", buyer, key="key")).json.get("code") != "request-in-flight" and answer)


def hang_up(connection):
    """With RST, so that nothing can be sent to this client any more."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_purchase_whose_client_hangs_up_completes(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path)
    server.make_sale("drop", 50)
    failpoints.set("ledger.before_commit=hold")
    connections = [server.connect() for _ in range(10)]
    for i, connection in enumerate(connections):
        connection.sendall(purchase(f"buyer-{i}", "key"))
    wait_until(lambda: server.lot("drop")["held"] == 10, what="the grants")
    assert server.rows("select count(*) from orders") == [(0,)]
    for connection in connections:
        hang_up(connection)
    failpoints.lift()
    wait_until(lambda: server.rows("select count(*) from orders") == [(10,)], what="the orders")
    for i in range(10):
        answer = buy_again(server, f"buyer-{i}")
        assert (answer.status, answer.header("Idempotent-Replayed")) == (202, "true")
    assert server.lot("drop")["held"] == 10
    server.audit()


def test_a_client_that_closes_after_sending_has_bought(server):
    server.make_sale("drop", 50)
    for i in range(20):
        connection = server.connect()
        connection.sendall(purchase(f"buyer-{i}", "key"))
        connection.close()
    wait_until(lambda: server.rows("select count(*) from orders") == [(20,)], what="the orders")
    orders = {order["buyer"]: order["id"] for order in server.orders(sale="drop")}
    for i in range(20):
        answer = buy_again(server, f"buyer-{i}")
        assert (answer.status, answer.json["id"]) == (202, orders[f"buyer-{i}"])
    server.audit()


def test_hang_ups_in_a_crowd_leave_nothing_behind(server):
    """
    Some connections die before their request was read, some in mid-purchase, some after the answer.
    """
    seed = new_seed("hang-ups")
    server.make_sale("drop", 200)
    crowd = Crowd(server, "drop", seed, limit=1, buyers=400)

    async def client():
        for _ in range(25):
            connection = Connection(server.public)
            asking = asyncio.create_task(crowd.buy(connection, crowd.new_wish()))
            await asyncio.wait([asking], timeout=crowd.random.uniform(0, 0.01))
            if not asking.done():
                asking.cancel()
            if connection.writer:
                connection.writer.transport.abort()

    async def run():
        await asyncio.gather(*[client() for _ in range(16)])

    asyncio.run(run())
    crowd.ask_again(crowd.wishes)
    crowd.assert_kept()
    assert len(crowd.accepted) == len({wish.buyer for wish in crowd.accepted})
    lot = server.lot("drop")
    assert lot["held"] == len(crowd.accepted) and lot["available"] == 200 - lot["held"]
