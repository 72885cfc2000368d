"""
Exports and reports: what the ledger has, whole, for other programs; and what became of a sale.
"""

import csv
import io
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from commands import operate, operator_environment
from penstock import PROGRAM, request, rfc3339, wait_until


def exported(server, *arguments):
    done = operate(server, "export", *arguments)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def as_csv(server, *arguments):
    return list(csv.DictReader(io.StringIO(exported(server, *arguments, "--csv"), newline="")))


def as_json(server, *arguments):
    return [json.loads(line) for line in exported(server, *arguments, "--ndjson").splitlines()]


@pytest.fixture
def shop(server):
    """Two sales with orders in each state: paid, refunded, given back, run out, held."""
    server.make_sale("drop", lots={"S": 5, "M": 5}, hold_seconds=600, price={"amount": 250, "currency": "EUR"})
    server.make_sale("short", 5, hold_seconds=1)
    orders = {}
    for name, sku in (("paid", "S"), ("refunded", "M"), ("cancelled", "S"), ("held", "M")):
        orders[name] = server.buy("drop", f"b-{name}", body={"sku": sku}).json["id"]
    orders["expired"] = server.buy("short", 'a "quoted", buyer'.replace(" ", "_")).json["id"]
    for name in ("paid", "refunded"):
        payment = {"reference": f"pi_{name},1", "amount": 250, "currency": "EUR"}
        assert server.operate("POST", f"/v1/orders/{orders[name]}/confirm", {"payment": payment}).status == 200
    for name in ("refunded", "cancelled"):
        assert server.operate("POST", f"/v1/orders/{orders[name]}/cancel", {"reason": f"{name}, \"so\""}).status == 200
    wait_until(lambda: server.order(orders["expired"]).json["state"] == "expired", 30, "the end of a hold")
    return server, orders


def test_orders_are_exported_in_both_forms(shop):
    server, orders = shop
    rows = {row["id"]: row for row in as_csv(server, "orders")}
    assert set(rows) == set(orders.values())
    for name, order in orders.items():
        known = server.order(order).json
        row = rows[order]
        assert (row["sale"], row["sku"], row["buyer"], row["state"]) == (known["sale"], known["sku"], known["buyer"], known["state"])
        assert row["placed_at"] == known["placed_at"] and row["quantity"] == "1"
    assert rows[orders["paid"]]["payment_reference"] == "pi_paid,1" and rows[orders["paid"]]["payment_amount"] == "250"
    assert rows[orders["held"]]["payment_reference"] == ""
    me = server.operate("GET", "/v1/whoami").json["name"]
    assert {name: tuple(rows[order][of] for of in ("actor", "actor_kind", "reason")) for name, order in orders.items()} == {
        "paid": (me, "operator", ""), "refunded": (me, "operator", 'refunded, "so"'), "cancelled": (me, "operator", 'cancelled, "so"'),
        "held": ("b-held", "buyer", ""), "expired": ("clock", "clock", "")}
    assert rows[orders["expired"]]["buyer"] == 'a_"quoted",_buyer'
    assert {row["id"]: row for row in as_json(server, "orders")} == {order: server.order(order).json for order in orders.values()}
    assert {row["id"] for row in as_csv(server, "orders", "--sale", "short")} == {orders["expired"]}


def test_movements_are_all_that_happened_in_its_order(shop):
    server, orders = shop
    rows = as_csv(server, "movements")
    happened = {}
    for row in rows:
        happened.setdefault(row["order"], []).append(row["type"].removeprefix("penstock.order.").removesuffix(".v1"))
    assert happened == {
        orders["paid"]: ["reserved", "confirmed"],
        orders["refunded"]: ["reserved", "confirmed", "refunded"],
        orders["cancelled"]: ["reserved", "cancelled"],
        orders["held"]: ["reserved"],
        orders["expired"]: ["reserved", "expired"],
    }
    assert [row["id"] for row in rows] == [row["id"] for row in as_json(server, "movements")]
    assert [(row["actor_kind"], row["reason"]) for row in rows if row["order"] == orders["cancelled"]] == [("buyer", ""), ("operator", 'cancelled, "so"')]
    assert {row["units"] for row in rows} == {"1"} and {row["sku"] for row in rows if row["sale"] == "drop"} == {"S", "M"}
    assert {row["order"] for row in as_csv(server, "movements", "--sale", "short")} == {orders["expired"]}


