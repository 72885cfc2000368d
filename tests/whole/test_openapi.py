"""
The document and the program say the same: which routes there are, both ways, and (by every test's
every answer) what they answer.
"""

import json
import re

import pytest
from jsonschema.exceptions import ValidationError
from openapi_spec_validator import validate

from openapi import PATH, document, split
from penstock import Answer, request
from wire import Wire

FAMILIES = {"public": "penstock_http_request_duration_seconds", "operator": "penstock_operator_request_duration_seconds"}


def methods_of(listener):
    """Path to its documented methods on a listener."""
    paths = {}
    for path, method, _ in document(listener).operations():
        paths.setdefault(path, set()).add(method)
    return paths


def concrete(path):
    """With parameters that name nothing."""
    return path.replace("{order}", "01900000-0000-7000-8000-000000000001").replace("{file}", "none.css").replace("{sale}", "none").replace("{sku}", "none").replace("{relay}", "none")


def base(server, listener):
    return getattr(server, listener)


def counts(server, listener):
    """Requests by route, of each route that the program has on a listener."""
    text = request(server.operator, "GET", "/metrics").body.decode()
    return {name: int(count) for name, count in re.findall(rf'^{FAMILIES[listener]}_count{{route="(\w+)"}} (\d+)$', text, re.M)}


@pytest.mark.parametrize("listener", FAMILIES)
def test_the_document_is_valid(listener):
    validate(document(listener).json)


def test_every_operation_has_a_name_of_its_own():
    for listener in FAMILIES:
        names = [operation["operationId"] for _, _, operation in document(listener).operations()]
        assert len(names) == len(set(names)) > 0


@pytest.mark.parametrize("listener", FAMILIES)
def test_every_documented_path_has_the_documented_methods(server, listener):
    with Wire(base(server, listener)) as wire:
        for path, methods in methods_of(listener).items():
            reply = wire.ask(f"OPTIONS {concrete(path)} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert reply.status == 204, path
            expected = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
            assert set(re.split(r", *", reply.header("allow"))) == expected, path


@pytest.mark.parametrize("listener", FAMILIES)
def test_what_is_documented_for_the_other_listener_is_not_here(server, listener):
    here = methods_of(listener)
    elsewhere = methods_of("operator" if listener == "public" else "public").keys() - here
    assert elsewhere
    for path in elsewhere:
        answer = request(base(server, listener), "GET", concrete(path))
        assert (answer.status, answer.code) == (404, "not-found"), path


@pytest.mark.parametrize("listener", FAMILIES)
def test_every_route_of_the_program_is_documented(server, listener):
    """
    Each documented operation is asked once, and then each route that the program counts has been
    asked exactly once.
    """
    before = counts(server, listener)
    operations = list(document(listener).operations())
    for path, method, _ in operations:
        if (listener, path) == ("operator", "/metrics"):
            continue  # counts() asks for it, once in between
        if listener == "operator":
            server.operate(method, concrete(path))
        else:
            server.ask(method, concrete(path), "anna", "" if method == "POST" else None)
    after = counts(server, listener)
    asked = {route: after[route] - before[route] for route in after}
    assert asked == {route: 1 for route in after}
    assert len(after) == len(operations)


@pytest.mark.parametrize("listener", FAMILIES)
def test_each_listener_serves_its_own_document(server, listener):
    answer = request(base(server, listener), "GET", "/openapi.json")
    assert answer.status == 200 and answer.json == split(json.loads(PATH.read_text()), listener)
    for word in (b'"if"', b'"then"', b'"x-listener"', b'"x-by-listener"', b'"anyOf"'):
        assert word not in answer.body
    again = request(base(server, listener), "GET", "/openapi.json", headers={"If-None-Match": answer.header("etag")})
    assert again.status == 304 and again.body == b""


@pytest.mark.parametrize("listener", FAMILIES)
def test_the_pages_name_nothing_of_other_hosts(server, listener):
    page = request(base(server, listener), "GET", "/docs")
    assert page.status == 200 and page.header("content-type").startswith("text/html")
    sources = re.findall(rb'(?:src|href)="([^"]+)"', page.body)
    assert sources and all(source.startswith((b"/", b"data:")) and not source.startswith(b"//") for source in sources)
    for source in sources:
        if source.startswith(b"/assets/"):
            assert request(base(server, listener), "GET", source.decode()).status == 200


# --- The judge is judged: what it must not let through ---

HEADERS = {"content-type": "application/json", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
ORDER = (
    b'{"id":"0193e0a1-5c3f-7000-9c1e-2f6a4b000001","sale":"aj1","sku":"A","buyer":"b1","quantity":1,"state":"held",'
    b'"placed_at":"2027-01-01T10:00:00.127Z","hold_expires_at":null}'
)
TARGET = "/v1/orders/0193e0a1-5c3f-7000-9c1e-2f6a4b000001"


def test_a_promised_answer_passes():
    document("public").judge("GET", TARGET, Answer(200, HEADERS, ORDER))
    document("public").judge("GET", TARGET + "?x=1", Answer(200, HEADERS, ORDER))


@pytest.mark.parametrize(
    "method, target, answer",
    [
        ("GET", TARGET, Answer(200, HEADERS, ORDER.replace(b'"held"', b'"lost"'))),
        ("GET", TARGET, Answer(200, HEADERS, ORDER.replace(b'"quantity":1', b'"quantity":"1"'))),
        ("GET", TARGET, Answer(200, HEADERS, ORDER.replace(b'"quantity":1,', b""))),
        ("GET", TARGET, Answer(200, HEADERS, ORDER.replace(b'{"id"', b'{"secret":1,"id"'))),
        ("GET", TARGET, Answer(200, HEADERS, ORDER.replace(b"2027-01-01T", b"2027-13-01T"))),
        ("GET", TARGET, Answer(200, HEADERS, ORDER.replace(b"0193e0a1", b"ghijklmn"))),
        ("GET", TARGET, Answer(202, HEADERS, ORDER)),
        ("PUT", TARGET, Answer(200, HEADERS, ORDER)),
        ("GET", "/v1/nothing", Answer(200, HEADERS, ORDER)),
        ("GET", TARGET, Answer(200, {**HEADERS, "content-type": "text/plain"}, ORDER)),
        ("GET", TARGET, Answer(200, {**HEADERS, "traceparent": "x"}, ORDER)),
        ("GET", TARGET, Answer(200, {"content-type": "application/json"}, ORDER)),
        ("GET", TARGET, Answer(404, {**HEADERS, "content-type": "application/problem+json"}, b'{"code":"unknown-order"}')),
        (
            "GET",
            TARGET,
            Answer(
                404,
                {**HEADERS, "content-type": "application/problem+json"},
                b'{"type":"urn:penstock:problem:sold-out","title":"t","status":404,"code":"sold-out","detail":"d","may_return":true}',
            ),
        ),
    ],
)
def test_another_answer_is_caught(method, target, answer):
    with pytest.raises((AssertionError, ValidationError)):
        document("public").judge(method, target, answer)
