"""
Many things by one command: orders that are confirmed or cancelled by a file, and a sale like
another.
"""

import contextlib
import csv
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


def test_one_order_is_confirmed_with_its_payment_and_found_by_it(shop):
    first, second = bought(shop, 2)
    third = shop.buy("drop", "own", body={"quantity": 1, "reference": "INV-7"}).json["id"]
    pays = ["--amount", "250", "--currency", "EUR"]
    wrong = operate(shop, "order", "confirm", first, "--payment", "pi_1", "--amount", "249", "--currency", "EUR")
    assert wrong.returncode == 1 and "wrong-amount" in wrong.stderr and shop.order(first).json["state"] == "held"
    for _ in range(2):
        assert operate(shop, "order", "confirm", first, "--payment", "pi_1", "--method", "card", *pays).returncode == 0
    assert shop.order(first).json["payment"] == {"reference": "pi_1", "amount": 250, "currency": "EUR", "method": "card"}
    for order, payment, code in ((first, "pi_2", "paid-already"), (second, "pi_1", "reference-used")):
        refused = operate(shop, "order", "confirm", order, "--payment", payment, *pays)
        assert refused.returncode == 1 and code in refused.stderr, refused.stderr
    found = [json.loads(operate(shop, "order", "list", *by, "--json").stdout) for by in (["--payment", "pi_1"], ["--reference", "INV-7"], ["--payment", "pi_9"])]
    assert [[order["id"] for order in orders] for orders in found] == [[first], [third], []]
    (shop.folder / "ids").write_text(f"{second}\n")
    for arguments, word in ((["--file", "ids", "--payment", "pi_3"], "columns"), ([second, "--payment", "pi 3"], "without spaces"), ([second, "--amount", "2.5"], "whole number")):
        done = operate(shop, "order", "confirm", *arguments)
        assert done.returncode == 2 and word in done.stderr, done.stderr
    assert shop.order(second).json["state"] == "held"


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


def lot(shop):
    now = shop.lot("drop")
    return now["available"], now["confirmed"] + now["held"], now["withdrawn"]


@pytest.fixture
def three(shop):
    """(server, an order of three units that is paid)"""
    shop.make_sale("pairs", lots={"P": 10}, hold_seconds=600, limit_per_buyer=3, price={"amount": 250, "currency": "EUR"})
    order = shop.buy("pairs", "anna", body={"quantity": 3}).json["id"]
    assert operate(shop, "order", "confirm", order).returncode == 0
    return shop, order


def units(shop, order):
    """(state, units of the order; of its lot: available, withdrawn; on hand)"""
    now, sold = shop.order(order).json, shop.lot("pairs")
    on_hand = shop.operate("GET", "/v1/items/P").json["on_hand"]
    return now["state"], now["quantity"], sold["available"], sold["withdrawn"], on_hand


def test_some_units_of_an_order_are_given_back_and_the_last_cancels_it(three):
    shop, order = three
    on_hand = units(shop, order)[-1]
    give = ["order", "cancel", order, "--quantity", "1", "--units", "warehouse", "--reference", "re_1", "--reason", "the left is torn", "--json"]
    done = operate(shop, *give)
    assert done.returncode == 0 and json.loads(done.stdout)["quantity"] == 2, done.stdout + done.stderr
    assert units(shop, order) == ("confirmed", 2, 7, 1, on_hand + 1)
    assert operate(shop, *give).returncode == 0, "the same refund by its own name"
    assert units(shop, order) == ("confirmed", 2, 7, 1, on_hand + 1)
    assert operate(shop, "order", "cancel", order, "-q", "1", "--units", "gone", "--reference", "re_2").returncode == 0
    assert units(shop, order) == ("confirmed", 1, 7, 2, on_hand + 1)
    for wrong, word in ((["-q", "2", "--reference", "re_3"], "order-quantity"), (["-q", "2", "--reference", "re_2"], "idempotency-key-reused")):
        done = operate(shop, "order", "cancel", order, *wrong)
        assert done.returncode == 1 and word in done.stderr, done.stderr
    assert "re_1" not in done.stdout and units(shop, order) == ("confirmed", 1, 7, 2, on_hand + 1)
    assert operate(shop, "order", "cancel", order, "-q", "1").returncode == 0
    assert units(shop, order)[::2] == ("cancelled", 8, on_hand + 1)
    shop.audit()


@pytest.mark.parametrize(
    "arguments,word",
    [
        (["{order}", "-q", "0"], "1 to 1000000000"),
        (["{order}", "-q", "one"], "1 to 1000000000"),
        (["{order}", "--units", "away"], "warehouse"),
        (["{order}", "--reference", "two words"], "without spaces"),
        (["{order}", "{order}", "-q", "1"], "one order"),
        (["--file", "ids", "--reference", "re_1"], "columns"),
    ],
)
def test_a_refund_that_makes_no_sense_is_refused_before_anybody_is_asked(three, arguments, word):
    shop, order = three
    before = units(shop, order)
    (shop.folder / "ids").write_text(f"{order}\n")
    done = operate(shop, "order", "cancel", *(each.format(order=order) for each in arguments), "--yes")
    assert done.returncode == 2 and word in done.stderr, done.stderr
    assert units(shop, order) == before


