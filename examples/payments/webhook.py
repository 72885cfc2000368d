"""A payment provider's webhook that confirms orders, for Python 3.9 or newer. What each answer means: docs/payments.md."""

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


def post(url, body, headers=None):
    try:
        with urlopen(Request(url, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})}), timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except HTTPError as answer:
        return answer.code, json.loads(answer.read() or b"{}")


def settle(id, order, amount, currency):
    """What the provider is told: at 204 this payment is settled, at anything else it tells us again."""
    status, answer = post(
        f"{OPERATOR_URL}/v1/orders/{quote(order, safe='')}/confirm",
        {"payment": {"reference": id, "amount": amount, "currency": currency}},
        {"Authorization": f"Bearer {OPERATOR_TOKEN}", "Idempotency-Key": f"payment-{id}"},
    )
    print(id, order, status, answer.get("code") or answer.get("state"), flush=True)
    if status == 200:
        return 204
    if status != 409 or answer.get("code") not in GIVE_BACK:
        return 503  # nobody knows, or nobody has thought of it
    status, _ = post(f"{PROVIDER_URL}/refunds", {"payment": id, "reason": answer["code"]})
    return 204 if status < 300 else 503


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        expected = hmac.new(PROVIDER_SECRET, body, hashlib.sha256).hexdigest()
        status = 401
        if hmac.compare_digest(expected, self.headers.get("Provider-Signature", "")):
            try:
                status = settle(**json.loads(body))
            except (OSError, ValueError):
                status = 503  # no answer came, or none that can be read: told again
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8084"))), Webhook)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
