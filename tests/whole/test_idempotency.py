"""The same buyer, key and body: the same 202, byte for byte, whatever has happened since."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock import wait_until

pytestmark = pytest.mark.parametrize("ledger", ["sqlite", "postgres"], indirect=True)


def bought(server, **terms):
    server.make_sale("drop", 2, **terms)
    answer = server.buy("drop", "anna", key="key-1")
    assert answer.status == 202 and answer.header("Idempotent-Replayed") is None
    return answer


def assert_replayed(server, first):
    again = server.buy("drop", "anna", key="key-1")
    assert (again.status, again.body) == (202, first.body)
    assert again.header("Location") == first.header("Location")
    assert again.header("Idempotent-Replayed") == "true"


def test_a_retry_gets_the_same_order(server):
    first = bought(server)
    assert_replayed(server, first)
    assert server.lot("drop")["held"] == 1


def test_a_retry_after_restart(server):
    first = bought(server)
    server.stop()
    server.restart()
    assert_replayed(server, first)


def test_a_retry_after_sigkill(server):
    first = bought(server)
    server.kill()
    server.restart()
    assert_replayed(server, first)


def test_a_retry_after_the_sale_has_sold_out(server):
    first = bought(server)
    assert server.buy("drop", "bert").status == 202
    assert server.buy("drop", "carl").status == 410
    assert server.buy("drop", "carl", key="key-1").status == 410
    assert_replayed(server, first)


@pytest.mark.parametrize("action", ["pause", "end"])
def test_a_retry_after_the_sale_has(server, action):
    first = bought(server)
    assert server.operate("POST", f"/v1/sales/drop/{action}").status == 200
    assert_replayed(server, first)
    server.kill()
    server.restart()
    assert_replayed(server, first)


def test_a_retry_after_the_order_was_confirmed_or_cancelled(server):
    first = bought(server)
    server.operate("POST", f"/v1/orders/{first.json['id']}/confirm")
    assert_replayed(server, first)
    server.operate("POST", f"/v1/orders/{first.json['id']}/cancel")
    assert_replayed(server, first)
    server.kill()
    server.restart()
    assert_replayed(server, first)


def test_a_retry_after_the_hold_was_extended(server):
    first = bought(server, hold_seconds=60)
    assert server.operate("POST", f"/v1/orders/{first.json['id']}/extend", {"seconds": 600}).status == 200
    assert_replayed(server, first)
    server.kill()
    server.restart()
    assert_replayed(server, first)


def test_a_retry_is_not_limited_by_the_rate(server):
    first = bought(server, rate={"requests": 1, "seconds": 60})
    for _ in range(5):
        assert_replayed(server, first)


def test_the_same_key_with_another_body(server):
    server.make_sale("drop", 5, limit_per_buyer=3)
    assert server.buy("drop", "anna", key="key-1", body={"quantity": 1}).status == 202
    answer = server.buy("drop", "anna", key="key-1", body={"quantity": 2})
    assert (answer.status, answer.code) == (422, "idempotency-key-reused")
    assert server.lot("drop")["held"] == 1


def test_another_buyers_key_is_another_key(server):
    server.make_sale("drop", 5)
    one, two = server.buy("drop", "anna", key="key-1"), server.buy("drop", "bert", key="key-1")
    assert (one.status, two.status) == (202, 202) and one.json["id"] != two.json["id"]


def test_many_requests_of_one_key_at_once_make_one_order(server):
    server.make_sale("drop", 50, limit_per_buyer=10)

    def ask(_):
        # In flight is said so; the retry resolves it.
        return wait_until(lambda: (a := server.buy("drop", "anna", key="key-1")).status != 409 and a, 10)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(40)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body for answer in answers}) == 1
    assert server.lot("drop")["held"] == 1


@pytest.mark.parametrize("key", ["", "a" * 129, "schlüssel"])
def test_a_bad_key_is_refused(server, key):
    server.make_sale("drop", 5)
    answer = server.buy("drop", "anna", key=key.encode())
    assert answer.status in (400, 422)
    assert server.lot("drop")["available"] == 5
