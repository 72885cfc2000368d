"""
The HTTP/1.1 front as a client meets it: what it takes, what it refuses and with which words, byte
by byte.
"""

import json
import re
import select
import time

import pytest

from penstock import OPERATOR_TOKEN, buyer_token, request, wait_until
from wire import Closed, Wire

TRACEPARENT = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all that changes nothing."""
    from penstock import Server

    server = Server(tmp_path_factory.mktemp("http") / "server", settings={"gate.address_rate": "off"}).start()
    server.make_sale("drop", 500, limit_per_buyer=1000)
    yield server
    server.kill()


@pytest.fixture
def wire(server):
    with Wire(server.public) as wire:
        yield wire


def purchase(buyer="anna", key=None, body=b"{}", sale="drop", **headers):
    lines = [
        f"POST /v1/sales/{sale}/orders HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {buyer_token(buyer)}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *([f"Idempotency-Key: {key}"] if key else []),
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def refused(server, data, status, code, closes=True):
    with Wire(server.public) as wire:
        reply = wire.ask(data)
        assert (reply.status, reply.code) == (status, code), reply
        assert reply.header("content-type") == "application/problem+json"
        assert reply.json["type"] == f"urn:penstock:problem:{code}" and reply.json["status"] == status
        assert reply.json["title"] and reply.json["detail"]
        assert TRACEPARENT.match(reply.header("traceparent"))
        if closes:
            assert reply.header("connection") == "close" and wire.closed()
        else:
            assert wire.ask(GET).status == 200
        return reply


# --- The strict reader ---


@pytest.mark.parametrize(
    "line",
    [
        "GET  /livez HTTP/1.1",
        "GET /livez  HTTP/1.1",
        " GET /livez HTTP/1.1",
        "GET\t/livez HTTP/1.1",
        "GET /livez",
        "GET HTTP/1.1",
        "GET /livez HTTP/1.1 ",
        "GET /livez http/1.1",
        "GET /livez HTTP/1",
        "GET /livez HTTP/11",
        "G@T /livez HTTP/1.1",
        "GET http://x/livez HTTP/1.1",  # origin-form only
        "GET livez HTTP/1.1",
        "GET * HTTP/1.1",
        "CONNECT x:80 HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "GET /livez#part HTTP/1.1",
        "GET /li vez HTTP/1.1",
        "GET /%zz HTTP/1.1",
        "GET /%4 HTTP/1.1",
        'GET /" HTTP/1.1',
        "GET /\x7f HTTP/1.1",
        "GET /\xe9 HTTP/1.1",
    ],
)
def test_a_request_line_that_is_wrong(server, line):
    refused(server, f"{line}\r\nHost: x\r\n\r\n", 400, "malformed-request")


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"])
def test_another_version(server, version):
    refused(server, f"GET /livez {version}\r\nHost: x\r\n\r\n", 505, "http-version")


def test_the_preface_of_http_2_is_told_the_version(server):
    refused(server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http-version")


@pytest.mark.parametrize(
    "header",
    [
        "Name : value",  # a space before the colon
        " Folded: value",
        "Name",
        ": value",
        "Na me: value",
        "N\xe4me: value",
        "Name: va\x00lue",
        "Name: va\rlue",  # a bare CR
        "Name: va\x07lue",
        "Name: one\r\n two",  # obsolete folding
        "Connection: close; now",
    ],
)
def test_a_header_that_is_wrong(server, header):
    refused(server, f"GET /livez HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n", 400, "malformed-request")


@pytest.mark.parametrize("text", ["GET /livez HTTP/1.1\nHost: x\n\n", "GET /livez HTTP/1.1\r\nHost: x\n\r\n", "\n\nGET / HTTP/1.1\r\n\r\n"])
def test_a_bare_line_feed(server, text):
    refused(server, text, 400, "malformed-request")


@pytest.mark.parametrize("headers", ["", "Host: x\r\nHost: x\r\n", "Host: \r\n", "Host: x y\r\n", "Host: x/y\r\n", "Host: u@x\r\n", "Host: x:port\r\n"])
def test_there_is_exactly_one_host(server, headers):
    refused(server, f"GET /livez HTTP/1.1\r\n{headers}\r\n", 400, "malformed-request")


@pytest.mark.parametrize("host", ["x", "x:80", "x:", "[::1]", "[::1]:80", "192.0.2.1", "a-b.c_d"])
def test_hosts_of_every_form_are_taken(wire, host):
    assert wire.ask(f"GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n").status == 200


@pytest.mark.parametrize(
    "name, values",
    [
        ("Authorization", ("Bearer a", "Bearer b")),
        ("Content-Type", ("application/json", "application/json")),
        ("Idempotency-Key", ("a", "b")),
        ("Content-Length", ("2", "2")),
        ("Content-Length", ("2", "3")),
        ("Traceparent", ("a", "b")),
    ],
)
def test_a_header_that_counts_is_not_repeated(server, name, values):
    lines = "".join(f"{name}: {value}\r\n" for value in values)
    refused(server, f"POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\n{lines}\r\n{{}}", 400, "malformed-request")


@pytest.mark.parametrize("length", ["", "-1", "+2", "2,2", "0x2", "2 2", "two", "2.0"])
def test_a_content_length_that_is_none(server, length):
    refused(server, f"POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{{}}", 400, "malformed-request")


def test_both_lengths_are_an_attack(server):
    data = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    refused(server, data, 400, "malformed-request")


def test_a_chunked_body_needs_a_length(server):
    data = "POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    refused(server, data, 411, "length-required")


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "identity", "chunked, chunked", "xchunked", ""])
def test_other_transfer_codings_are_not_known(server, coding):
    refused(server, f"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {coding}\r\n\r\n", 501, "transfer-encoding")


@pytest.mark.parametrize("length", [16385, 10**9, 2**64 + 1, 10**40])
def test_a_body_that_is_too_large(server, length):
    refused(server, f"POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n", 413, "body-too-large")


def test_a_body_as_large_as_may_be(server, wire):
    body = json.dumps({"quantity": 1}).encode().ljust(16384)
    assert wire.ask(purchase("large", body=body)).status == 202


def test_headers_that_are_too_large(server):
    refused(server, b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 16384, 431, "headers-too-large")
    refused(server, b"GET /" + b"a" * 16384, 431, "headers-too-large")
    refused(server, b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431, "headers-too-large")


def test_headers_as_large_as_may_be(wire):
    start = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: "
    assert wire.ask(start + b"a" * (16384 - len(start) - 4) + b"\r\n\r\n").status == 200
    assert wire.ask(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 99 + b"\r\n").status == 200


def test_a_shop_with_many_cookies_is_served(wire):
    """As a proxy that speaks HTTP/2 with the browser hands them on: a header for each."""
    crumbs = b"".join(b"Cookie: shop-preference-%02d=%s\r\n" % (i, b"x" * 120) for i in range(80))
    assert len(crumbs) > 10000
    assert wire.ask(purchase("cookies").replace(b"Host: x\r\n", b"Host: x\r\n" + crumbs)).status == 202


def test_the_bounds_of_a_head_are_settings(serve):
    server = serve({"gate.header_bytes_max": 40000, "gate.header_fields_max": 20})
    start = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: "
    with Wire(server.public) as wire:
        assert wire.ask(start + b"a" * (40000 - len(start) - 4) + b"\r\n\r\n").status == 200
        assert wire.ask(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 19 + b"\r\n").status == 200
    refused(server, start + b"a" * (40000 - len(start) - 3) + b"\r\n\r\n", 431, "headers-too-large")
    refused(server, b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20 + b"\r\n", 431, "headers-too-large")


@pytest.mark.parametrize("expectation", ["200-ok", "100-continue, more", ""])
def test_other_expectations_fail(server, expectation):
    data = f"POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: {expectation}\r\n\r\n"
    refused(server, data, 417, "expectation")


def test_one_empty_line_before_a_request_is_passed_over(wire):
    assert wire.ask(b"\r\n" + GET).status == 200
    assert wire.ask(b"\r\n" + GET).status == 200


# --- Lengths and bodies ---


def test_an_action_needs_no_body_and_no_length(server):
    order = server.buy("drop", "lengthless").json["id"]
    for listener, path, token in (
        (server.operator, f"/v1/orders/{order}/confirm", OPERATOR_TOKEN),
        (server.operator, "/v1/sales/drop/pause", OPERATOR_TOKEN),
        (server.operator, "/v1/sales/drop/resume", OPERATOR_TOKEN),
        (server.operator, "/v1/audit", OPERATOR_TOKEN),
        (server.operator, f"/v1/orders/{order}/cancel", OPERATOR_TOKEN),
        (server.public, f"/v1/orders/{order}/cancel", buyer_token("lengthless")),
    ):
        with Wire(listener) as wire:
            reply = wire.ask(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
            assert reply.status == 200, (path, reply)


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/v1/items"),
        ("POST", "/v1/items/A/receive"),
        ("POST", "/v1/sales"),
        ("PATCH", "/v1/sales/drop"),
        ("POST", "/v1/sales/drop/lots/drop-item/add"),
        ("POST", "/v1/sales/drop/lots/drop-item/withdraw"),
        ("POST", "/v1/orders/01900000-0000-7000-8000-000000000001/extend"),
        ("PUT", "/v1/log-level"),
    ],
)
def test_what_takes_a_body_asks_for_its_length(server, method, path):
    with Wire(server.operator) as wire:
        reply = wire.ask(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR_TOKEN}\r\n\r\n")
        assert (reply.status, reply.code) == (411, "length-required")
        assert wire.ask(GET.replace(b"Host: x", b"Host: localhost")).status == 200  # the connection is as good as before


def test_a_purchase_asks_for_its_length(server):
    data = f"POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {buyer_token('anna')}\r\n\r\n"
    refused(server, data, 411, "length-required", closes=False)


def test_a_body_split_over_packets(wire):
    data = purchase("split", body=b'{"quantity": 2}')
    for i in range(0, len(data), 7):
        wire.send(data[i : i + 7])
        select.select([], [], [], 0.001)  # so that they are packets of their own
    reply = wire.read()
    assert reply.status == 202 and reply.json["quantity"] == 2


def test_every_byte_by_itself(wire):
    for byte in GET:
        wire.send(bytes([byte]))
    assert wire.read().status == 200


def test_continue_is_said_before_the_body_is_sent(wire):
    body = b'{"quantity":1}'
    data = purchase("patient", body=body, Expect="100-continue")
    wire.send(data[: -len(body)])
    assert wire.read().status == 100
    wire.send(body)
    reply = wire.read()
    assert reply.status == 202 and reply.json["buyer"] == "patient"


def test_continue_is_not_said_where_the_body_is_there(wire):
    assert wire.ask(purchase("prompt", Expect="100-continue")).status == 202


def test_a_refused_request_is_not_told_to_continue(server):
    data = "POST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n\r\n"
    refused(server, data, 413, "body-too-large")


def test_a_get_with_a_body_leaves_the_next_request_whole(wire):
    wire.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde" + GET)
    assert [wire.read().status, wire.read().status] == [200, 200]


# --- Connections ---


def test_a_connection_is_kept(wire):
    for _ in range(20):
        reply = wire.ask(GET)
        assert reply.status == 200 and reply.header("connection") in (None, "keep-alive")


def test_close_is_heeded(wire):
    reply = wire.ask(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: foo, CLOSE\r\n\r\n")
    assert reply.status == 200 and reply.header("connection") == "close"
    assert wire.closed()


def test_http_1_0(server):
    with Wire(server.public) as wire:
        reply = wire.ask(b"GET /livez HTTP/1.0\r\n\r\n")  # needs no Host
        assert reply.status == 200 and reply.header("connection") == "close" and wire.closed()
    with Wire(server.public) as wire:
        for _ in range(3):
            reply = wire.ask(b"GET /livez HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            assert reply.status == 200 and reply.header("connection") == "keep-alive"
    with Wire(server.public) as wire:  # HTTP/1.0 has no expectations: no 100 comes
        body = b"{}"
        data = purchase("ten", body=body, Expect="100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
        assert wire.ask(data).status == 202 and wire.closed()
    with Wire(server.public) as wire:  # no length, no body: so one that is needed is missing
        data = purchase("ten-too", body=b"").replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Content-Length: 0\r\n", b"")
        assert wire.ask(data).status == 411 and wire.closed()


def test_pipelined_requests_are_answered_in_their_order(wire):
    """With purchases between, whose answers come later than those of what follows them."""
    wire.send(
        b"GET /v1/sales/drop HTTP/1.1\r\nHost: x\r\n\r\n"
        + purchase("pipeline-1", key="k")
        + GET
        + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
        + purchase("pipeline-2", key="k")
        + purchase("pipeline-1", key="k")
        + GET
    )
    replies = [wire.read() for _ in range(7)]
    assert [reply.status for reply in replies] == [200, 202, 200, 404, 202, 202, 200]
    assert replies[0].json["id"] == "drop"
    assert (replies[1].json["buyer"], replies[4].json["buyer"]) == ("pipeline-1", "pipeline-2")
    assert replies[5].body == replies[1].body and replies[5].header("idempotent-replayed") == "true"


def test_a_long_pipeline(wire):
    count = 500
    wire.send(GET * count)
    assert [wire.read().status for _ in range(count)] == [200] * count


def test_what_is_behind_a_fault_is_not_read(server):
    with Wire(server.public) as wire:
        wire.send(GET + b"BROKEN\r\n\r\n" + purchase("smuggled"))
        assert [wire.read().status, wire.read().status] == [200, 400]
        assert wire.closed()
    assert server.orders(buyer="smuggled") == []


def test_a_half_closed_connection_still_gets_its_answers(wire):
    wire.send(purchase("half", key="k") + GET)
    wire.finish()
    assert [wire.read().status, wire.read().status] == [202, 200]
    assert wire.closed()


def test_half_a_request_and_the_end_changes_nothing(server):
    data = purchase("half-way", body=b'{"quantity":1}')
    with Wire(server.public) as wire:
        wire.send(data[:-3])
        wire.finish()
        with pytest.raises((Closed, ConnectionResetError)):
            wire.read()
    assert server.orders(buyer="half-way") == []


def test_a_client_that_hangs_up_has_bought_nonetheless(server):
    with Wire(server.public) as wire:
        wire.send(purchase("gone", key="k"))
        wire.finish()
    wait_until(lambda: server.orders(buyer="gone"), 5)
    answer = server.buy("drop", "gone", key="k")
    assert answer.status == 202 and answer.header("idempotent-replayed") == "true"


def test_slow_headers_are_timed_out(serve):
    server = serve({"gate.header_timeout": "2s", "gate.body_timeout": "200ms", "gate.idle_timeout": "2s"})
    started = time.monotonic()
    with Wire(server.public) as wire:
        wire.send(b"GET /livez HTT")
        reply = wire.read()
        assert (reply.status, reply.code) == (408, "request-timeout")
        assert 1.9 < time.monotonic() - started < 20
        assert wire.closed()
    with Wire(server.public) as wire:
        wire.send(purchase("slow", body=b"{}")[:-1])
        assert wire.read().status == 408 and wire.closed()
    with Wire(server.public) as wire:  # nobody waits for an answer on an idle connection
        assert wire.ask(GET).status == 200
        assert wire.closed()


# --- Methods ---


def test_head_is_get_without_the_body(server):
    for path in ("/livez", "/v1/sales", "/v1/sales/drop", "/nowhere", "/openapi.json"):
        with Wire(server.public) as wire:
            get = wire.ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = wire.ask(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n", head=True)
            assert head.status == get.status
            assert head.header("content-length") == str(len(get.body))
            assert head.header("content-type") == get.header("content-type")
            assert wire.ask(GET).status == 200  # no body was sent


def test_head_of_a_feed_ends_after_its_head(server):
    with Wire(server.public) as wire:
        head = wire.ask("HEAD /v1/sales/drop/events HTTP/1.1\r\nHost: x\r\n\r\n", head=True)
        assert head.status == 200 and head.header("content-type") == "text/event-stream"
        assert wire.buffer == b""


def allow(reply):
    return set(re.split(r", *", reply.header("allow")))


NO_ORDER = "0193e0a0-0000-7000-8000-000000000001"


def test_options_tell_what_a_path_has(server, wire):
    reply = wire.ask("OPTIONS /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\n\r\n")
    assert reply.status == 204 and allow(reply) == {"GET", "HEAD", "POST", "OPTIONS"} and reply.header("content-length") in (None, "0")
    assert allow(wire.ask("OPTIONS /v1/sales HTTP/1.1\r\nHost: x\r\n\r\n")) == {"GET", "HEAD", "OPTIONS"}
    assert wire.ask("OPTIONS /nowhere HTTP/1.1\r\nHost: x\r\n\r\n").status == 404
    with Wire(server.operator) as wire:
        assert allow(wire.ask("OPTIONS /v1/sales/drop HTTP/1.1\r\nHost: localhost\r\n\r\n")) == {"GET", "HEAD", "PATCH", "OPTIONS"}
        assert allow(wire.ask("OPTIONS /v1/log-level HTTP/1.1\r\nHost: localhost\r\n\r\n")) == {"GET", "HEAD", "PUT", "OPTIONS"}


def test_options_of_the_whole_server(wire):
    assert wire.ask("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").status in (200, 204, 404)
    assert wire.ask(GET).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_a_method_that_a_path_does_not_have(wire, method):
    reply = wire.ask(f"{method} /v1/orders/{NO_ORDER}/cancel HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert (reply.status, reply.code) == (405, "method-not-allowed")
    assert allow(reply) == {"POST", "OPTIONS"}


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/sales/", "/v1//sales", "/v1/sales/drop/orders/", "/V1/sales", "/v1/sales/drop/../drop"])
def test_paths_are_taken_as_they_are(wire, path):
    reply = wire.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert reply.status == 404 and reply.code in ("not-found", "unknown-sale")


# --- Every answer ---


def test_a_traceparent_is_made_or_taken(wire):
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    made = set()
    for _ in range(3):
        reply = wire.ask(GET)
        assert TRACEPARENT.match(reply.header("traceparent"))
        made.add(reply.header("traceparent"))
    assert len(made) == 3
    reply = wire.ask(f"GET /livez HTTP/1.1\r\nHost: x\r\ntraceparent: {given}\r\n\r\n")
    assert reply.header("traceparent") == given
    for bad in ("", "x", given[:-1], given.upper(), given.replace("00-", "ff-", 1), "00-" + "0" * 32 + given[35:]):
        reply = wire.ask(f"GET /livez HTTP/1.1\r\nHost: x\r\ntraceparent: {bad}\r\n\r\n")
        assert TRACEPARENT.match(reply.header("traceparent")) and reply.header("traceparent") != bad


def test_the_trace_of_a_purchase_is_kept_with_its_order(server, wire):
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    reply = wire.ask(purchase("traced", traceparent=given))
    assert reply.header("traceparent") == given
    assert server.order(reply.json["id"]).json["trace"] == given


def test_answers_do_not_tell_what_serves_them(server, wire):
    for data in (GET, b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", purchase("nosy"), b"BROKEN\r\n\r\n"):
        reply = wire.ask(data)
        assert reply.header("server") is None and reply.header("x-powered-by") is None
        assert reply.version == "HTTP/1.1"


def test_an_answer_has_one_length(wire):
    for data in (GET, purchase("one-length"), b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"):
        reply = wire.ask(data)
        assert int(reply.header("content-length")) == len(reply.body) and reply.header("transfer-encoding") is None


# --- Bodies that are wrong ---


@pytest.mark.parametrize(
    "body, kind, status, code",
    [
        (b"{", "application/json", 400, "malformed-request"),
        (b"[]", "application/json", 400, "malformed-request"),
        (b"null", "application/json", 400, "malformed-request"),
        (b'{"quantity":1,"quantity":1}', "application/json", 400, "malformed-request"),
        (b'{"quantity":1}x', "application/json", 400, "malformed-request"),
        (b'{"sku":"\xff"}', "application/json", 400, "malformed-request"),
        (b'{"sku":"a\\u0000b"}', "application/json", 400, "malformed-request"),
        (b"[" * 3000, "application/json", 400, "malformed-request"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"quantity=1", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        (b'{"quantity":0}', "application/json", 422, "invalid-value"),
        (b'{"quantity":-1}', "application/json", 422, "invalid-value"),
        (b'{"quantity":1.5}', "application/json", 422, "invalid-value"),
        (b'{"quantity":"1"}', "application/json", 422, "invalid-value"),
        (b'{"quantity":null}', "application/json", 422, "invalid-value"),
        (b'{"quantity":99999999999999999999}', "application/json", 422, "invalid-value"),
        (b'{"sku":""}', "application/json", 422, "invalid-value"),
        (b'{"sku":"not there"}', "application/json", 422, "invalid-value"),
        (b'{"number":1}', "application/json", 422, "unknown-field"),
        (b'{"Quantity":1}', "application/json", 422, "unknown-field"),
    ],
)
def test_a_body_that_is_wrong_changes_nothing(server, wire, body, kind, status, code):
    data = purchase("wrong", body=body).replace(b"application/json", kind.encode())
    reply = wire.ask(data)
    assert (reply.status, reply.code) == (status, code), reply
    if status == 422:
        assert reply.json["field"]
    assert server.orders(buyer="wrong") == []
    assert wire.ask(GET).status == 200


def test_a_type_with_parameters_is_json(wire):
    data = purchase("charset").replace(b"application/json", b"Application/JSON; charset=utf-8")
    assert wire.ask(data).status == 202


# --- The public list ---


def test_the_public_list_pages(serve):
    server = serve()
    server.operate("POST", "/v1/items", {"sku": "A", "name": "A", "on_hand": 1000})
    for i in range(7):
        server.make_sale(f"sale-{i}", lots={"A": 2}, state="draft" if i == 3 else "open")
    shown = [f"sale-{i}" for i in range(7) if i != 3]  # a draft is nobody's business
    assert [sale["id"] for sale in request(server.public, "GET", "/v1/sales").json["sales"]] == shown
    for limit in (1, 2, 3, 5, 6, 7, 1000):
        found, after, pages = [], None, 0
        while pages == 0 or after:
            page = request(server.public, "GET", f"/v1/sales?limit={limit}" + (f"&after={after}" if after else "")).json
            assert set(page) == {"sales", "next"} and len(page["sales"]) <= limit
            found += [sale["id"] for sale in page["sales"]]
            after, pages = page["next"], pages + 1
        assert found == shown and pages == -(-len(shown) // limit)
    assert request(server.public, "GET", "/v1/sales?after=999999").json == {"sales": [], "next": None}
    for query, field in (
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=x", "after"),
        ("after=-1", "after"),
        ("after=99999999999", "after"),
        ("after=" + "9" * 40, "after"),
        ("after=%00", "after"),
    ):
        answer = request(server.public, "GET", f"/v1/sales?{query}")
        assert (answer.status, answer.code, answer.json["field"]) == (422, "invalid-value", field), query
    for path in ("/v1/sales", "/v1/log"):
        for after in ("x", "-1", "9" * 20):
            assert server.operate("GET", f"{path}?after={after}").json["field"] == "after"


def test_a_draft_is_unknown_to_buyers(serve):
    server = serve()
    server.make_sale("drop", 5, state="draft")
    assert request(server.public, "GET", "/v1/sales/drop").code == "unknown-sale"
    assert server.ask("GET", "/v1/sales/drop/events").code == "unknown-sale"
    server.operate("POST", "/v1/sales/drop/arm")
    sale = request(server.public, "GET", "/v1/sales/drop").json
    assert set(sale) == {"id", "name", "state", "price", "limit_per_buyer", "rate", "hold_seconds", "opens_at", "closes_at", "lots"}
    assert sale["lots"] == [{"sku": "drop-item", "sold_out": False, "may_return": False}]


def test_a_connection_too_many_is_answered(serve):
    server = serve({"gate.connections_max": "20"})
    server.make_sale("drop", 5)
    kept = [server.connect() for _ in range(20)]
    for connection in kept:  # busy all of them: nobody is asked to go
        connection.sendall(b"GET /v1/sales/drop/events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
    more = [server.connect() for _ in range(20)]
    for connection in more:
        connection.sendall(b"GET /v1/sales HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        answers = []

        def look():
            for connection in select.select(more, [], [], 0)[0]:
                connection.settimeout(5)
                data = connection.recv(65536)
                if data:
                    answers.append(data)
            return len(answers) >= 20

        wait_until(look, 5)
        assert all(answer.startswith(b"HTTP/1.1 503 ") and b"overloaded" in answer for answer in answers)
    finally:
        for connection in kept + more:
            connection.close()
    wait_until(lambda: is_served(server), 5)


def is_served(server):
    with Wire(server.public) as wire:
        try:
            return wire.ask(GET).status == 200
        except (Closed, OSError):
            return False