def test_payments_are_exported_with_what_became_of_their_orders(shop):
    server, orders = shop
    expected = [("pi_paid,1", orders["paid"], "confirmed"), ("pi_refunded,1", orders["refunded"], "cancelled")]
    assert [(row["reference"], row["order"], row["state"]) for row in as_csv(server, "payments")] == expected
    rows = as_json(server, "payments")
    assert [(row["reference"], row["order"], row["state"]) for row in rows] == expected
    assert [(row["amount"], row["currency"], row["method"]) for row in rows] == [(250, "EUR", None)] * 2
    assert as_csv(server, "payments", "--sale", "short") == []


@pytest.fixture
def returns(shop):
    """
    Of orders of three units some come back, to each place; and a held one gives one back before it
    is paid.
    """
    server, orders = shop
    server.make_sale("pairs", lots={"P": 20}, hold_seconds=600, limit_per_buyer=3, price={"amount": 100, "currency": "EUR"})
    back = {}
    for name in ("paid", "held"):
        back[name] = server.buy("pairs", f"c-{name}", body={"quantity": 3}).json["id"]
    assert server.operate("POST", f"/v1/orders/{back['paid']}/confirm", {"payment": {"reference": "pi_3"}}).status == 200

    def give(name, key, **body):
        answer = server.operate("POST", f"/v1/orders/{back[name]}/cancel", body, headers={"Idempotency-Key": key})
        assert answer.status == 200, answer.body

    give("paid", "k1", quantity=1, units="warehouse", reference="re_1", reason="too small")
    give("held", "k2", quantity=1)
    give("paid", "k3", quantity=1, units="gone")
    give("paid", "k4", reference="re_3")
    return server, back


def test_refunds_are_exported_with_their_own_names(returns):
    server, back = returns
    rows = as_csv(server, "refunds", "--sale", "pairs")
    assert [(row["reference"], row["quantity"], row["units_to"], row["reason"]) for row in rows] == [
        ("re_1", "1", "warehouse", "too small"), ("", "1", "gone", ""), ("re_3", "1", "", "")]
    assert {(row["order"], row["payment_reference"], row["price_amount"], row["price_currency"]) for row in rows} == {(back["paid"], "pi_3", "100", "EUR")}
    assert [row["reference"] for row in as_json(server, "refunds", "--sale", "pairs")] == ["re_1", None, "re_3"]
    assert len(as_csv(server, "refunds")) == 4, "that of another sale, whole and without a name"
    moved = [(row["type"], row["units"], row["units_left"], row["units_to"]) for row in as_csv(server, "movements", "--sale", "pairs") if row["order"] == back["paid"]]
    assert moved[2:] == [("penstock.order.reduced.v1", "1", "2", "warehouse"), ("penstock.order.reduced.v1", "1", "1", "gone"), ("penstock.order.refunded.v1", "1", "", "")]


def test_a_report_says_where_units_went(returns):
    server, back = returns
    done = operate(server, "sale", "report", "pairs", "--json")
    told = json.loads(done.stdout)
    outcomes = {name: (sums["orders"], sums["units"], sums["amount"]) for name, sums in told["outcomes"].items()}
    assert outcomes == {"confirmed": (0, 0, 0), "held": (1, 2, 200), "refunded": (1, 3, 300), "cancelled": (0, 1, 100), "expired": (0, 0, 0)}
    given = {where: (sums["refunded"]["units"], sums["refunded"]["amount"], sums["cancelled"]["units"]) for where, sums in told["given_back"].items()}
    assert given == {"sale": (1, 100, 1), "warehouse": (1, 100, 0), "gone": (1, 100, 0)} and told["reductions"] == 3
    assert told["lots"][0]["outcomes"] == told["outcomes"]
    assert {name: sum(minute["outcomes"][name]["units"] for minute in told["minutes"]) for name in outcomes} == {name: units for name, (_, units, _) in outcomes.items()}
    shown = operate(server, "sale", "report", "pairs").stdout
    assert "GIVEN BACK" in shown and "goes on with the rest: 3." in shown
    assert "GIVEN BACK" not in operate(server, "sale", "report", "short").stdout


