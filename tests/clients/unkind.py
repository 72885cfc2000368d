"""
A way to the server that does to each request what a test has said: passes it on, loses its answer,
gives it another token, or answers itself.
"""

import http.server
import json
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

PASS, LOSE = "pass", "lose"


def token(text):
    """Empty: none at all."""
    return {"Authorization": f"Bearer {text}"} if text else {"Authorization": None}


def answer(status, body, **headers):
    return status, body, headers


def problem(status, code, **headers):
    body = {"type": f"urn:penstock:problem:{code}", "title": code, "status": status, "code": code, "detail": code}
    return answer(status, json.dumps(body), Content_Type="application/problem+json", **headers)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            steps = self.server.steps
            step = steps.pop(0) if len(steps) > 1 else steps[0]  # the last one goes on
            self.server.asked.append((self.command, self.path, self.headers.get("Idempotency-Key")))
        if isinstance(step, tuple):
            self.tell(*step)
            return
        told = self.forward(body, step)
        if step == LOSE:
            self.close_connection = True
            return
        self.tell(*told)

    do_POST = do_GET

    def forward(self, body, step):
        headers = {name.title(): value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        if isinstance(step, dict):
            headers = {name: value for name, value in {**headers, **step}.items() if value is not None}
        request = urllib.request.Request(self.server.behind + self.path, body or None, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=60) as told:
                return told.status, told.read(), dict(told.headers)
        except urllib.error.HTTPError as told:
            return told.code, told.read(), dict(told.headers)

    def tell(self, status, body, headers):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "date", "server"):
                self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def unkind_way(behind, *steps):
    """To `behind`: its url, and what was asked."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.behind, server.steps, server.asked, server.lock = behind, list(steps), [], threading.Lock()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
