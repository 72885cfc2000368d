"""`penstock audit --payments`: the payment side's list against the ledger's payments, both ways."""

import json

import pytest

from penstock import run, wait_until


def paid(server, buyer, sale="drop", **payment):
    order = server.buy(sale, buyer, key="k").json["id"]
    answer = server.operate("POST", f"/v1/orders/{order}/confirm", {"payment": payment} if payment else None)
    assert answer.status == 200, answer.body
    return answer.json["id"]


def judge(server, path, *options):
    done = run("audit", f"--ledger.url={server.ledger_url}", "--payments", path, *options, program=server.program)
    return done.returncode, done.stdout, done.stderr


def found(server, path):
    code, said, _ = judge(server, path, "--json")
    payments = json.loads(said)["payments"]
    assert code == (1 if payments["findings"] else 0)
    return {(each["reference"], each["what"], each.get("order")) for each in payments["findings"]}, payments


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"], indirect=True)
def test_two_sides_that_agree_and_each_way_to_differ(server, tmp_path):
    server.make_sale("drop", 20, hold_seconds=60)
    one = paid(server, "anna", reference="pi_1", amount=100, currency="EUR")
    two = paid(server, "bert", reference="pi_2")
    paid(server, "carl")  # confirmed, and nobody has told with what
    path = tmp_path / "list.csv"
    path.write_text(f"\ufeffcreated;,reference,order,amount,currency\r\nx,pi_2,{two},100,EUR\r\n\"a,b\",pi_1,{one},100,EUR\r\n", "utf-8")
    assert found(server, path) == (set(), {"listed": 2, "known": 2, "findings": []})
    said = judge(server, path)[1]
    assert "2 payments in" in said and "they agree" in said and "  1 sale, 1 lot, 3 orders (0 held, 3 confirmed," in said
    path.write_text("reference\npi_1\npi_2\n")
    assert found(server, path)[0] == set(), "what the list does not tell is not compared"
    # Each way to differ.
    lines = {
        f"pi_1,{one},100,EUR\n": {("pi_2", "not in the list", two)},
        f"pi_1,{one},100,EUR\npi_2,{two},100,EUR\npi_3,,100,EUR\n": {("pi_3", "not in the ledger", None)},
        f"pi_1,{two},100,EUR\npi_2,{two},,\n": {("pi_1", "another order in the ledger", one)},
        f"pi_1,{one},99,EUR\npi_2,{two},101,\n": {("pi_1", "another amount in the ledger", one), ("pi_2", "another amount in the ledger", two)},
        f"pi_1,{one},100,USD\npi_2,{two},,SEK\n": {("pi_1", "another currency in the ledger", one), ("pi_2", "another currency in the ledger", two)},
        f"pi_1,{one},100,EUR\npi_1,{one},100,EUR\npi_2,{two},,\n": {("pi_1", "more than once in the list", None)},
    }
    for text, expected in lines.items():
        path.write_text("reference,order,amount,currency\n" + text)
        assert found(server, path)[0] == expected, text
    code, said, _ = judge(server, path)
    assert code == 1 and "they differ" in said and "    pi_1: more than once in the list, line 3\n" in said


@pytest.mark.parametrize("ledger", ["sqlite", "postgres"], indirect=True)
def test_what_was_paid_back_in_part_is_no_other_amount(server, tmp_path):
    """
    The list has what was paid, of the units that the order had then; where the amount was told,
    that one and no other.
    """
    server.make_sale("drop", 20, hold_seconds=60, limit_per_buyer=3)
    orders = []
    for buyer, payment in (("anna", {"reference": "pi_1"}), ("bert", {"reference": "pi_2", "amount": 300})):
        order = server.buy("drop", buyer, body={"quantity": 3}).json["id"]
        assert server.operate("POST", f"/v1/orders/{order}/confirm", {"payment": payment}).status == 200
        answer = server.operate("POST", f"/v1/orders/{order}/cancel", {"quantity": 1}, headers={"Idempotency-Key": "k"})
        assert answer.status == 200 and answer.json["quantity"] == 2, answer.body
        orders.append(order)
    path = tmp_path / "list.csv"
    for one, other, expected in (
        (300, 300, set()),
        (200, 200, {("pi_2", "another amount in the ledger", orders[1])}),
        (250, 300, {("pi_1", "another amount in the ledger", orders[0])}),
        (100, 300, {("pi_1", "another amount in the ledger", orders[0])}),
        (400, 300, {("pi_1", "another amount in the ledger", orders[0])}),
    ):
        path.write_text(f"reference,amount\npi_1,{one}\npi_2,{other}\n")
        assert found(server, path)[0] == expected, (one, other)


def test_one_payment_of_two_sales_is_told(server, tmp_path):
    server.make_sale("drop", 20, hold_seconds=60)
    server.make_sale("other", lots={"other-item": 20}, hold_seconds=60)
    paid(server, "anna", reference="pi_1")
    second = paid(server, "anna", sale="other", reference="pi_1")
    path = tmp_path / "list.csv"
    path.write_text("reference\npi_1\n")
    assert found(server, path)[0] == {("pi_1", "pays for several orders in the ledger", second)}


def test_a_late_payment_may_be_listed_by_either_order(server, tmp_path):
    server.make_sale("drop", 20, hold_seconds=1, late_confirm=True)
    order = server.buy("drop", "anna", key="k").json["id"]
    wait_until(lambda: server.order(order).json["state"] == "expired", 30, "the expiry")
    fresh = server.operate("POST", f"/v1/orders/{order}/confirm", {"payment": {"reference": "pi_1"}}).json["id"]
    assert fresh != order
    path = tmp_path / "list.csv"
    for each in (order, fresh):
        path.write_text(f"reference,order\npi_1,{each}\n")
        assert found(server, path)[0] == set()


def test_a_list_that_cannot_be_read_says_where(server, tmp_path):
    path = tmp_path / "list.csv"
    for text, said in {
        "": "a line of titles", "order\nx\n": "a line of titles", "reference\n\"pi\n": ":2:", "reference\npi 1\n": ':2: "pi 1" is no reference',
        "reference,order\npi,x\n": ':2: "x" is no order', "reference,amount\npi,1.50\n": ':2: "1.50" is no amount',
        "reference,currency\npi,eur\n": ':2: "eur" is no currency', "reference,amount\npi,99999999999999999999\n": "is no amount",
    }.items():
        path.write_text(text)
        code, out, error = judge(server, path)
        assert code == 2 and said in error and not out, text
    code, _, error = judge(server, tmp_path / "none.csv")
    assert code == 2 and "none.csv" in error
