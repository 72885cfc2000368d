"""A payment provider that is none: it takes no money, and tells a webhook of payments as a real one
does, late, twice or never.

POST /payments {"order", "amount", "currency", "how"}   how: "once" (what you get without), "twice" (each payment is told again), "never"
POST /payments/PAYMENT/tell                             tells it (again): a payment that was told never is a late one then
POST /payments/PAYMENT/refund {"amount"}                somebody pays some of it, or all, back; the webhook is told of it
POST /refunds {"payment", "reason"}                     of the webhook: the money goes back, once however often it is asked for
GET /payments                                           all of them, as they stand, and refunds that the webhook is told of

What the webhook does not answer by 2xx is told again, until it is.
"""

import hashlib
import hmac
import itertools
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

HOOK_URL, SECRET = os.environ["HOOK_URL"], os.environ["PROVIDER_SECRET"].encode()
AGAIN_SECONDS = float(os.environ.get("AGAIN_SECONDS", "1"))
payments, numbers, lock = {}, itertools.count(1), threading.Lock()


def make(kind, **members):
    with lock:
        made = {"id": f"{kind}_{next(numbers)}", **members, "told": 0, "refused": 0, "refunded": None}
        payments[made["id"]] = made
    return made


def tell(payment, times=1):
    body = json.dumps({name: payment[name] for name in ("id", "refund_of", "order", "amount", "currency") if name in payment}).encode()
    headers = {"Content-Type": "application/json", "Provider-Signature": hmac.new(SECRET, body, hashlib.sha256).hexdigest()}
    while times > 0:
        try:
            with urlopen(Request(HOOK_URL, body, headers), timeout=30):
                times -= 1
                payment["told"] += 1
        except OSError:
            payment["refused"] += 1
            time.sleep(AGAIN_SECONDS)


class Provider(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, list(payments.values()))

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        _, kind, *names = self.path.split("/")
        if (kind, names) == ("payments", []):
            payment = make("pay", order=asked["order"], amount=asked["amount"], currency=asked["currency"])
            times = {"once": 1, "twice": 2, "never": 0}[asked.get("how", "once")]
        elif names[1:] == ["refund"]:
            paid, times = payments[names[0]], 1
            payment = make("re", refund_of=paid["id"], order=paid["order"], amount=asked["amount"], currency=paid["currency"])
        elif kind == "payments":
            payment, times = payments[names[0]], 1
        else:
            payment, times = payments[asked["payment"]], 0
            with lock:
                payment["refunded"] = payment["refunded"] or asked["reason"]
        threading.Thread(target=tell, args=(payment, times), daemon=True).start()
        self.answer(201, payment)

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8085"))), Provider)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
