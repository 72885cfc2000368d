"""
Payments: one for an order, one order for a payment; told again and again, late, twice, and wrong.
"""

import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock import audit_ledger, await_expiry, wait_until

PAID = {"reference": "pi_1", "amount": 200, "currency": "EUR", "method": "card"}


def bought(shop, buyer="anna", sale="drop", quantity=2):
    answer = shop.buy(sale, buyer, key="k", body={"quantity": quantity})
    assert answer.status == 202, answer.body
    return answer.json["id"]


def opened(shop, sale="drop", **terms):
    shop.make_sale(sale, 20, **{"hold_seconds": 60, "limit_per_buyer": 5, **terms})
    for gate in getattr(shop, "gates", [shop]):
        wait_until(lambda: gate.buy(sale, "probe", key="p").status == 202, 10, "the sale at each gate")


def confirm(shop, order, headers=None, **payment):
    return shop.operate("POST", f"/v1/orders/{order}/confirm", {"payment": payment}, headers=headers)


def test_a_payment_is_told_again_and_another_is_refused(shop):
    opened(shop)
    order = bought(shop)
    answer = confirm(shop, order, **PAID)
    assert (answer.status, answer.json["state"], answer.json["payment"]) == (200, "confirmed", PAID)
    for again in (confirm(shop, order, **PAID), confirm(shop, order, reference="pi_1"), shop.operate("POST", f"/v1/orders/{order}/confirm")):
        assert (again.status, again.json["state"]) == (200, "confirmed")
        assert again.json["payment"]["reference"] == "pi_1"
    second = confirm(shop, order, **{**PAID, "reference": "pi_2"})
    assert (second.status, second.code, second.json["payment"]) == (409, "paid-already", "pi_1")
    assert shop.metric('penstock_payments_refused_total{reason="paid-already"}') == 1
    assert shop.ask("GET", f"/v1/orders/{order}", "anna").json.get("payment") is None, "operators' business"


def test_a_payment_pays_for_one_order_of_its_sale(shop):
    opened(shop)
    first, second = bought(shop, "anna"), bought(shop, "bert")
    assert confirm(shop, first, **PAID).status == 200
    answer = confirm(shop, second, **PAID)
    assert (answer.status, answer.code, answer.json["order"]) == (409, "reference-used", first)
    assert shop.order(second).json["state"] == "held"
    assert [order["id"] for order in shop.orders(payment="pi_1")] == [first]
    assert shop.orders(payment="pi_1")[0]["payment"] == PAID


def test_a_wrong_amount_moves_nothing(shop):
    opened(shop)
    order = bought(shop)
    for wrong in ({"amount": 100}, {"amount": 201}, {"currency": "USD"}, {"reference": "pi_1", "amount": 200, "currency": "SEK"}):
        answer = confirm(shop, order, **wrong)
        assert (answer.status, answer.code, answer.json["due"]) == (409, "wrong-amount", {"amount": 200, "currency": "EUR"})
    assert shop.order(order).json["state"] == "held"
    assert confirm(shop, order, amount=200, currency="EUR").json["state"] == "confirmed"
    assert "payment" not in shop.order(order).json, "without a reference nothing is kept"


def test_an_order_that_is_born_confirmed_takes_the_first_payment(shop):
    opened(shop, hold_seconds=0)
    order = bought(shop)
    assert shop.operate("POST", f"/v1/orders/{order}/confirm").status == 200
    assert confirm(shop, order, **PAID).json["payment"] == PAID
    assert confirm(shop, order, **{**PAID, "reference": "pi_2"}).code == "paid-already"
    wait_until(lambda: shop.orders(payment="pi_1"), 10, "the payment in the ledger")


def test_of_many_payments_at_once_one_is_told(shop):
    opened(shop)
    orders = [bought(shop, f"buyer-{i}") for i in range(4)]
    with ThreadPoolExecutor(16) as pool:

        def pay(i):
            while True:
                answer = confirm(shop, orders[i % 4], reference=f"pi_{i // 4}")
                if answer.status == 200 or answer.code != "request-in-flight":
                    return answer

        answers = list(pool.map(pay, range(16)))
    told = {(answers[i].json["id"], f"pi_{i // 4}") for i in range(16) if answers[i].status == 200}
    assert {answer.status for answer in answers} <= {200, 409}
    assert len(told) == 4 and len({order for order, _ in told}) == 4 and len({reference for _, reference in told}) == 4
    assert {(order["id"], order["payment"]["reference"]) for order in shop.orders() if "payment" in order} == told


def test_a_late_payment_reserves_again_and_is_the_new_orders(shop):
    opened(shop, hold_seconds=1, late_confirm=True)
    order, other = bought(shop), bought(shop, "bert")
    await_expiry(shop, order, other)
    answer = confirm(shop, order, **PAID)
    assert (answer.status, answer.json["state"], answer.json["payment"]) == (200, "confirmed", PAID)
    assert answer.json["id"] != order
    assert confirm(shop, order, **PAID).json["id"] == answer.json["id"], "told again it is the same order"
    assert confirm(shop, order, **{**PAID, "reference": "pi_2"}).code == "paid-already"
    used = confirm(shop, other, **PAID)
    assert (used.status, used.code, used.json["order"]) == (409, "reference-used", answer.json["id"])
    assert len([each for each in shop.orders(sale="drop", state="confirmed") if each["buyer"] == "bert"]) == 0


