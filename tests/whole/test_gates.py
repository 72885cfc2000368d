"""
Several gates over one Redis and one PostgreSQL, with no broker: to buyers and operators they are
one.
"""

import itertools
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from freezing import freeze, thaw
from proxy import Proxy

from penstock import Server, buyer_token, request, rfc3339, wait_until
from wire import Wire


@pytest.fixture
def pair(gates):
    cluster = gates(2)
    return cluster, *cluster.gates


def wait_for_sale(gate, sale="drop", state=None):
    """A sale that another gate has made or moved."""

    def shown():
        answer = request(gate.public, "GET", f"/v1/sales/{sale}")
        return answer.status == 200 and (state is None or answer.json["state"] == state) and answer

    return wait_until(shown, 5, f"the sale at {gate.folder.name}")


def test_an_armed_sale_is_corrected_and_disarmed_for_every_gate(pair):
    cluster, a, b = pair
    a.make_sale("drop", 5, state="armed", opens_at="2099-01-01T10:00:00.000Z")
    wait_for_sale(b, state="armed")
    later = "2099-02-01T10:00:00.000Z"
    assert b.operate("PATCH", "/v1/sales/drop", {"opens_at": later, "name": "Later"}).json["opens_at"] == later
    wait_until(lambda: request(a.public, "GET", "/v1/sales/drop").json["opens_at"] == later, 5, "the time at the other gate")
    assert a.operate("POST", "/v1/sales/drop/disarm").json["state"] == "draft"
    wait_until(lambda: b.buy("drop", "anna").code == "unknown-sale", 5, "the draft at the other gate")
    assert b.operate("PATCH", "/v1/sales/drop", {"limit_per_buyer": 3}).json["limit_per_buyer"] == 3
    assert b.operate("POST", "/v1/sales/drop/open").json["state"] == "open"
    wait_for_sale(a, state="open")
    wait_until(lambda: a.buy("drop", "anna", key="k", body={"quantity": 3}).status == 202, 5, "the stock at the other gate")
    assert b.buy("drop", "bert", key="k", body={"quantity": 3}).code == "sold-out"
    assert a.operate("POST", "/v1/sales/drop/disarm").code == "sale-state"
    cluster.settle()


def test_two_gates_sell_each_unit_once(pair):
    cluster, a, b = pair
    a.make_sale("drop", 100)
    wait_for_sale(b, state="open")
    gates = itertools.cycle([a, b])
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: next(gates).buy("drop", f"buyer-{i}", key="k"), range(200)))
    assert Counter(answer.status for answer in answers) == {202: 100, 410: 100}
    assert len({answer.json["id"] for answer in answers if answer.status == 202}) == 100
    cluster.settle()
    assert len(cluster.order_rows("drop")) == 100
    a.audit()
    assert b.lot("drop")["available"] == 0


def test_an_order_whose_answer_was_lost_is_found_at_the_other_gate_without_a_key(pair):
    _, a, b = pair
    a.make_sale("drop", 9, limit_per_buyer=2)
    wait_for_sale(b, state="open")
    made = [gate.buy("drop", "anna") for gate in (a, b)]
    assert [answer.status for answer in made] == [202, 202]
    ids = {answer.json["id"] for answer in made}
    for gate in (a, b):
        found = gate.ask("GET", "/v1/sales/drop/orders", "anna").json
        assert {order["id"] for order in found["orders"]} == ids and not found["more"] and not found["waiting"]
        refused = gate.buy("drop", "anna")
        assert (refused.status, refused.code, set(refused.json["orders"])) == (409, "buyer-limit-reached", ids)
        assert gate.ask("GET", "/v1/sales/drop/orders", "bert").json == {"orders": [], "more": False, "waiting": False}


