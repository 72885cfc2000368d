"""
examples/relay against the program: both endpoints take what `penstock relay` posts, each change
once.
"""

import json
import time
import urllib.error
import urllib.request

import pytest

from examples import running
from penstock import ROOT, wait_until
from relay import SECRET, Relay, feed_of, signature

RECEIVERS = {"node": ["node", ROOT / "examples/relay/receiver.mjs"], "python": ["python3", ROOT / "examples/relay/receiver.py"]}


class Place:
    """Where a receiver listens, and what it has said."""

    def __init__(self, url, log):
        self.url, self.log = url + "/hook", log

    def said(self):
        return [line.split() for line in self.log.read_text().splitlines()[1:]]

    def post(self, change, at, signed):
        headers = {"webhook-id": change["id"], "webhook-timestamp": str(at), "webhook-signature": signed, "Content-Type": "application/json"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url, json.dumps(change).encode(), headers), timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture(params=RECEIVERS)
def receiver(request, tmp_path):
    log = tmp_path / "receiver.log"
    with running(RECEIVERS[request.param], log, RELAY_SECRET=SECRET) as url:
        yield Place(url, log)


def test_what_happened_is_taken_in_order(server, receiver, tmp_path):
    server.make_sale("drop", 3, limit_per_buyer=1)
    order = server.buy("drop", "ann").json["id"]
    assert server.operate("POST", f"/v1/orders/{order}/confirm").status == 200
    assert server.operate("POST", "/v1/sales/drop/lots/drop-item/withdraw", {"units": 1}).status == 200
    relay = Relay(tmp_path, server, receiver).start()
    try:
        wanted = [[each["type"], "drop", each["data"]["order"]["id"] if each["data"]["order"] else "-"] for each in feed_of(server)]
        assert len(wanted) == 3
        wait_until(lambda: len(receiver.said()) == len(wanted), 60, "all changes")
        assert [line[:3] for line in receiver.said()] == wanted
    finally:
        relay.kill()


def test_what_is_told_twice_is_taken_once_and_what_is_not_signed_never(receiver):
    change = {"id": "an order/order.confirmed/1", "type": "penstock.order.confirmed.v1", "data": {"sale": "drop", "state": "confirmed", "order": {"id": "1"}}}
    body, now = json.dumps(change).encode(), int(time.time())
    right = signature(change["id"], now, body)
    assert receiver.post(change, now, "") == 401
    assert receiver.post(change, now, signature(change["id"], now, body + b" ")) == 401
    assert receiver.post(change, now - 3600, signature(change["id"], now - 3600, body)) == 401
    assert receiver.said() == []
    assert receiver.post(change, now, f"v1,another {right}") == 204
    assert receiver.post(change, now, right) == 204
    assert receiver.said() == [["penstock.order.confirmed.v1", "drop", "1", "confirmed"]]
