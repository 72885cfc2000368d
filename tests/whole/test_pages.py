"""
The pages that the program carries inside itself: served whole, with their types, and without help
from any other host.
"""

import re

import pytest

import browser
from openapi import document
from penstock import request, wait_until

SCRIPTS = ("alarm", "chart", "dashboard", "diary", "engine", "give_back", "items", "metrics", "orders", "page", "sale_editor", "session")
EVERYWHERE = {
    "/docs": "text/html; charset=utf-8",
    "/openapi.json": "application/json",
    "/assets/docs.css": "text/css; charset=utf-8",
    "/assets/docs.js": "text/javascript; charset=utf-8",
    "/assets/swagger-ui.css": "text/css; charset=utf-8",
    "/assets/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "/assets/favicon-32x32.png": "image/png",
    "/assets/page.css": "text/css; charset=utf-8",
    **{f"/assets/{name}.js": "text/javascript; charset=utf-8" for name in SCRIPTS},
    "/assets/uPlot.iife.min.js": "text/javascript; charset=utf-8",
    "/assets/uPlot.min.css": "text/css; charset=utf-8",
}
OPERATORS = dict.fromkeys(("/dashboard", "/engine"), "text/html; charset=utf-8")
OURS = ("/docs", *OPERATORS, "/assets/docs.css", "/assets/docs.js", "/assets/page.css", *(f"/assets/{name}.js" for name in SCRIPTS))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from penstock import Server

    server = Server(tmp_path_factory.mktemp("pages")).start()
    yield server
    server.kill()


def get(server, path, **headers):
    return request(server.operator, "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("path, kind", {**EVERYWHERE, **OPERATORS}.items())
def test_a_page_comes_with_its_type_and_is_not_sent_twice(server, path, kind):
    answer = get(server, path)
    assert (answer.status, answer.header("Content-Type")) == (200, kind)
    assert len(answer.body) == int(answer.header("Content-Length")) > 0
    assert answer.header("X-Content-Type-Options") == "nosniff"

    again = get(server, path, If_None_Match=answer.header("ETag"))
    assert (again.status, again.body) == (304, b"")
    assert again.header("ETag") == answer.header("ETag")
    assert get(server, path, If_None_Match='"another"').status == 200


@pytest.mark.parametrize("path", EVERYWHERE)
def test_both_listeners_serve_the_same_but_for_what_they_are(server, path):
    same = path != "/openapi.json"
    assert (request(server.public, "GET", path).body == get(server, path).body) == same


def test_who_knows_no_path_comes_to_the_console(server):
    """An operator who opens the address that the server has printed saw a problem document."""
    answer = request(server.operator, "GET", "/")
    assert (answer.status, answer.headers["location"]) == (302, "/dashboard")
    assert request(server.public, "GET", "/", documented=False).status == 404


@pytest.mark.parametrize("path", OPERATORS)
def test_an_operators_page_is_no_buyers(server, path):
    assert request(server.public, "GET", path).status == 404


@pytest.mark.parametrize("path", ["/assets/none.js", "/assets/..%2fdocs", "/assets/", "/assets/docs.js/"])
def test_there_are_no_other_files(server, path):
    assert get(server, path).status == 404


@pytest.mark.parametrize("path", ["/docs", *OPERATORS])
def test_a_page_may_reach_this_server_alone(server, path):
    policy = dict(part.strip().split(" ", 1) for part in get(server, path).header("Content-Security-Policy").split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == "'self'" and policy["connect-src"] == "'self'"
    assert all("http" not in sources and "*" not in sources for sources in policy.values())


@pytest.mark.parametrize("path", ["/docs", *OPERATORS])
def test_what_a_page_loads_is_here_and_nothing_is_inline(server, path):
    page = get(server, path).body.decode()
    loaded = re.findall(r'<(?:script|link|img)\b[^>]*?(?:src|href)="([^"]*)"', page)
    loaded += [place for name in SCRIPTS for place in re.findall(r'^import .* from "([^"]*)";$', get(server, f"/assets/{name}.js").body.decode(), re.MULTILINE)]
    assert loaded
    for place in loaded:
        assert place.startswith("/assets/") and get(server, place).status == 200, place
    # The policy would keep these out, in silence.
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|javascript:", page)


@pytest.mark.parametrize("path", OURS)
def test_no_other_host_is_named(server, path):
    text = get(server, path).body.decode()
    assert set(re.findall(r"(?:https?:)?//([\w.-]+\.[a-z]{2,})", text)) <= {"www.w3.org"}  # the name of SVG, which nobody fetches


# --- In a browser ---


in_chromium = pytest.mark.skipif(browser.ABSENT, reason="chromium and chromium-driver are not installed")


@in_chromium
@pytest.mark.parametrize("listener, dark", [("public", False), ("operator", True)])
def test_the_interface_is_drawn_as_its_listener_and_the_system_have_it(server, window, listener, dark):
    view = window(dark=dark)
    view.open(f"{getattr(server, listener)}/docs")
    operations = [path for path, _, _ in document(listener).operations()]
    wait_until(lambda: len(view.all(".opblock-summary-path")) == len(operations), 60, "the routes")
    page = view.source()
    drawn = page.replace("\u200b", "").replace("<wbr>", "")
    assert all(path in drawn for path in operations)
    assert "Failed to load" not in page and "errors-wrapper" not in page
    assert view.run("return document.documentElement.classList.contains('dark-mode')") == dark


@in_chromium
def test_a_phone_has_all_of_a_route_in_sight(server, window):
    view = window(size=browser.PHONE)
    view.open(f"{server.public}/docs")
    view.click("[id$='-buy'] .opblock-summary-control")
    view.await_text("[id$='-buy'] .responses-table", "Accepted and durable")
    assert view.too_wide() <= 0