def test_a_retry_at_the_other_gate_gets_the_same_order(pair):
    _, a, b = pair
    a.make_sale("drop", 2)
    wait_for_sale(b, state="open")
    first = a.buy("drop", "anna", key="k")
    again = b.buy("drop", "anna", key="k")
    assert (first.status, again.status) == (202, 202)
    assert again.body == first.body and again.header("Idempotent-Replayed") == "true"
    assert b.buy("drop", "anna", key="k", body={"quantity": 1, "sku": "no-such"}).status == 422
    assert b.buy("drop", "ben", key="k").status == 202
    assert a.buy("drop", "cleo", key="k").status == 410
    # Sold out at both, and still.
    assert [gate.buy("drop", who, key="k").status for gate in (a, b) for who in ("anna", "ben", "dora")] == [202, 202, 410] * 2
    assert b.operate("POST", "/v1/sales/drop/pause").status == 200
    wait_until(lambda: a.buy("drop", "eve", key="k").code == "sale-not-open", 5, "the pause at the other gate")
    assert [gate.buy("drop", "anna", key="k").body for gate in (a, b)] == [first.body] * 2


def test_an_order_is_everywhere_at_once(pair):
    _, a, b = pair
    a.make_sale("drop", 5, hold_seconds=600)
    wait_for_sale(b, state="open")
    order = a.buy("drop", "anna").json
    seen = b.ask("GET", f"/v1/orders/{order['id']}", buyer="anna")
    assert seen.status == 200 and seen.json == order
    assert b.ask("GET", f"/v1/orders/{order['id']}", buyer="ben").status == 404
    assert b.order(order["id"]).json["buyer"] == "anna"
    longer = b.operate("POST", f"/v1/orders/{order['id']}/extend", {"seconds": 3600})
    assert longer.status == 200 and longer.json["hold_expires_at"] > order["hold_expires_at"]
    assert a.ask("GET", f"/v1/orders/{order['id']}", buyer="anna").json["hold_expires_at"] == longer.json["hold_expires_at"]
    confirmed = b.operate("POST", f"/v1/orders/{order['id']}/confirm")
    assert confirmed.status == 200 and (confirmed.json["state"], confirmed.json["buyer"]) == ("confirmed", "anna")
    assert a.ask("POST", f"/v1/orders/{order['id']}/cancel", buyer="anna").status == 409
    refunded = a.operate("POST", f"/v1/orders/{order['id']}/cancel")
    assert refunded.status == 200 and refunded.json["state"] == "cancelled"
    assert b.ask("GET", f"/v1/orders/{order['id']}", buyer="anna").json["state"] == "cancelled"
    wait_until(lambda: b.lot("drop")["available"] == 5, 5, "the unit")
    other = b.buy("drop", "ben").json
    assert a.ask("POST", f"/v1/orders/{other['id']}/cancel", buyer="ben").json["state"] == "cancelled"
    a.audit()


def test_limit_and_rate_count_over_all_gates(pair):
    _, a, b = pair
    a.make_sale("limited", 50, limit_per_buyer=2)
    wait_for_sale(b, "limited", "open")
    answers = [gate.buy("limited", "anna") for gate in (a, b, a, b)]
    assert [answer.status for answer in answers] == [202, 202, 409, 409]
    assert answers[2].code == "buyer-limit-reached"
    a.make_sale("rated", 50, limit_per_buyer=10, rate={"requests": 3, "seconds": 60})
    wait_for_sale(b, "rated", "open")
    answers = [gate.buy("rated", "anna") for gate in (a, b, a, b)]
    assert [answer.status for answer in answers] == [202, 202, 202, 429]
    assert 0 < int(answers[3].header("Retry-After")) <= 60
    assert b.buy("rated", "ben").status == 202


def test_added_units_are_for_sale_everywhere(pair):
    _, a, b = pair
    a.make_sale("drop", 1)
    wait_for_sale(b, state="open")
    a.operate("POST", "/v1/items/drop-item/receive", {"units": 5})
    assert [gate.buy("drop", who).status for gate, who in ((a, "anna"), (b, "ben"), (b, "ben"))] == [202, 410, 410]
    assert a.operate("POST", "/v1/sales/drop/lots/drop-item/add", {"units": 2}).status == 200
    wait_until(lambda: b.buy("drop", "ben").status == 202, 5, "the end of the latch")
    assert b.operate("POST", "/v1/sales/drop/lots/drop-item/withdraw", {"units": 5, "up_to": True}).json["units_withdrawn"] == 1
    assert [gate.buy("drop", "cleo").status for gate in (b, a)] == [410, 410]
    wait_until(lambda: [lot["units"] for lot in (a.lot("drop"), b.lot("drop"))] == [3, 3], 5, "the units at both")
    a.audit()


