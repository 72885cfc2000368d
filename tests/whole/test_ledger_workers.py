"""
Payments and the brake wait for nobody: what operators ask at the same time does not stand in one
queue.
"""

import threading

from failpoints import serve_with_failpoints
from penstock import wait_until

LONG = {"journal.ack_deadline": "20s"}


def asked(call):
    """Calls on a thread of its own; (thread, list that gets the answer)."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    return thread, answers


def test_a_confirm_and_a_pause_do_not_wait_for_an_audit(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path, LONG)
    server.make_sale("drop", units=3)
    order = server.buy("drop", "b1").json["id"]
    failpoints.set("audit.begun=hold")
    audit, answers = asked(lambda: server.operate("POST", "/v1/audit"))
    wait_until(lambda: failpoints.hits("audit.begun") == 1, 15, "the audit's begin")
    assert server.operate("POST", f"/v1/orders/{order}/confirm").json["state"] == "confirmed"
    assert server.operate("POST", "/v1/sales/drop/pause").status == 200
    assert server.operate("GET", "/v1/orders").status == 200
    assert server.operate("POST", "/v1/items/drop/receive", {"units": 1}).status == 404
    assert not answers, "the audit was over before"
    failpoints.lift()
    audit.join(30)
    assert answers[0].status == 200 and answers[0].json["ok"]


def test_who_asks_for_an_audit_while_one_runs_shares_its_result(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path, LONG)
    failpoints.set("audit.begun=delay:10000")
    first, answers = asked(lambda: server.operate("POST", "/v1/audit"))
    wait_until(lambda: failpoints.hits("audit.begun") == 1, 15, "the audit's begin")
    others = [asked(lambda: server.operate("POST", "/v1/audit")) for _ in range(5)]
    for thread, _ in [(first, answers), *others]:
        thread.join(60)
    assert failpoints.hits("audit.begun") == 1
    bodies = {answer.body for _, got in [(first, answers), *others] for answer in got}
    assert len(bodies) == 1 and answers[0].json["ok"]
    assert len({answer.header("traceparent") for _, got in [(first, answers), *others] for answer in got}) == 6


def test_an_audit_that_takes_too_long_says_so_and_its_result_waits_for_the_next(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path, {"journal.ack_deadline": "1s"})
    failpoints.set("audit.begun=hold")
    answer = server.operate("POST", "/v1/audit")
    assert (answer.status, answer.code) == (503, "overloaded") and answer.header("Retry-After")
    failpoints.lift()
    assert server.operate_audit().json["ok"]
    assert failpoints.hits("audit.begun") == 1, "the same audit, and not one for each who asks"


def test_every_operators_request_has_an_end_while_the_ledger_hangs(serve, tmp_path):
    server, failpoints = serve_with_failpoints(serve, tmp_path, {"journal.ack_deadline": "1s"})
    server.make_sale("drop", units=1)
    failpoints.set("ledger.begin=hold")
    answer = server.operate("POST", "/v1/items", {"sku": "B", "name": "B", "on_hand": 1})
    assert (answer.status, answer.code) == (503, "outcome-unknown")
    assert server.operate("GET", "/v1/items").status == 200, "reads go on"
    failpoints.lift()
    wait_until(lambda: server.operate("GET", "/v1/items/B").status == 200, 20, "the change to be there")
