"""
A payment provider's webhook that confirms orders, for Python 3.9 or newer. What each answer means:
docs/payments.md.
"""

import hashlib
import hmac
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

OPERATOR_URL, OPERATOR_TOKEN = os.environ["OPERATOR_URL"], os.environ["OPERATOR_TOKEN"]
PROVIDER_URL, PROVIDER_SECRET = os.environ["PROVIDER_URL"], os.environ["PROVIDER_SECRET"].encode()
GIVE_BACK = {"hold-expired", "order-state", "paid-already", "wrong-amount", "reference-used"}  # no order is due this money


def ask(url, body=None, headers=None):
    data = json.dumps(body).encode() if body else None
    try:
        with urlopen(Request(url, data, {"Content-Type": "application/json", **(headers or {})}), timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except HTTPError as answer:
        return answer.code, json.loads(answer.read() or b"{}")


def penstock(order, act="", body=None, key=None):
    """
    Of the operator's listener; the key is the payment's or the refund's own id, so what is told
    again is not done again.
    """
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}", **({"Idempotency-Key": key} if key else {})}
    return ask(f"{OPERATOR_URL}/v1/orders/{quote(order, safe='')}{act}", body, headers)


def settle(id, order, amount, currency):
    """
    What the provider is told: at 204 this payment is settled, at anything else it tells us again.
    """
    status, answer = penstock(order, "/confirm", {"payment": {"reference": id, "amount": amount, "currency": currency}}, f"payment-{id}")
    print(id, order, status, answer.get("code") or answer.get("state"), flush=True)
    if status == 200:
        return 204
    if status != 409 or answer.get("code") not in GIVE_BACK:
        return 503  # nobody knows, or nobody has thought of it
    status, _ = ask(f"{PROVIDER_URL}/refunds", {"payment": id, "reason": answer["code"]})
    return 204 if status < 300 else 503


def give_back(id, refund_of, order, amount, currency):
    """
    Money went back, by somebody at the provider's: the units that it paid for go back as well.
    """
    status, now = penstock(order)
    if status != 200:
        return 204 if status == 404 else 503
    quantity, rest = divmod(amount, now.get("price", {}).get("amount") or amount + 1)
    if now.get("payment", {}).get("reference") != refund_of or rest or quantity < 1:
        return 204  # another payment's money, or a goodwill of some euros: no unit comes back for it
    body = {"quantity": quantity, "units": "sale", "reference": id}  # "warehouse": somebody looks at them first
    status, answer = penstock(order, "/cancel", body, id)
    turn = 1
    while answer.get("code") == "order-quantity" and answer["quantity"] >= quantity:
        # Another refund of the order was done at the same moment: this key stays refused, and the
        # next one is taken, always in this order.
        turn += 1
        status, answer = penstock(order, "/cancel", body, f"{id} {turn}")
    print(id, order, now["state"], status, answer.get("code") or f"{answer['state']}, {answer['quantity']}", flush=True)
    return 204 if status == 200 or (status == 409 and answer.get("code") != "request-in-flight") else 503


def heard(told):
    return give_back(**told) if "refund_of" in told else settle(**told)


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        expected = hmac.new(PROVIDER_SECRET, body, hashlib.sha256).hexdigest()
        status = 401
        if hmac.compare_digest(expected, self.headers.get("Provider-Signature", "")):
            try:
                status = heard(json.loads(body))
            except (OSError, ValueError):
                status = 503  # no answer came, or none that can be read: told again
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8084"))), Webhook)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