def purchase(buyer):
    return (
        f"POST /v1/sales/drop/orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        f"Authorization: Bearer {buyer_token(buyer)}\r\nIdempotency-Key: k\r\n\r\n{{}}"
    )


# --- What a gate knew a second ago ---


def resell(gate, orders, buyers):
    """These orders are cancelled, and the units sold to others."""
    for order in orders:
        assert gate.operate("POST", f"/v1/orders/{order['id']}/cancel").status == 200
    wait_until(lambda: gate.lot("drop")["available"] == len(orders), 10, "the units")
    answers = [gate.buy("drop", buyer, key="k") for buyer in buyers]
    assert {answer.status for answer in answers} == {202}
    return answers


def sell_out(cluster, seller, other, units):
    """Both gates know it, and who has bought."""
    cluster.make_sale("drop", units, hold_seconds=600)
    wait_for_sale(other, state="open")
    orders = [seller.buy("drop", f"first-{i}", key="k").json for i in range(units)]
    assert other.buy("drop", "late", key="k").status == 410
    wait_until(lambda: [other.buy("drop", "late", key="k").status for _ in range(5)] == [410] * 5, 5, "the latch")
    return orders


def test_a_gate_that_slept_refuses_nobody_by_what_it_knew_before(pair):
    """
    Found: it said 410 to buyers who had orders, for 1.2 s of sleep are 1.2 s of which it has heard
    nothing.
    """
    cluster, a, b = pair
    count = 40
    orders = sell_out(cluster, a, b, count)
    stopped = time.monotonic()
    freeze(b.process)
    try:
        sold = resell(a, orders, [f"second-{i}" for i in range(count)])
        # They wait at the sleeper's door, so that it answers them before it has heard of anything.
        wires = [Wire(b.public, timeout=30) for _ in range(count)]
        for i, wire in enumerate(wires):
            wire.send(purchase(f"second-{i}"))
        wait_until(lambda: time.monotonic() - stopped > 1.2, 5, "the sleep")
    finally:
        thaw(b.process)
    replies = [wire.read() for wire in wires]
    assert Counter(reply.status for reply in replies) == {202: count}
    assert [reply.body for reply in replies] == [answer.body for answer in sold]
    a.audit()


def test_a_gate_that_is_cut_off_from_the_stock_refuses_nobody_by_what_it_knew_before(gates, redis):
    """
    Found: it went on saying 410 of units that were for sale elsewhere, and to buyers who had
    orders.
    """
    proxy = Proxy(redis.port).start()
    try:
        cluster = gates(1)
        a, b = cluster.gates[0], cluster.add_gate(settings={"stock.url": f"redis://127.0.0.1:{proxy.port}/0"})
        orders = sell_out(cluster, a, b, 3)
        proxy.set("cut")
        cut = time.monotonic()
        sold = resell(a, orders[:2], ["anna", "ben"])
        assert a.operate("POST", f"/v1/orders/{orders[2]['id']}/cancel").status == 200
        wait_until(lambda: time.monotonic() - cut > 0.2, 5, "what it knows to grow old")
        for buyer in ("anna", "ben", "cleo"):
            answer = b.buy("drop", buyer, key="k")
            assert (answer.status, answer.code) == (503, "stock-unavailable")
        proxy.set("pass")
        answers = [wait_until(lambda: (lambda a: a.status == 202 and a)(b.buy("drop", buyer, key="k")), 15, "the stock") for buyer in ("anna", "ben", "cleo")]
        assert [answer.body for answer in answers[:2]] == [answer.body for answer in sold]
        a.audit()
    finally:
        proxy.stop()


