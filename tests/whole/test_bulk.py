"""Many things by one command: orders that are confirmed or cancelled by a file, and a sale like another."""

import csv
import io
import json

import pytest

from commands import operate


@pytest.fixture
def shop(server):
    server.make_sale("drop", 20, hold_seconds=600, price={"amount": 250, "currency": "EUR"})
    return server


def bought(shop, count):
    return [shop.buy("drop", f"b{i}").json["id"] for i in range(count)]


def results(done):
    return {row["order"]: row["result"] for row in json.loads(done.stdout)}


def test_orders_are_confirmed_by_a_file_with_their_payments(shop):
    first, second, third = bought(shop, 3)
    (shop.folder / "paid.csv").write_text(
        f'reference,order,amount,currency\r\n"pi,1",{first},250,EUR\r\npi_2,{second},250,EUR\r\n,{third},,\r\n', newline=""
    )
    done = operate(shop, "order", "confirm", "--file", "paid.csv")
    assert done.returncode == 0 and done.stdout.count("done") == 3, done.stdout + done.stderr
    assert shop.order(first).json["payment"] == {"reference": "pi,1", "amount": 250, "currency": "EUR"}
    assert [shop.order(order).json["state"] for order in (first, second, third)] == ["confirmed"] * 3
    again = operate(shop, "order", "confirm", "--file", "paid.csv")
    assert again.returncode == 0 and again.stdout == done.stdout
    exported = operate(shop, "export", "payments", "--csv").stdout
    assert [row["reference"] for row in csv.DictReader(io.StringIO(exported, newline=""))] == ["pi,1", "pi_2"]
    (shop.folder / "exported.csv").write_text(exported)
    assert operate(shop, "order", "confirm", "--file", "exported.csv").returncode == 0


def test_a_dry_run_says_what_would_come_of_each_and_does_nothing(shop):
    held, confirmed, other, cancelled = bought(shop, 4)
    assert operate(shop, "order", "confirm", confirmed).returncode == 0
    assert shop.operate("POST", f"/v1/orders/{other}/confirm", {"payment": {"reference": "pi_x"}}).status == 200
    assert operate(shop, "order", "cancel", cancelled).returncode == 0
    unknown = held[:-6] + "fffffe"
    (shop.folder / "orders.csv").write_text("order,reference\n" + "".join(f"{order},pi_{i}\n" for i, order in enumerate((held, confirmed, other, cancelled, unknown))))
    before = shop.orders()
    done = operate(shop, "order", "confirm", "--file", "orders.csv", "--dry-run", "--json")
    told = results(done)
    assert done.returncode == 1 and "3 of 5" in done.stderr
    assert (told[held], told[confirmed]) == ("would be confirmed", "is confirmed already")
    assert "pi_x" in told[other] and "refused" in told[cancelled] and "unknown-order" in told[unknown]
    (shop.folder / "ids").write_text(f"{held}\n{confirmed}\n\n{cancelled}\n")
    done = operate(shop, "order", "cancel", "--file", "ids", "--dry-run", "--json")
    told = results(done)
    assert done.returncode == 0, done.stderr
    assert told == {held: "would be cancelled", confirmed: "would be refunded", cancelled: "is cancelled already"}
    assert shop.orders() == before


def test_what_one_order_refuses_keeps_no_other_back(shop):
    first, second = bought(shop, 2)
    assert shop.operate("POST", f"/v1/orders/{first}/confirm", {"payment": {"reference": "pi_x"}}).status == 200
    (shop.folder / "paid.csv").write_text(f"order,reference,amount\n{first},pi_1,250\n{second},pi_2,250\n")
    done = operate(shop, "order", "confirm", "--file", "paid.csv")
    assert done.returncode == 1 and "1 of 2" in done.stderr and "paid-already" in done.stdout
    assert shop.order(second).json["state"] == "confirmed" and shop.order(first).json["payment"]["reference"] == "pi_x"


