"""
examples/payments against the program: both webhooks, with a provider that tells late, twice and
never.
"""

import contextlib
import json
import urllib.request

import pytest

from examples import running
from penstock import OPERATOR_TOKEN, ROOT, request, wait_until
from ports import free_port

EXAMPLES = ROOT / "examples/payments"
SECRET = "the provider's own"
PRICE = {"amount": 17900, "currency": "EUR"}


class Provider:
    def __init__(self, url):
        self.url = url

    def ask(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data), timeout=60) as answer:
            return json.loads(answer.read())

    def pay(self, order, how="once", **terms):
        return self.ask("/payments", {"order": order, **PRICE, "how": how, **terms})["id"]

    def payment(self, name):
        return next(payment for payment in self.ask("/payments") if payment["id"] == name)

    def await_told(self, name, times=1):
        """The webhook has taken it so often."""
        return wait_until(lambda: (found := self.payment(name))["told"] >= times and found, 60, "the webhook's answer")


@pytest.fixture(params=["node", "python"])
def shop(request, serve, tmp_path):
    """(server, provider, where the webhook is), the webhook in that language."""
    words = {"node": ["node", EXAMPLES / "webhook.mjs"], "python": ["python3", EXAMPLES / "webhook.py"]}[request.param]
    server = serve({"sale.hold_grace": "0s"})
    server.keep_ports()
    port = free_port()  # the provider and the webhook know of each other before they start
    hook = f"http://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(
            running(["python3", EXAMPLES / "provider.py"], tmp_path / "provider.log", HOOK_URL=hook, PROVIDER_SECRET=SECRET, AGAIN_SECONDS="0.1")
        )
        webhook = {"OPERATOR_URL": server.operator, "OPERATOR_TOKEN": OPERATOR_TOKEN, "PROVIDER_URL": provider, "PROVIDER_SECRET": SECRET}
        stack.enter_context(running(words, tmp_path / "webhook.log", **{**webhook, "PORT": str(port)}))
        yield server, Provider(provider), hook


def held(server, hold_seconds=600, units=1):
    """An order of all units of a sale."""
    server.make_sale("drop", units, hold_seconds=hold_seconds, price=PRICE, limit_per_buyer=units)
    bought = server.buy("drop", "ann", body={"quantity": units})
    assert bought.status == 202, bought.body
    return bought.json["id"]


def shown(server, order):
    return server.operate("GET", f"/v1/orders/{order}").json


def test_a_payment_in_time_confirms_and_told_twice_it_is_one(shop):
    server, provider, _ = shop
    order = held(server)
    payment = provider.await_told(provider.pay(order, "twice"), 2)
    now = shown(server, order)
    assert now["state"] == "confirmed" and now["payment"]["reference"] == payment["id"]
    assert payment["refunded"] is None


def test_a_payment_that_comes_late_goes_back(shop):
    """
    Told never at first: the hold runs out and the unit is for sale again; told after that it is too
    late.
    """
    server, provider, _ = shop
    order = held(server, hold_seconds=1)
    payment = provider.pay(order, "never")
    wait_until(lambda: shown(server, order)["state"] == "expired", 60, "the end of the hold")
    assert server.buy("drop", "ben").status == 202
    assert provider.payment(payment)["told"] == 0
    provider.ask(f"/payments/{payment}/tell", {})
    assert provider.await_told(payment)["refunded"] == "hold-expired"
    assert shown(server, order)["state"] == "expired"


def test_a_second_payment_of_an_order_goes_back(shop):
    server, provider, _ = shop
    order = held(server)
    first, second = (provider.await_told(provider.pay(order)) for _ in range(2))
    assert (first["refunded"], second["refunded"]) == (None, "paid-already")
    assert shown(server, order)["payment"]["reference"] == first["id"]


def test_a_wrong_amount_goes_back_and_the_order_waits_for_the_right_one(shop):
    server, provider, _ = shop
    order = held(server)
    assert provider.await_told(provider.pay(order, amount=100))["refunded"] == "wrong-amount"
    assert shown(server, order)["state"] == "held"
    assert provider.await_told(provider.pay(order))["refunded"] is None
    assert shown(server, order)["state"] == "confirmed"


def test_a_payment_that_is_told_again_after_the_refund_is_not_paid_back_twice(shop):
    server, provider, _ = shop
    order = held(server)
    payment = provider.await_told(provider.pay(order))
    assert server.operate("POST", f"/v1/orders/{order}/cancel").status == 200
    provider.ask(f"/payments/{payment['id']}/tell", {})
    assert provider.await_told(payment["id"], 2)["refunded"] is None


def test_money_that_goes_back_takes_its_units_along_once(shop):
    server, provider, _ = shop
    order = held(server, units=3)
    payment = provider.await_told(provider.pay(order, amount=3 * PRICE["amount"]))["id"]

    def back(units, times=1):
        refund = provider.ask(f"/payments/{payment}/refund", {"amount": int(units * PRICE["amount"])})["id"]
        provider.await_told(refund)
        for _ in range(times - 1):
            provider.ask(f"/payments/{refund}/tell", {})
        provider.await_told(refund, times)
        now = shown(server, order)
        return now["state"], now["quantity"], server.lot("drop")["available"]

    assert back(1, times=3) == ("confirmed", 2, 1)
    assert back(0.5) == ("confirmed", 2, 1), "a goodwill moves no unit"
    assert back(1) == ("confirmed", 1, 2), "another refund of the same size is another one"
    assert back(2) == ("confirmed", 1, 2), "more than the order has yet: somebody must look"
    assert back(1, times=2)[::2] == ("cancelled", 3)


def test_refunds_that_come_at_the_same_moment_are_all_done(shop):
    """
    Each takes from what the order had when it was asked: who comes second is refused, and asks
    again under its next key.
    """
    server, provider, _ = shop
    order = held(server, units=9)
    payment = provider.await_told(provider.pay(order, amount=9 * PRICE["amount"]))["id"]
    refunds = [provider.ask(f"/payments/{payment}/refund", {"amount": PRICE["amount"]})["id"] for _ in range(8)]
    for refund in refunds:
        provider.await_told(refund)
    assert (shown(server, order)["quantity"], server.lot("drop")["available"]) == (1, 8)


def test_a_refund_of_another_payment_moves_no_unit(shop):
    server, provider, _ = shop
    order = held(server)
    first, second = (provider.await_told(provider.pay(order))["id"] for _ in range(2))
    provider.await_told(provider.ask(f"/payments/{second}/refund", {"amount": PRICE["amount"]})["id"])
    now = shown(server, order)
    assert (now["state"], now["payment"]["reference"]) == ("confirmed", first)


def test_no_money_goes_back_while_nobody_knows(shop):
    server, provider, _ = shop
    order = held(server)
    server.kill()
    payment = provider.pay(order)
    wait_until(lambda: provider.payment(payment)["refused"] >= 3, 60, "tries")
    server.restart()
    assert provider.await_told(payment)["refunded"] is None
    assert shown(server, order)["state"] == "confirmed"


def test_who_is_not_the_provider_is_not_heard(shop):
    server, _, hook = shop
    order = held(server)
    body = json.dumps({"id": "pay_forged", "order": order, **PRICE})
    assert request(hook, "POST", "/", body, {"Provider-Signature": "0" * 64}, documented=False).status == 401
    assert request(hook, "POST", "/", body, documented=False).status == 401
    assert shown(server, order)["state"] == "held"
