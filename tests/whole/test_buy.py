"""A purchase, and each answer that it can get."""

import contextlib
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock import buyer_token, request, wait_until

UUID7 = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


def test_a_purchase_is_accepted_with_its_order(server):
    server.make_sale("drop", 5, hold_seconds=60)
    answer = server.buy("drop", "anna", key="k1", body={"quantity": 1, "sku": "drop-item"})
    assert answer.status == 202
    order = answer.json
    assert UUID7.match(order["id"])
    assert answer.header("Location") == f"/v1/orders/{order['id']}"
    assert (order["sale"], order["sku"], order["buyer"], order["quantity"], order["state"]) == ("drop", "drop-item", "anna", 1, "held")
    assert order["placed_at"] < order["hold_expires_at"]
    assert server.lot("drop") == {"sku": "drop-item", "units": 5, "available": 4, "held": 1, "confirmed": 0, "withdrawn": 0}


def test_an_accepted_order_is_in_the_ledger_when_the_answer_comes(server):
    server.make_sale("drop", 5)
    order = server.buy("drop", "anna").json["id"]
    assert server.rows("select count(*) from orders where id = ?", bytes.fromhex(order.replace("-", ""))) == [(1,)]


def test_an_order_without_hold_time_is_born_confirmed(server):
    server.make_sale("drop", 5, hold_seconds=0)
    order = server.buy("drop", "anna").json
    assert order["state"] == "confirmed" and order["hold_expires_at"] is None
    assert server.lot("drop")["confirmed"] == 1


def test_the_last_unit_is_sold_and_then_the_answer_is_gone(server):
    server.make_sale("drop", 1, hold_seconds=0)
    assert server.buy("drop", "anna").status == 202
    gone = server.buy("drop", "bert")
    assert (gone.status, gone.code, gone.json["may_return"]) == (410, "sold-out", False)
    assert gone.header("Content-Type") == "application/problem+json"


def test_sold_out_says_that_holds_may_return(server):
    server.make_sale("drop", 1, hold_seconds=60)
    assert server.buy("drop", "anna").status == 202
    for _ in range(2):  # the second is answered by the latch
        gone = server.buy("drop", "bert")
        assert (gone.status, gone.json["may_return"]) == (410, True)


def test_nothing_returns_to_a_sale_that_has_ended(server):
    """Its holds end too, but their units go back to the item."""
    server.make_sale("drop", 1)
    assert server.buy("drop", "anna").status == 202
    assert server.ask("GET", "/v1/sales/drop").json["lots"][0]["may_return"] is True
    assert server.operate("POST", "/v1/sales/drop/end").status == 200
    assert server.ask("GET", "/v1/sales/drop").json["lots"] == [{"sku": "drop-item", "sold_out": True, "may_return": False}]


def test_two_hundred_buyers_on_a_hundred_units(server):
    server.make_sale("drop", 100)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda i: server.buy("drop", f"buyer-{i}").status, range(200)))
    assert sorted(answers) == [202] * 100 + [410] * 100
    assert server.lot("drop")["held"] == 100
    server.audit()


def test_an_unknown_sale(server):
    answer = server.buy("nothing", "anna")
    assert (answer.status, answer.code) == (404, "unknown-sale")


def test_a_draft_is_unknown_to_buyers(server):
    server.make_sale("drop", 5, state="draft")
    assert server.buy("drop", "anna").code == "unknown-sale"
    assert server.ask("GET", "/v1/sales/drop").code == "unknown-sale"


def test_a_sale_that_has_not_opened_says_when(server):
    server.make_sale("drop", 5, state="armed", opens_at="2099-01-01T10:00:00.000Z")
    answer = server.buy("drop", "anna")
    assert (answer.status, answer.code) == (409, "sale-not-open")
    assert answer.json["opens_at"] == "2099-01-01T10:00:00.000Z"
    assert int(answer.header("Retry-After")) > 0


def test_a_paused_sale(server):
    server.make_sale("drop", 5)
    server.operate("POST", "/v1/sales/drop/pause")
    answer = server.buy("drop", "anna")
    assert (answer.status, answer.code, answer.json["state"]) == (409, "sale-not-open", "paused")
    server.operate("POST", "/v1/sales/drop/resume")
    assert server.buy("drop", "anna").status == 202


def test_an_ended_sale(server):
    server.make_sale("drop", 5)
    server.operate("POST", "/v1/sales/drop/end")
    answer = server.buy("drop", "anna")
    assert (answer.status, answer.code) == (410, "sale-ended")