def test_a_slow_stock_is_not_asked_by_the_whole_stampede(gates, redis):
    """What is too old to be said is asked about, by a bounded number at a time."""
    proxy = Proxy(redis.port).start()
    try:
        cluster = gates(1, settings={"stock.url": f"redis://127.0.0.1:{proxy.port}/0"})
        (gate,) = cluster.gates
        cluster.make_sale("drop", 1)
        assert [gate.buy("drop", who, key="k").status for who in ("anna", "ben", "ben")] == [202, 410, 410]
        wires = [Wire(gate.public, timeout=30) for _ in range(400)]
        wanted = [purchase(f"buyer-{i}") for i in range(len(wires))]
        proxy.set("hold")
        held = time.monotonic()
        wait_until(lambda: time.monotonic() - held > 0.2, 5, "what it knows to grow old")
        first = time.monotonic()
        for wire, request in zip(wires, wanted):
            wire.send(request)
        codes = Counter(wire.read().code for wire in wires)
        seconds = time.monotonic() - first  # with the answers: a gate that is slow takes the last of them up late
        assert set(codes) <= {"stock-unavailable", "outcome-unknown"}, codes
        # A call is given up after a second; then the next 64 may ask.
        assert codes["outcome-unknown"] <= 64 * (2 + int(seconds)), (codes, seconds)
        proxy.set("pass")
        wait_until(lambda: gate.buy("drop", "ben", key="k").status == 410, 15, "the stock")
    finally:
        proxy.stop()


def test_each_hold_runs_out_once(pair):
    cluster, a, b = pair
    cluster.settings["sale.hold_grace"] = "0s"
    a.make_sale("drop", 40, hold_seconds=1)
    wait_for_sale(b, state="open")
    assert {gate.buy("drop", f"buyer-{i}").status for i, gate in zip(range(40), itertools.cycle([a, b]))} == {202}
    wait_until(lambda: a.lot("drop")["available"] == 40, 15, "the units")
    cluster.settle()
    assert cluster.metric("penstock_holds_expired_total") == 40
    assert {row[4] for row in cluster.order_rows("drop").values()} == {"expired"}
    assert cluster.postgres.sql("SELECT count(*) FROM penstock.movements WHERE held < 0", cluster.database) == [["40"]]
    a.audit()


def soon():
    """In some seconds: a sale cannot be made for a time that is over."""
    return rfc3339(time.time() + 6)


def test_the_clock_opens_a_sale_at_every_gate(pair):
    _, a, b = pair
    a.make_sale("drop", 5, state="draft", opens_at=soon(), schedule=True)
    wait_until(lambda: [gate.buy("drop", f"buyer-of-{gate.folder.name}", key="k").status for gate in (a, b)] == [202, 202], 10, "the sale at both")
    assert a.metric("penstock_elected") + b.metric("penstock_elected") == 1


def test_another_gate_cares_when_the_elected_one_is_dead(pair):
    cluster, a, b = pair
    elected = wait_until(lambda: next((gate for gate in (a, b) if gate.metric("penstock_elected")), None), 10, "an election")
    elected.kill()
    other = b if elected is a else a
    wait_until(lambda: other.metric("penstock_elected") == 1, 15, "the next election")
    other.make_sale("drop", 5, state="draft", opens_at=soon(), schedule=True)
    wait_until(lambda: other.buy("drop", "anna").status == 202, 10, "the sale")


def test_a_gate_that_comes_later_sells_too(gates):
    cluster = gates(1)
    cluster.make_sale("drop", 3)
    first = cluster.buy("drop", "anna", key="k")
    later = cluster.add_gate()
    assert later.buy("drop", "anna", key="k").body == first.body
    assert later.buy("drop", "ben").status == 202
    assert later.metric("penstock_rebuild_sales_total") == 0


def test_a_stock_in_memory_and_a_shared_one_do_not_sell_from_one_ledger(gates, tmp_path):
    cluster = gates(1)
    alone = Server(tmp_path / "alone", settings={"ledger.url": cluster.settings["ledger.url"]})
    alone.start(wait=False)
    assert alone.wait(30) != 0
    alone.await_log("uses this ledger")
    cluster.free()
    alone.start()
    try:
        with pytest.raises(AssertionError, match="uses this ledger"):
            cluster.gates[0].start()
    finally:
        alone.kill()