def test_what_is_no_payment_is_refused_by_its_field(shop):
    opened(shop)
    order = bought(shop)
    for field, value in {"reference": "a b", "amount": -1, "currency": "eur", "method": "x" * 33}.items():
        answer = confirm(shop, order, **{field: value})
        assert (answer.status, answer.code, answer.json["field"]) == (422, "invalid-value", f"payment.{field}")
    answer = shop.operate("POST", f"/v1/orders/{order}/confirm", {"paid": True})
    assert (answer.status, answer.code) == (422, "unknown-field")
    assert shop.order(order).json["state"] == "held"


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"], indirect=True)
def test_payments_are_known_after_a_crash_and_after_the_sale_has_left_the_stock(server):
    opened(server)
    order, bare = bought(server), bought(server, "bert")
    assert confirm(server, order, **PAID).status == 200
    assert confirm(server, bare, amount=200).status == 200
    server.kill()
    server.restart()
    assert confirm(server, order, **PAID).json["payment"] == PAID
    assert confirm(server, order, reference="pi_2").code == "paid-already"
    assert confirm(server, bare, **PAID).code == "reference-used"
    server.audit()


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"], indirect=True)
def test_one_payment_for_two_sales_is_found_by_the_audit(server):
    opened(server)
    opened(server, "other", lots={"other-item": 20})
    for sale in ("drop", "other"):
        assert confirm(server, bought(server, sale=sale), **PAID).status == 200
    assert len(server.orders(payment="pi_1")) == 2
    assert server.audit()["totals"]["shared_payments"] == 1
    assert server.metric("penstock_shared_payments") == 1
    assert server.stop() == 0
    code, said = audit_ledger(server.ledger_url)
    assert code == 0 and "1 payments are told for several orders" in said


def test_payments_outlive_a_redis_that_forgets(gates):
    cluster = gates(2)
    opened(cluster)
    order, other = bought(cluster), bought(cluster, "bert")
    assert confirm(cluster, order, **PAID).status == 200
    cluster.redis.call("FLUSHALL")
    wait_until(lambda: all(confirm(gate, order, **PAID).status == 200 for gate in cluster.gates), 60, "the rebuilt stock")
    answer = confirm(cluster, order, reference="pi_2")
    assert (answer.code, answer.json["payment"]) == ("paid-already", "pi_1")
    assert confirm(cluster, other, **PAID).code == "reference-used"
    cluster.settle()


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
def test_an_order_whose_sale_has_left_the_stock_is_paid_by_its_rows(server):
    server.make_sale("drop", 20, hold_seconds=0, limit_per_buyer=5)
    order, other = bought(server), bought(server, "bert")
    assert server.operate("POST", "/v1/sales/drop/end").status == 200
    assert server.stop() == 0
    with contextlib.closing(sqlite3.connect(server.ledger)) as ledger, ledger:
        ledger.execute("update sales set ended_at_ms = ended_at_ms - 30 * 24 * 3600 * 1000 where id = 'drop'")
    server.restart()
    for told in (PAID, {}):  # with a reference, and without: then it is only compared
        assert confirm(server, order, **{**told, "amount": 199}).code == "wrong-amount"
    assert confirm(server, order, amount=200, currency="EUR").status == 200
    assert "payment" not in server.order(order).json
    for _ in range(2):
        answer = confirm(server, order, **PAID)
        assert (answer.status, answer.json["state"], answer.json["payment"]) == (200, "confirmed", PAID)
    assert confirm(server, order, amount=200).json["payment"] == PAID
    second = confirm(server, order, **{**PAID, "reference": "pi_2"})
    assert (second.code, second.json["payment"]) == ("paid-already", "pi_1")
    used = confirm(server, other, **PAID)
    assert (used.code, used.json["order"]) == ("reference-used", order)
    assert [each["id"] for each in server.orders(payment="pi_1")] == [order]
    assert confirm(server, other, **{**PAID, "reference": "pi_2"}).status == 200
    server.kill()
    server.restart()
    assert [server.order(each).json["payment"]["reference"] for each in (order, other)] == ["pi_1", "pi_2"]
    server.audit()


def test_late_payments_that_race_for_one_reference_leave_one_order(shop):
    """
    Two holds that have run out are paid with one payment at once: one of the new orders stands, and
    the other's units are back. Who was refused is refused when they ask again.
    """
    opened(shop, hold_seconds=1, late_confirm=True)
    pairs = [(bought(shop, f"a{i}", quantity=1), bought(shop, f"b{i}", quantity=1)) for i in range(6)]
    late = [order for pair in pairs for order in pair]
    wait_until(lambda: {shop.order(order).json["state"] for order in late} == {"expired"}, 60, "the expiry")

    def pay(place):
        while True:
            answer = confirm(shop, late[place], {"Idempotency-Key": f"late-{place}"}, reference=f"pi_{place // 2}")
            if answer.status == 200 or answer.code == "reference-used":
                return answer
            assert answer.status == 503 or answer.code == "request-in-flight", answer.body

    with ThreadPoolExecutor(len(late)) as pool:
        answers = list(pool.map(pay, range(len(late))))
    told = {(answer.json["id"], answer.json["payment"]["reference"]) for answer in answers if answer.status == 200}
    assert {reference for _, reference in told} == {f"pi_{i}" for i in range(len(pairs))} and len(told) == len(pairs)
    assert {(order["id"], order["payment"]["reference"]) for order in shop.orders(state="confirmed")} == told
    wait_until(lambda: shop.sale("drop")["lots"][0]["confirmed"] == len(pairs), 30, "the units of those that were not paid")
    for place, answer in enumerate(answers):
        again = pay(place)
        assert (again.status, again.json.get("id")) == (answer.status, answer.json.get("id"))
    shop.audit()
