"""
More purchases than can be decided in time: what has waited too long is turned away, retries and all
that settles are not.
"""

import select
import time

from freezing import freeze, thaw

from penstock import request, wait_until
from test_slow_clients import GET, many_files, purchase  # noqa: F401
from wire import Wire

CROWD = 1000  # more than a gate reads in three rounds
BOUGHT = 200
# What is not turned away is decided, however long a busy machine takes for so many.
PATIENT = {"gate.threads": "1", "gate.idle_timeout": "1h", "journal.ack_deadline": "60s"}


def accept_all(wires):
    """Nobody waits to be accepted any more."""
    for wire in wires:
        assert wire.ask(GET).status == 200


def answers_of(wires):
    """The answer on each, as they come."""
    found, waiting = {}, {wire.socket.fileno(): number for number, wire in enumerate(wires)}
    poll = select.poll()
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN)

    def look():
        for descriptor, _ in poll.poll(0):
            poll.unregister(descriptor)
            found[waiting[descriptor]] = wires[waiting[descriptor]].read()
        return len(found) == len(wires)

    wait_until(look, 60, "an answer on each connection")
    return [found[number] for number in range(len(wires))]


def hold_up(server, wires, requests):
    """All of them are sent while the server stands still; their answers once it goes on."""
    freeze(server.process)
    try:
        for wire, data in zip(wires, requests):
            wire.send(data)
        sent = time.monotonic()
        wait_until(lambda: time.monotonic() - sent > 0.1)  # several ticks of any kernel
    finally:
        thaw(server.process)
    return answers_of(wires)


def test_what_has_waited_too_long_is_turned_away_and_retries_are_not(serve, many_files):  # noqa: F811
    server = serve({"gate.queue_target": "1ms", **PATIENT})
    server.make_sale("drop", 2 * CROWD, rate=None)
    wires = [Wire(server.public) for _ in range(CROWD)]
    try:
        orders = []
        accept_all(wires)
        for number, wire in enumerate(wires[:BOUGHT]):
            answer = wire.ask(purchase(f"old-{number}"))
            assert answer.status == 202, answer.body
            orders.append(answer.json["id"])
        # Every fifth sends its purchase again.
        buyers = [f"old-{number // 5}" if number % 5 == 0 else f"new-{number}" for number in range(CROWD)]
        answers = hold_up(server, wires, [purchase(buyer) for buyer in buyers])
        late = [number for number, answer in enumerate(answers) if answer.status == 503]
        again = range(0, CROWD, 5)
        assert {answers[number].code for number in late} == {"overloaded"}
        assert all(int(answers[number].header("Retry-After")) >= 1 for number in late)
        assert [answers[number].status for number in range(CROWD) if number not in late] == [202] * (CROWD - len(late))
        assert [answers[number].json["id"] for number in again] == orders
        assert any(min(late) < number < max(late) for number in again), late
        # Nothing was done, nobody takes the gate out of service for it, and it is over.
        assert len(server.orders(sale="drop")) == BOUGHT + (CROWD - len(again)) - len(late)
        assert server.metric("penstock_turned_away_total") == len(late)
        assert server.metric('penstock_purchases_total{outcome="overloaded"}') == len(late)
        assert request(server.public, "GET", "/readyz").status == 200
        for number in late:
            assert wires[number].ask(purchase(buyers[number])).status == 202
    finally:
        for wire in wires:
            wire.socket.close()
    assert server.metric('penstock_queue_wait_seconds{queue="gate"}') == 0
    server.audit()


def test_without_a_target_nobody_is_turned_away(serve, many_files):  # noqa: F811
    server = serve(PATIENT)
    server.make_sale("drop", CROWD, rate=None)
    wires = [Wire(server.public) for _ in range(CROWD)]
    try:
        accept_all(wires)
        answers = hold_up(server, wires, [purchase(f"new-{number}") for number in range(CROWD)])
        assert [answer.status for answer in answers] == [202] * CROWD
    finally:
        for wire in wires:
            wire.socket.close()