def test_the_limit_per_buyer_counts_over_all_lots(server):
    server.make_sale("drop", lots={"size-1": 10, "size-2": 10}, limit_per_buyer=3)
    assert server.buy("drop", "anna", body={"sku": "size-1", "quantity": 2}).status == 202
    answer = server.buy("drop", "anna", body={"sku": "size-2", "quantity": 2})
    assert (answer.status, answer.code) == (409, "buyer-limit-reached")
    assert server.buy("drop", "anna", body={"sku": "size-2", "quantity": 1}).status == 202
    assert server.buy("drop", "anna", body={"sku": "size-1", "quantity": 1}).code == "buyer-limit-reached"
    server.audit()


def test_the_limit_holds_when_one_buyer_asks_many_times_at_once(server):
    server.make_sale("drop", 50, limit_per_buyer=2)
    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda i: server.buy("drop", "anna").status, range(40)))
    assert codes.count(202) == 2 and codes.count(409) == 38
    server.audit()


def test_a_cancelled_order_counts_no_more_against_the_limit(server):
    server.make_sale("drop", 5)
    order = server.buy("drop", "anna").json["id"]
    assert server.buy("drop", "anna").code == "buyer-limit-reached"
    assert server.ask("POST", f"/v1/orders/{order}/cancel", "anna", "").status == 200
    assert server.buy("drop", "anna").status == 202


def test_the_rate_is_three_in_a_window_and_says_so(server):
    server.make_sale("drop", 50, limit_per_buyer=10, rate={"requests": 3, "seconds": 60})
    left = []
    for _ in range(3):
        answer = server.buy("drop", "anna")
        assert answer.status == 202
        left.append(answer.header("RateLimit"))
    assert [re.search(r"r=(\d)", text).group(1) for text in left] == ["2", "1", "0"]
    answer = server.buy("drop", "anna")
    assert (answer.status, answer.code) == (429, "rate-limited")
    assert 1 <= int(answer.header("Retry-After")) <= 60
    assert answer.header("RateLimit-Policy") == '"buyer";q=3;w=60'
    assert server.buy("drop", "bert").status == 202


def test_a_refusal_by_the_rate_consumes_nothing(server):
    server.make_sale("drop", 50, limit_per_buyer=10, rate={"requests": 1, "seconds": 1})
    assert server.buy("drop", "anna").status == 202
    assert server.buy("drop", "anna").status == 429

    # Asked all the time, and still it passes once the second is over: the window slides, refusals
    # are not counted.
    wait_until(lambda: server.buy("drop", "anna").status == 202, 5, "a pass after the window")


def test_an_answer_that_was_lost_without_a_key_is_found(server):
    server.make_sale("drop", 9, limit_per_buyer=2)
    assert server.ask("GET", "/v1/sales/drop/orders", "anna").json == {"orders": [], "more": False, "waiting": False}
    made = [server.buy("drop", "anna").json for _ in range(2)]
    server.buy("drop", "bert")
    found = server.ask("GET", "/v1/sales/drop/orders", "anna").json
    assert found == {"orders": made[::-1], "more": False, "waiting": False}
    refused = server.buy("drop", "anna")
    assert refused.code == "buyer-limit-reached" and refused.json["orders"] == [order["id"] for order in made[::-1]]
    assert server.buy("drop", "bert", body={"quantity": 2}).json["orders"] == [
        order["id"] for order in server.ask("GET", "/v1/sales/drop/orders", "bert").json["orders"]
    ]
    assert server.ask("GET", "/v1/sales/none/orders", "anna").code == "unknown-sale"
    assert request(server.public, "GET", "/v1/sales/drop/orders").code == "unauthorized"
    assert server.ask("GET", "/v1/sales/drop/orders?buyer=bert", "anna").status == 422


def test_orders_of_a_sale_that_the_stock_has_no_more_are_read_from_the_ledger(server):
    server.make_sale("drop", 20, hold_seconds=60, limit_per_buyer=20)
    made = [server.buy("drop", "anna").json["id"] for _ in range(10)]
    server.buy("drop", "bert")
    assert server.operate("POST", "/v1/sales/drop/end").status == 200
    server.stop()
    with contextlib.closing(sqlite3.connect(server.ledger)) as ledger, ledger:
        ledger.execute("update sales set ended_at_ms = ended_at_ms - 30 * 24 * 3600 * 1000 where id = 'drop'")
    server.start()
    found = server.ask("GET", "/v1/sales/drop/orders", "anna").json
    assert [order["id"] for order in found["orders"]] == made[:1:-1]
    assert found["more"] and not found["waiting"] and "trace" not in found["orders"][0]