@contextlib.contextmanager
def answering(answer):
    """
    A server that says what `answer` does of an Idempotency-Key: (status, body). Its options for a
    command.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            status, told = answer(self.headers["Idempotency-Key"])
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield ["--operator", f"http://127.0.0.1:{server.server_port}"]
    finally:
        server.shutdown()
        server.server_close()


def problem(code, status, **members):
    return status, {"type": f"urn:penstock:problem:{code}", "title": code, "status": status, "code": code, **members}


def test_a_refund_that_was_overtaken_goes_on_under_its_next_key(three):
    """
    Its first key stays refused; the order has enough for it. Where it has not, that is the end.
    """
    shop, order = three
    keys = []

    def answer(key):
        keys.append(key)
        return (200, {"id": order, "quantity": 1, "state": "confirmed"}) if key == "re_1 3" else problem("order-quantity", 409, quantity=2)

    with answering(answer) as place:
        assert operate(shop, "order", "cancel", order, "-q", "1", "--reference", "re_1", *place).returncode == 0
        assert keys == ["re_1", "re_1 2", "re_1 3"]
        done = operate(shop, "order", "cancel", order, "-q", "3", "--reference", "re_2", *place)
        assert done.returncode == 1 and "order-quantity" in done.stderr and keys[3:] == ["re_2"]


def test_what_is_in_flight_is_asked_for_again_under_the_same_key(three):
    """Of one order, of a file, of an import: and not for ever."""
    shop, order = three
    keys = []

    def answer(key):
        keys.append(key)
        done = {"id": order, "quantity": 1, "state": "confirmed", "items": 1, "sales": 0}
        return (200, done) if len(keys) == 3 else problem("request-in-flight", 409)

    (shop.folder / "orders.csv").write_text(f"order,refund_quantity,refund_reference\n{order},1,re_1\n")
    (shop.folder / "items.csv").write_text("sku,item_name,on_hand\nA,An item,1\n")
    commands = (["order", "confirm", order], ["order", "cancel", "--file", "orders.csv", "--yes"], ["import", "items.csv"], ["sale", "pause", "drop"])
    with answering(answer) as place:
        for command in commands:
            keys.clear()
            done = operate(shop, *command, *place)
            assert done.returncode == 0 and len(keys) == 3 and len(set(keys)) == 1, (command, keys, done.stderr)
        keys.extend(keys)
        done = operate(shop, "order", "confirm", order, *place)
        assert done.returncode == 1 and "request-in-flight" in done.stderr
        assert len(set(keys[6:])) == 1 and 2 < len(keys[6:]) < 20


def test_who_gives_no_reference_is_told_to_look_where_nobody_knows(three):
    shop, order = three
    with answering(lambda key: problem("outcome-unknown", 503)) as place:
        for more, looks in ((["-q", "1"], True), (["-q", "1", "--reference", "re_1"], False), ([], False)):
            done = operate(shop, "order", "cancel", order, *more, *place)
            assert done.returncode == 1 and "outcome-unknown" in done.stderr and ("look at the order" in done.stderr) == looks, done.stderr
    done = operate(shop, "order", "cancel", order, "-q", "1", *place)
    assert done.returncode == 1 and "no server answers" in done.stderr and "look at the order" not in done.stderr


def test_refunds_come_by_a_file_which_can_be_given_again(three):
    shop, order = three
    held, gone = bought(shop, 2)
    on_hand = units(shop, order)[-1]
    assert operate(shop, "order", "cancel", gone).returncode == 0
    (shop.folder / "refunds.csv").write_text(
        "reference,order,refund_quantity,refund_units,refund_reference,refund_reason\n"
        f"pi_1,{order},1,warehouse,re_1,too small\npi_1,{order},1,,re_2,\npi_1,{order},4,gone,re_3,\n,{held},,gone,,\n,{gone},1,,re_4,\n"
    )
    command = ["order", "cancel", "--file", "refunds.csv", "--reason", "returned", "--json"]
    told = [row["result"] for row in json.loads(operate(shop, *command, "--dry-run").stdout)]
    assert told == ["1 of 3 would be refunded", "1 of 2 would be refunded", "would be refused: it has 1", "would be cancelled", "is cancelled already"]
    assert units(shop, order) == ("confirmed", 3, 7, 0, on_hand)
    for _ in range(2):
        done = operate(shop, *command, "--yes")
        told = [row["result"] for row in json.loads(done.stdout)]
        assert done.returncode == 1 and told[3] == "done", done.stdout
        assert told[2].startswith("order-quantity: ")
        assert units(shop, order) == ("confirmed", 1, 8, 1, on_hand + 1)
    assert shop.order(held).json["state"] == "cancelled" and lot(shop) == (19, 0, 1)
    reasons = [row["data"]["event"].get("reason") for row in shop.operate("GET", "/v1/changes?limit=1000").json["changes"] if row["data"]["event"]["kind"] == "order.reduced"]
    assert reasons == ["too small", "returned"]
    (shop.folder / "all.csv").write_text(f"order,refund_quantity,refund_reference\n{order},1,re_9\n")
    done = operate(shop, "order", "cancel", "--file", "all.csv", "--dry-run")
    assert done.returncode == 0 and "would be refunded" in done.stdout and " of " not in done.stdout
    shop.audit()


@pytest.mark.parametrize(
    "line,word",
    [("1,away,re_1", "place for units"), ("0,sale,re_1", "at least 1"), ("one,,re_1", "at least 1"), ("1,sale,", "refund_reference"), ("1,sale,re 1", "reference of a refund")],
)
def test_a_refund_with_a_fault_names_its_line_and_nothing_is_done(three, line, word):
    shop, order = three
    before = units(shop, order)
    (shop.folder / "refunds.csv").write_text(f"order,refund_quantity,refund_units,refund_reference\n{order},1,sale,re_0\n{order},{line}\n")
    done = operate(shop, "order", "cancel", "--file", "refunds.csv", "--yes")
    assert done.returncode == 2 and "refunds.csv:3:" in done.stderr and word in done.stderr and "nothing was done" in done.stderr, done.stderr
    assert units(shop, order) == before


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
