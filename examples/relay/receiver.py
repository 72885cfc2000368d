#!/usr/bin/env python3
"""A shop's endpoint for `penstock relay`: what happened comes here, signed, and is taken once."""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["RELAY_SECRET"].removeprefix("whsec_"))
SECONDS = 300  # a post that is older, or that far ahead, is somebody else's copy
taken = set()  # a shop keeps these in its database, in the transaction of take()


def is_signed(headers, body):
    identity, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not at.isdecimal() or abs(time.time() - int(at)) > SECONDS:
        return False
    expected = base64.b64encode(hmac.new(KEY, f"{identity}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
    # Several signatures may stand there, with spaces between.
    return any(hmac.compare_digest(f"v1,{expected}", each) for each in headers.get("webhook-signature", "").split(" "))


def take(change):
    """What the shop makes of it. `order` is as it is now; null where units were withdrawn."""
    order = change["data"]["order"]
    print(change["type"], change["data"]["sale"], order["id"] if order else "-", change["data"]["state"], flush=True)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signed = is_signed(self.headers, body)
        if signed and self.headers["webhook-id"] not in taken:
            take(json.loads(body))
            taken.add(self.headers["webhook-id"])
        self.send_response(204 if signed else 401)  # at anything but 2xx it is sent again
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8090"))), Receiver)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