def test_whoever_is_refused_all_the_time_is_refused_without_a_look(server):
    """
    Refusals consume nothing of the rate; what a buyer asks in vain has a bound of its own, which a
    retry passes.
    """
    server.make_sale("drop", 5, limit_per_buyer=1, rate={"requests": 2, "seconds": 600})
    assert server.buy("drop", "anna", key="k").status == 202
    codes = [server.buy("drop", "anna", key=f"k{i}").code for i in range(22)]
    assert codes == ["buyer-limit-reached"] * 20 + ["rate-limited"] * 2
    answer = server.buy("drop", "anna")
    assert answer.code == "rate-limited" and int(answer.header("Retry-After")) >= 500
    assert server.buy("drop", "anna", key="k").header("Idempotent-Replayed") == "true"
    assert server.buy("drop", "bert").status == 202


def test_the_rate_holds_under_concurrency(server):
    server.make_sale("drop", 50, limit_per_buyer=10, rate={"requests": 3, "seconds": 60})
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda i: server.buy("drop", "anna").status, range(30)))
    assert sorted(statuses) == [202] * 3 + [429] * 27


def test_the_address_limit(serve):
    server = serve({"gate.address_rate": "3/60"})
    server.make_sale("drop", 50)
    statuses = [server.buy("drop", f"buyer-{i}").status for i in range(4)]
    assert statuses == [202, 202, 202, 429]
    answer = server.buy("drop", "another")
    assert answer.code == "address-rate-limited" and int(answer.header("Retry-After")) >= 1
    other = request(
        server.public, "POST", "/v1/sales/drop/orders", {}, {"Authorization": f"Bearer {buyer_token('x')}"}, source="127.0.0.2"
    )
    assert other.status == 202


def test_a_lot_must_be_named_where_there_are_several(server):
    server.make_sale("drop", lots={"size-1": 10, "size-2": 10})
    answer = server.buy("drop", "anna")
    assert (answer.status, answer.code, answer.json["field"]) == (422, "invalid-value", "sku")


@pytest.mark.parametrize(
    "body,status,code,field",
    [
        ("{", 400, "malformed-request", None),
        ("[]", 400, "malformed-request", None),
        ('{"quantity":1,"quantity":1}', 400, "malformed-request", None),
        ('{"quantity":0}', 422, "invalid-value", "quantity"),
        ('{"quantity":-1}', 422, "invalid-value", "quantity"),
        ('{"quantity":3}', 422, "invalid-value", "quantity"),
        ('{"quantity":1.5}', 422, "invalid-value", "quantity"),
        ('{"quantity":"1"}', 422, "invalid-value", "quantity"),
        ('{"quantity":null}', 422, "invalid-value", "quantity"),
        ('{"sku":"other"}', 422, "invalid-value", "sku"),
        ('{"sku":7}', 422, "invalid-value", "sku"),
        ('{"count":1}', 422, "unknown-field", "count"),
    ],
)
def test_a_bad_body_is_refused_with_its_reason_and_changes_nothing(server, body, status, code, field):
    server.make_sale("drop", 5, limit_per_buyer=2)
    answer = request(
        server.public,
        "POST",
        "/v1/sales/drop/orders",
        body,
        {"Authorization": f"Bearer {buyer_token('anna')}", "Content-Type": "application/json"},
    )
    assert (answer.status, answer.code, answer.json.get("field")) == (status, code, field)
    assert server.lot("drop")["available"] == 5


def test_a_body_of_another_type(server):
    server.make_sale("drop", 5)
    answer = request(
        server.public, "POST", "/v1/sales/drop/orders", "a=b",
        {"Authorization": f"Bearer {buyer_token('anna')}", "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status, answer.code) == (415, "unsupported-media-type")


def test_a_trace_goes_through_to_the_order(server):
    server.make_sale("drop", 5)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = server.buy("drop", "anna", traceparent=trace)
    assert answer.header("traceparent") == trace
    assert server.order(answer.json["id"]).json["trace"] == trace
    made = server.buy("drop", "bert", traceparent="nonsense").header("traceparent")
    assert re.match(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$", made)