def test_a_command_says_why_and_shows_it(shop):
    one, *others = bought(shop, 3)
    me = shop.operate("GET", "/v1/whoami").json["name"]
    assert f"by b0 (buyer)\n" in operate(shop, "order", "show", one).stdout
    for command in (["extend", one, "20m"], ["confirm", one], ["cancel", one]):
        reason = f"{command[0]}: asked by phone"
        done = operate(shop, "order", *command, "--reason", reason)
        assert done.returncode == 0, done.stderr
        assert (shop.order(one).json["actor"], shop.order(one).json["reason"]) == (me, reason)
        assert f" by {me} (operator): {reason}\n" in operate(shop, "order", "show", one).stdout
    (shop.folder / "ids").write_text("\n".join(others) + "\n")
    for action, more in (("confirm", []), ("cancel", ["--yes"])):
        assert operate(shop, "order", action, "--file", "ids", "--reason", f"{action} all", *more).returncode == 0
        assert {shop.order(order).json["reason"] for order in others} == {f"{action} all"}
    assert operate(shop, "order", "cancel", one, "--reason", "x" * 201).returncode != 0


def test_orders_are_cancelled_by_a_file_that_is_asked_for(shop):
    orders = bought(shop, 3)
    (shop.folder / "ids").write_text("\n".join(orders) + "\n")
    done = operate(shop, "order", "cancel", "--file", "ids")
    assert done.returncode == 2 and "--yes" in done.stderr
    assert {row["state"] for row in shop.orders()} == {"held"}
    done = operate(shop, "order", "cancel", "--file", "ids", "--yes")
    assert done.returncode == 0, done.stderr
    assert {row["state"] for row in shop.orders()} == {"cancelled"} and shop.lot("drop")["available"] == 20


@pytest.mark.parametrize(
    "text,line,word",
    [
        ("order\n{held}\nnonsense\n", 3, "order's id"),
        ("order,amount\n{held},ten\n", 2, "smallest unit"),
        ('order,reference\n{held},"two\nlines"\n{held},"open\n', 4, "quote"),
        ("buyer\nanna\n", 1, "titles"),
    ],
)
def test_a_file_with_a_fault_names_its_line_and_nothing_is_done(shop, text, line, word):
    (held,) = bought(shop, 1)
    (shop.folder / "orders.csv").write_text(text.format(held=held))
    done = operate(shop, "order", "confirm", "--file", "orders.csv")
    assert done.returncode == 2 and f"orders.csv:{line}:" in done.stderr and word in done.stderr, done.stderr
    assert shop.order(held).json["state"] == "held"


@pytest.mark.parametrize("arguments", [["confirm"], ["confirm", "--file", "nowhere.csv"], ["cancel", "x", "--file", "y"], ["cancel", "x", "--dry-run"]])
def test_a_file_or_orders_and_not_both(shop, arguments):
    done = operate(shop, "order", *arguments)
    assert done.returncode == 2 and done.stderr and done.stdout == ""


def test_a_sale_like_another(shop):
    shop.make_sale(
        "first", lots={"S": 5, "M": 7}, state="draft", limit_per_buyer=3, hold_seconds=77, price={"amount": 500, "currency": "CHF"}, announce=True,
        rate={"requests": 4, "seconds": 30}, opens_at="2098-01-01T10:00:00.000Z", closes_at="2098-01-01T12:00:00.000Z",
    )  # fmt: skip
    for sku in ("S", "M"):
        assert operate(shop, "item", "receive", sku, "50").returncode == 0
    done = operate(shop, "sale", "create", "second", "--like", "first", "--opens-at", "2099-05-05T08:00:00Z", "--json")
    assert done.returncode == 0, done.stderr
    one, other = shop.sale("first"), json.loads(done.stdout)
    for same in ("name", "price", "limit_per_buyer", "rate", "hold_seconds", "late_confirm", "announce"):
        assert one[same] == other[same], same
    assert [(lot["sku"], lot["units"]) for lot in other["lots"]] == [("S", 5), ("M", 7)]
    assert (other["state"], other["opens_at"], other["closes_at"]) == ("draft", "2099-05-05T08:00:00.000Z", "2099-05-05T10:00:00.000Z")
    done = operate(shop, "sale", "create", "third", "--like", "first", "--opens-in", "7d", "--name", "A third", "--lot", "S=2", "--rate", "off", "--limit", "1", "--json")
    assert done.returncode == 0, done.stderr
    other = json.loads(done.stdout)
    assert (other["name"], other["rate"], other["limit_per_buyer"]) == ("A third", None, 1)
    assert [(lot["sku"], lot["units"]) for lot in other["lots"]] == [("S", 2)] and other["opens_at"]
    assert json.loads(operate(shop, "sale", "create", "bare", "--like", "first", "--lot", "S=1", "--json").stdout)["opens_at"] is None
    done = operate(shop, "sale", "create", "fourth", "--like", "nothing")
    assert done.returncode == 1 and "unknown-sale" in done.stderr