def test_a_report_leaves_the_feed_when_its_orders_are_told(returns):
    """Found: the report of a sale long over read all that had happened since, of every sale."""
    server, _ = returns
    server.make_sale("later", 1100, hold_seconds=600)
    assert {server.buy("later", f"d{i}").status for i in range(1100)} == {202}
    pages = 'penstock_operator_request_duration_seconds_count{route="changes"}'

    def report(sale):
        before = server.metric(pages)
        told = json.loads(operate(server, "sale", "report", sale, "--json").stdout)
        return told, server.metric(pages) - before

    told, asked = report("pairs")
    assert told["reductions"] == 3 and asked == 1
    assert report("later")[1] == 0, "no order was changed"


def test_a_report_goes_straight_to_a_late_refund(returns):
    """
    Found: the report of a sale with a refund long afterwards read all that had happened between, of
    every sale.
    """
    server, _ = returns
    late = server.buy("pairs", "c-late").json["id"]
    assert server.operate("POST", f"/v1/orders/{late}/confirm", {}).status == 200
    server.make_sale("later", 1500, hold_seconds=600, rate=None)
    crowd = ["--sale", "later", "--buyers", "1500", "--abandon", "0", "--retries", "0", "--connections", "8", "--server", server.public]
    done = operate(server, "rehearse", *crowd, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.operate("POST", f"/v1/orders/{late}/cancel", {"units": "warehouse"}).status == 200
    pages = 'penstock_operator_request_duration_seconds_count{route="changes"}'
    before = server.metric(pages)
    told = json.loads(operate(server, "sale", "report", "pairs", "--json").stdout)
    assert server.metric(pages) - before == 2, "its beginning, and the refund"
    assert {where: sums["refunded"]["units"] for where, sums in told["given_back"].items()} == {"sale": 1, "warehouse": 2, "gone": 1}


def test_the_log_is_exported_with_its_hashes(shop):
    server, _ = shop
    told = server.operate("GET", "/v1/log?limit=1000").json["rows"]
    assert as_json(server, "log") == told
    rows = as_csv(server, "log")
    assert [int(row["number"]) for row in rows] == [row["number"] for row in told]
    assert [json.loads(row["detail"]) for row in rows] == [row["detail"] for row in told]


def test_an_export_begins_at_the_time_that_it_is_told(shop):
    server, orders = shop
    server.make_sale("later", 5)
    last = max(row["placed_at"] for row in as_json(server, "orders"))
    order = wait_until(
        lambda: (lambda answer: answer if answer.json["placed_at"] > last else None)(server.buy("later", "late")), 10, "a later millisecond"
    ).json
    since = ("--since", order["placed_at"])
    assert [row["id"] for row in as_json(server, "orders", *since)] == [order["id"]]
    moved = as_json(server, "movements", *since)
    assert order["id"] in {row["data"]["order"]["id"] for row in moved} and all(row["timestamp"] >= order["placed_at"] for row in moved)
    assert len(moved) < len(as_json(server, "movements"))
    assert as_json(server, "log", "--since", rfc3339(4102444800)) == []


def test_many_pages_are_one_export(server):
    """Several thousand orders: each once, and the same as the ledger's own rows."""
    server.make_sale("drop", 2500, hold_seconds=0)
    done = operate(server, "rehearse", "--sale", "drop", "--buyers", "2600", "--connections", "32")
    assert done.returncode == 0, done.stdout + done.stderr
    ids = [row["id"].replace("-", "") for row in as_csv(server, "orders")]
    assert len(ids) == 2500 and ids == sorted(set(ids)) and set(ids) == set(server.order_rows("drop"))
    assert len({row["id"] for row in as_json(server, "movements")}) == 2500


@pytest.mark.parametrize("arguments,word", [(["orders"], "--csv"), (["orders", "--csv", "--ndjson"], "--csv"), (["buyers", "--csv"], "payments"), (["log", "--csv", "--sale", "x"], "--subject"), (["orders", "--csv", "--since", "soon"], "wanted")])
def test_a_wrong_export_is_refused_before_anybody_is_asked(arguments, word, tmp_path):
    done = subprocess.run([PROGRAM, "export", *arguments], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2 and word in done.stderr and done.stdout == ""


class Pages(ThreadingHTTPServer):
    """
    A server between the command and a real one: it holds the second page back, or breaks off there,
    also when it is asked again.
    """

    def __init__(self, server, second):
        self.behind, self.second, self.asked, self.go_on = server, second, 0, threading.Event()
        super().__init__(("127.0.0.1", 0), Through)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Through(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked += 1
        if self.server.asked == 2 and self.server.second == "held back":
            assert self.server.go_on.wait(60)
        path = self.path.replace("limit=1000", "limit=2")
        answer = request(self.server.behind.operator, "GET", path, headers={"Authorization": self.headers["Authorization"]})
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        cut = self.server.asked >= 2 and self.server.second == "cut off"
        self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
        self.close_connection = cut

    def log_message(self, *_):
        pass


@pytest.fixture
def pages(shop):
    made = []

    def make(second):
        made.append(Pages(shop[0], second))
        return made[-1]

    yield make
    for each in made:
        each.shutdown()
        each.server_close()


def test_a_page_is_written_before_the_next_is_asked_for(shop, pages):
    """So its memory is that of a page, however many there are."""
    server, orders = shop
    between = pages("held back")
    command = [PROGRAM, "export", "orders", "--ndjson", "--operator", between.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=operator_environment(server), cwd=server.folder) as export:
        first = [json.loads(export.stdout.readline())["id"] for _ in range(2)]
        between.go_on.set()
        rest = [json.loads(line)["id"] for line in export.stdout]
        assert export.wait(60) == 0
    assert first + rest == sorted(orders.values())


def test_an_export_that_is_cut_off_says_so(shop, pages):
    server, orders = shop
    done = operate(server, "export", "orders", "--csv", "--operator", pages("cut off").url)
    assert done.returncode == 1
    assert "cut off" in done.stderr and "2 rows" in done.stderr
    assert [row["id"] for row in csv.DictReader(io.StringIO(done.stdout, newline=""))] == sorted(orders.values())[:2]


def test_an_export_to_a_full_disk_says_so(shop):
    server, _ = shop
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [PROGRAM, "export", "orders", "--csv"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=operator_environment(server)
        )
    assert done.returncode == 1 and "standard output" in done.stderr


# They print when they end; what is more than a buffer before: the next test.
PRINTED = ["audit {ledger}", "item list", "order list --json", "sale report drop", "token anna --identity.jwt_key=" + "k" * 32, "version", "help"]


@pytest.mark.parametrize("command", PRINTED)
def test_what_a_full_disk_has_not_taken_is_not_said_to_be_done(server, command):
    """It ended with 0, and whoever had asked had an empty file."""
    server.make_sale("drop", 5)
    words = command.format(ledger=f"sqlite:{server.ledger}").split()
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=operator_environment(server))
    assert done.returncode == 1 and "standard output: no space left on device" in done.stderr


def test_a_long_list_ends_where_it_is_not_read_on_and_fails_where_it_cannot_be_written(server):
    for name in range(300):
        assert server.operate("POST", "/v1/items", {"sku": f"item-{name}", "name": "n" * 200, "on_hand": 1}).status == 201
    with subprocess.Popen([PROGRAM, "item", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=operator_environment(server)) as listing:
        listing.stdout.close()
        assert listing.stderr.read() == "" and listing.wait(60) == 0
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROGRAM, "item", "list"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=operator_environment(server))
    assert done.returncode == 1 and "what was printed is not whole" in done.stderr


# --- Reports ---


def test_a_report_tells_outcomes_lots_minutes_and_money(shop):
    server, orders = shop
    report = json.loads(operate(server, "sale", "report", "drop", "--json").stdout)
    one = {"orders": 1, "units": 1, "amount": 250}
    none = {"orders": 0, "units": 0, "amount": 0}
    assert report["outcomes"] == {"confirmed": one, "held": one, "refunded": one, "cancelled": one, "expired": none}
    assert report["paid"] == {"orders": 1, "amount": 250}
    assert (report["sale"], report["state"], report["price"]) == ("drop", "open", {"amount": 250, "currency": "EUR"})
    lots = {lot["sku"]: lot for lot in report["lots"]}
    assert lots["S"]["outcomes"] == {"confirmed": one, "held": none, "refunded": none, "cancelled": one, "expired": none}
    assert lots["M"]["outcomes"] == {"confirmed": none, "held": one, "refunded": one, "cancelled": none, "expired": none}
    assert (lots["S"]["units"], lots["S"]["confirmed"], lots["M"]["held"]) == (5, 1, 1)
    minutes = {server.order(order).json["placed_at"][:16] for name, order in orders.items() if name != "expired"}
    assert [minute["at"] for minute in report["minutes"]] == [f"{minute}:00.000Z" for minute in sorted(minutes)]
    for outcome, total in report["outcomes"].items():
        assert {name: sum(minute["outcomes"][outcome][name] for minute in report["minutes"]) for name in total} == total
    assert json.loads(operate(server, "sale", "report", "short", "--json").stdout)["outcomes"]["expired"]["orders"] == 1


def test_a_report_for_people_has_the_same_figures(shop):
    server, orders = shop
    done = operate(server, "sale", "report", "drop")
    assert done.returncode == 0, done.stderr
    for outcome in ("confirmed", "held", "refunded", "cancelled"):
        assert [outcome, "1", "1", "250"] in [line.split() for line in done.stdout.splitlines()]
    assert ["S", "5", "1", "0", "0", "1", "0", "250"] in [line.split() for line in done.stdout.splitlines()]
    assert server.order(orders["paid"]).json["placed_at"][11:16] in done.stdout
    assert "With all confirmed orders a payment is told, of 250 together." in done.stdout
    done = operate(server, "sale", "report", "nowhere")
    assert done.returncode == 1 and "unknown-sale" in done.stderr and done.stdout == ""


def test_a_report_does_not_say_that_nobody_has_paid(server):
    """
    Found: `Of no confirmed order a payment is known`, below `orders paid 1,000`: the confirms had
    told none.
    """
    server.make_sale("drop", 5, hold_seconds=600, price={"amount": 250, "currency": "EUR"})
    report = lambda: operate(server, "sale", "report", "drop").stdout.splitlines()  # noqa: E731
    about_payment = lambda: [line for line in report() if "paid" in line or "payment" in line]  # noqa: E731
    orders = [server.buy("drop", f"b{i}").json["id"] for i in range(2)]
    assert about_payment() == [], "nothing is confirmed"
    for order in orders:
        assert server.operate("POST", f"/v1/orders/{order}/confirm", {}).status == 200
    assert about_payment() == ["What was paid is not told: the orders were confirmed without the data of a payment."]
    assert server.operate("POST", f"/v1/orders/{orders[0]}/confirm", {"payment": {"reference": "pi_1", "amount": 250, "currency": "EUR"}}).status == 200
    assert about_payment() == ["With 1 of the confirmed orders a payment is told, of 250 together; with the others none is."]
