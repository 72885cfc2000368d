"""Several gates over one Redis and one PostgreSQL, with no broker: to buyers and operators they are one."""

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock import Server, request, wait_until


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
    assert b.operate("POST", "/v1/sales/drop/lots/drop-item/withdraw", {"units": 5}).json["units_withdrawn"] == 1
    assert [gate.buy("drop", "cleo").status for gate in (b, a)] == [410, 410]
    wait_until(lambda: [lot["units"] for lot in (a.lot("drop"), b.lot("drop"))] == [3, 3], 5, "the units at both")
    a.audit()


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


def test_the_clock_opens_a_sale_at_every_gate(pair):
    _, a, b = pair
    a.make_sale("drop", 5, state="draft", opens_at="2020-01-01T00:00:00.000Z")
    wait_until(lambda: [gate.buy("drop", f"buyer-of-{gate.folder.name}", key="k").status for gate in (a, b)] == [202, 202], 10, "the sale at both")
    assert a.metric("penstock_elected") + b.metric("penstock_elected") == 1


def test_another_gate_cares_when_the_elected_one_is_dead(pair):
    cluster, a, b = pair
    elected = wait_until(lambda: next((gate for gate in (a, b) if gate.metric("penstock_elected")), None), 10, "an election")
    elected.kill()
    other = b if elected is a else a
    wait_until(lambda: other.metric("penstock_elected") == 1, 15, "the next election")
    other.make_sale("drop", 5, state="draft", opens_at="2020-01-01T00:00:00.000Z")
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
    assert "uses this ledger" in alone.log()
    cluster.free()
    alone.start()
    try:
        with pytest.raises(AssertionError, match="uses this ledger"):
            cluster.gates[0].start()
    finally:
        alone.kill()
