"""GET /v1/orders/{order}?wait=…: a page that waits for its payment."""

import threading
import time

import pytest

from penstock import buyer_token, request, wait_until


def read(server, order, buyer="ann", wait=None):
    return server.ask("GET", f"/v1/orders/{order}" + (f"?wait={wait}" if wait else ""), buyer=buyer)


def held(server, buyer="ann"):
    answer = server.buy("drop", buyer)
    assert answer.status == 202, answer.body
    return answer.json["id"]


class Waiting:
    def __init__(self, server, order, wait="60s"):
        self.answer = None
        self.thread = threading.Thread(target=self.run, args=(server, order, wait))
        self.thread.start()

    def run(self, server, order, wait):
        headers = {"Authorization": f"Bearer {buyer_token('ann')}"}
        self.answer = request(server.public, "GET", f"/v1/orders/{order}?wait={wait}", headers=headers, timeout=90)

    def end(self):
        self.thread.join(45)
        assert self.answer is not None, "it still waits"
        assert self.answer.status == 200, self.answer.body
        return self.answer.json


@pytest.mark.parametrize("action, body, state", [("confirm", None, "confirmed"), ("cancel", None, "cancelled"), ("extend", {"seconds": 1200}, "held")])
def test_it_answers_when_the_order_changes(server, action, body, state):
    server.make_sale(hold_seconds=600)
    order = held(server)
    before = read(server, order).json
    waiting = Waiting(server, order)
    assert server.operate("POST", f"/v1/orders/{order}/{action}", body=body).status == 200
    # The change may have been first: then a held order that was extended is what it is.
    if action == "extend":
        waiting.thread.join(2)
        while waiting.answer is None:
            assert server.operate("POST", f"/v1/orders/{order}/{action}", body={"seconds": body["seconds"] + 1}).status == 200
            body["seconds"] += 1
            waiting.thread.join(2)
    after = waiting.end()
    assert after["state"] == state and after != before


def test_it_answers_when_the_hold_runs_out(serve):
    server = serve({"sale.hold_grace": "0s"})
    server.make_sale(hold_seconds=2)
    assert Waiting(server, held(server)).end()["state"] == "expired"


def test_it_answers_when_the_time_is_up_and_at_once_where_nothing_can_come(server):
    server.make_sale(hold_seconds=600)
    order = held(server)
    begun = time.monotonic()
    assert read(server, order, wait="1s").json["state"] == "held"
    assert time.monotonic() - begun >= 1
    assert server.operate("POST", f"/v1/orders/{order}/confirm").status == 200
    assert Waiting(server, order).end()["state"] == "confirmed"
    assert read(server, order, buyer="ben", wait="60s").code == "unknown-order"


@pytest.mark.parametrize("wait", ["20", "0s", "61s", "s", "1m"])
def test_what_is_no_duration_is_refused(server, wait):
    server.make_sale(hold_seconds=600)
    assert read(server, held(server), wait=wait).status == 422


def test_operators_do_not_wait_here(server):
    server.make_sale(hold_seconds=600)
    assert server.operate("GET", f"/v1/orders/{held(server)}?wait=1s").code == "unknown-field"


def test_one_buyer_does_not_take_all_places(serve):
    server = serve({"gate.threads": 1})
    server.make_sale(units=10, limit_per_buyer=10, hold_seconds=600)
    order = held(server)
    waiting = [Waiting(server, order) for _ in range(9)]
    refused = wait_until(lambda: [one for one in waiting if one.answer], 55, "a refusal")
    assert [one.answer.code for one in refused] == ["rate-limited"]
    assert server.operate("POST", f"/v1/orders/{order}/confirm").status == 200
    assert {one.end()["state"] for one in waiting if one not in refused} == {"confirmed"}


def test_a_stop_answers_who_waits(serve):
    server = serve({"gate.threads": 1})
    server.make_sale(hold_seconds=600)
    order = held(server)
    waiting = Waiting(server, order)
    wait_until(lambda: server.metric("penstock_connections") >= 1, 30, "its connection")
    assert read(server, order).status == 200  # asked later, of the same thread
    assert server.stop() == 0
    assert waiting.end()["state"] == "held"
