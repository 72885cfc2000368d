"""
`penstock relay`: every change reaches a shop's endpoint, signed, those of a sale in their order,
whatever dies meanwhile.
"""

import ipaddress
import json
import ssl
import subprocess
import threading
import time
import urllib.parse
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crowd import new_seed
from feed import NEXT
from penstock import OPERATOR_TOKEN, PROGRAM, plain_environment, request, wait_until
from relay import SECRET, Endpoint, Relay, feed_of


def buy(server, sale, buyer):
    answer = server.buy(sale, buyer)
    assert answer.status == 202, answer.body
    return answer.json["id"]


def confirm(server, order):
    assert server.operate("POST", f"/v1/orders/{order}/confirm").status == 200


def test_every_change_arrives_signed_and_in_order(server, endpoint, relay):
    for sale in ("one", "two"):
        server.make_sale(sale, 50, limit_per_buyer=50, hold_seconds=600)
    for i in range(20):
        confirm(server, buy(server, ("one", "two")[i % 2], "ann"))
    process = relay(server, endpoint)
    wait_until(lambda: len(set(endpoint.ids())) == 40, 30, "all of them")
    assert endpoint.judge(feed_of(server)) == []
    assert process.metric("penstock_relay_delivered_total") == 40
    # It goes on where it was.
    assert process.stop() == 0
    confirm(server, buy(server, "one", "ben"))
    process.start()
    wait_until(lambda: len(endpoint.ids()) == 42, 30, "the newest two")
    assert len(set(endpoint.ids())) == 42
    assert endpoint.judge(feed_of(server)) == []


def test_a_sale_that_is_refused_waits_and_the_others_go_on(server, endpoint, relay):
    for sale in ("bad", "good"):
        server.make_sale(sale, 50, limit_per_buyer=50, hold_seconds=600)
    first = buy(server, "bad", "ann")
    confirm(server, first)
    endpoint.answer = lambda change: 503 if change["data"]["event"]["id"] == first else 204
    process = relay(server, endpoint, **{"relay.patience": "1s"})
    second = buy(server, "good", "ann")
    confirm(server, second)
    wait_until(lambda: len(endpoint.ids()) == 2, 30, "the good sale's")
    wait_until(lambda: process.metric("penstock_relay_lines_standing") == 1, 30, "the alert")
    assert request(process.monitor, "GET", "/health", documented=False).status == 503
    # A restart does not send again what is ahead of the line that stands.
    assert process.stop() == 0
    process.start()
    wait_until(lambda: process.metric("penstock_relay_refused_total") >= 1, 30, "a try")
    assert len(endpoint.ids()) == 2
    stuck = feed_of(server)[0]["id"]
    done = subprocess.run(
        [PROGRAM, "relay", "--skip", stuck, "--reason", "no such order", "--operator", server.operator],
        env={**plain_environment(), "PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # What was let go is refused on: the relay may try it again before it has heard of that, and
    # would have delivered it.
    endpoint.answer = lambda change: 503 if change["id"] == stuck else 204
    wait_until(lambda: len(endpoint.ids()) == 3, 150, "what was behind it")  # its turns come up to a minute apart by then
    assert stuck not in endpoint.ids()
    row = server.operate("GET", "/v1/log?action=relay.skip").json["rows"][0]
    assert row["detail"] == {"change": stuck, "reason": "no such order"} and row["subject"] == "default"
    # Found: the limit that was told of a reason was another than it has.
    for size, status in ((200, 200), (201, 422)):
        answer = server.operate("POST", "/v1/relays/default/skip", {"change": stuck + "1", "reason": "x" * size})
        assert answer.status == status and (status == 200 or "1 to 200 bytes" in answer.json["detail"]), answer.json
    skipped = server.operate("GET", "/v1/relays/default").json["skipped"]
    for change in "never", stuck.replace("order.", "border."), stuck + "/1", stuck.rpartition("/")[0]:
        refused = server.operate("POST", "/v1/relays/default/skip", {"change": change, "reason": "no such change"})
        assert (refused.status, refused.json["code"], refused.json["field"]) == (422, "invalid-value", "change"), change
    assert server.operate("GET", "/v1/relays/default").json["skipped"] == skipped


def relay_command(server, *options, **popen):
    """A relay as a command at a terminal."""
    return subprocess.Popen(
        [PROGRAM, "relay", "--operator", server.operator, *options],
        env={**plain_environment(), "PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN, "PENSTOCK_RELAY_SECRET": SECRET}, text=True, **popen,
    )  # fmt: skip


def ends(server, *options):
    """(exit code, what it printed, its log) of one that ends by itself."""
    process = relay_command(server, *options, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, log = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out, log


def make_certificates(folder, name):
    """
    (CA's file, a server's TLS context) of a private CA, which vouches for that name or address.
    """
    now = datetime.now(timezone.utc)

    def certificate(subject, key, issuer, issuer_key, extension):
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        return made.add_extension(extension, critical=True).sign(issuer_key, hashes.SHA256())

    def named(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate(named("A private CA"), ca_key, named("A private CA"), ca_key, x509.BasicConstraints(ca=True, path_length=None))
    who = x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    own = certificate(named(name), key, ca.subject, ca_key, x509.SubjectAlternativeName([who]))
    encoding = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(encoding))
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + own.public_bytes(encoding))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return folder / "ca.pem", context


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "CURL_CA_BUNDLE"])
def test_an_endpoint_of_a_private_ca_is_trusted_where_it_is_named(server, relay, tmp_path, variable):
    authority, context = make_certificates(tmp_path, "127.0.0.1")
    endpoint = Endpoint(context)
    try:
        server.make_sale("one", 50, limit_per_buyer=50, hold_seconds=600)
        for _ in range(5):
            confirm(server, buy(server, "one", "ann"))
        relay(server, endpoint, environment={variable: str(authority)})
        wait_until(lambda: len(set(endpoint.ids())) == 10, 60, "all of them")
        assert endpoint.judge(feed_of(server)) == []
    finally:
        endpoint.close()


@pytest.mark.parametrize("fault", ["an unknown CA", "another's name"])
def test_an_endpoint_with_a_wrong_certificate_is_told_nothing(server, relay, tmp_path, fault):
    authority, context = make_certificates(tmp_path, "127.0.0.1" if fault == "an unknown CA" else "other.example")
    endpoint = Endpoint(context)
    try:
        server.make_sale("one", 50, limit_per_buyer=50, hold_seconds=600)
        buy(server, "one", "ann")
        process = relay(server, endpoint, environment={} if fault == "an unknown CA" else {"SSL_CERT_FILE": str(authority)})
        wait_until(lambda: process.metric("penstock_relay_refused_total") >= 2, 60, "two tries")
        assert endpoint.ids() == [] and endpoint.faults == [] and endpoint.targets == set()
        assert "SSL" in process.log() or "certificate" in process.log().lower(), process.log()
    finally:
        endpoint.close()


def test_a_proxy_of_the_environment_is_used_but_where_it_says_not_to(server, endpoint, relay):
    server.make_sale("one", 50, limit_per_buyer=50, hold_seconds=600)
    buy(server, "one", "ann")
    proxy, direct = endpoint.url, "http://shop.invalid/hook"
    endpoint.url = direct
    process = relay(server, endpoint, environment={"http_proxy": proxy, "no_proxy": "127.0.0.1"})
    wait_until(lambda: len(endpoint.ids()) == 1, 60, "the change, by the proxy")
    assert endpoint.targets == {direct}
    process.stop()
    endpoint.url = proxy
    process.environment = {"http_proxy": "http://shop.invalid:1", "no_proxy": "127.0.0.1"}
    process.start()
    buy(server, "one", "ben")
    wait_until(lambda: len(endpoint.ids()) == 2, 60, "the change, past the proxy")
    assert endpoint.targets == {direct, "/hook"}


def test_a_redirect_is_no_answer(server, endpoint, relay):
    server.make_sale("one", 50, limit_per_buyer=50, hold_seconds=600)
    endpoint.answer = lambda change: 307
    buy(server, "one", "ann")
    process = relay(server, endpoint)
    wait_until(lambda: process.metric("penstock_relay_refused_total") >= 1, 60, "a try")
    endpoint.answer = lambda change: 204
    wait_until(lambda: len(endpoint.ids()) == 1, 60, "the change")
    assert endpoint.targets == {"/hook"}


def test_the_second_of_a_name_ends(server, endpoint, relay, tmp_path):
    """It stood there, alive and doing nothing, where its service manager saw nothing to restart."""
    server.make_sale("one", 20000, hold_seconds=600)
    first = relay(server, endpoint)
    buy(server, "one", "ann")
    wait_until(lambda: len(endpoint.ids()) == 1, 30, "the first change")
    (tmp_path / "other").mkdir()
    second = Relay(tmp_path / "other", server, endpoint).start()
    try:
        buyers = (f"b{i}" for i in range(15000))

        def one_has_ended():
            buy(server, "one", next(buyers))
            return any(each.process.poll() is not None for each in (first, second))

        wait_until(one_has_ended, 60, "the end of one of them")
        ended = next(each for each in (first, second) if each.process.poll() is not None)
        assert ended.process.returncode == 1
        assert "another process of this name" in ended.log()
    finally:
        second.kill()


class Forgetful:
    """
    Between a relay and its server: what is kept is kept, and while `forgets` is set nobody is told.
    """

    def __init__(self, server):
        self.forgets, self.forgotten = threading.Event(), 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
                headers = {name: value for name, value in self.headers.items() if name.lower() in ("authorization", "content-type", "idempotency-key")}
                answer = request(server.operator, self.command, self.path, body, headers, documented=False)
                if self.command == "PUT" and outer.forgets.is_set():
                    outer.forgotten += 1
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.header("content-type"))
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_PUT = pass_on

            def log_message(self, *_):
                pass

        self.proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.proxy.daemon_threads = True
        threading.Thread(target=self.proxy.serve_forever, daemon=True).start()
        self.operator = f"http://127.0.0.1:{self.proxy.server_port}"

    def close(self):
        self.proxy.shutdown()
        self.proxy.server_close()


def test_a_position_whose_answer_was_lost_is_its_own(server, endpoint, relay):
    """The next one that it sent was another, so it took its own for another process's."""
    server.make_sale("one", 5000, hold_seconds=600)
    between = Forgetful(server)
    try:
        process = relay(between, endpoint)
        buy(server, "one", "ann")
        wait_until(lambda: server.operate("GET", "/v1/relays/default").json["position"], 60, "the first position")
        between.forgets.set()
        buyers = (f"b{i}" for i in range(4000))

        def one_more():
            buy(server, "one", next(buyers))
            return between.forgotten >= 2

        wait_until(one_more, 120, "two answers that are lost")
        between.forgets.clear()
        count = len(feed_of(server))
        wait_until(lambda: process.process.poll() is not None or len(set(endpoint.ids())) == count, 60, "all of them")
        last = feed_of(server)[-1]["cursor"]
        kept = lambda: server.operate("GET", "/v1/relays/default").json["position"]["after"]  # noqa: E731
        wait_until(lambda: process.process.poll() is not None or kept() == last, 60, "its position")
        assert process.process.poll() is None, process.log()
        assert process.stop() == 0
    finally:
        between.close()


def test_changes_are_printed_and_a_restart_prints_what_is_new(server, tmp_path):
    server.make_sale("one", 50, limit_per_buyer=50, hold_seconds=600)
    order = buy(server, "one", "ann")
    confirm(server, order)
    for turn, wanted in (("first", 2), ("second", 1)):
        out = tmp_path / turn
        with open(out, "wb") as file:
            process = relay_command(server, "--to", "-", *(["--json"] if turn == "second" else []), stdout=file, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: out.read_text().count("\n") >= wanted, 30, "the lines")
        finally:
            process.terminate()
            assert process.wait(30) == 0
        lines = out.read_text().splitlines()
        assert len(lines) == wanted
        if turn == "first":
            assert [line.split("  ")[1].strip() for line in lines] == ["order.reserved", "order.confirmed"]
            assert all(order in line and "  one  " in line and "ann" in line for line in lines)
            buy(server, "one", "ben")
        else:
            assert json.loads(lines[0]) == feed_of(server)[-1]


def test_what_is_read_by_nobody_is_not_taken_for_printed(server):
    server.make_sale("one", 500, limit_per_buyer=500, hold_seconds=600)
    for _ in range(3):
        buy(server, "one", "ann")
    process = relay_command(server, "--to", "-", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.close()
    try:
        assert process.wait(60) == 1
    finally:
        process.kill()
    assert server.operate("GET", "/v1/relays/stdout").json["position"] is None


def test_a_replay_sends_again_by_time_or_id_and_moves_no_position(server, endpoint, relay):
    for sale in ("one", "two"):
        server.make_sale(sale, 50, limit_per_buyer=50, hold_seconds=600)
    for i in range(10):
        confirm(server, buy(server, ("one", "two")[i % 2], "ann"))
    process = relay(server, endpoint)
    feed = feed_of(server)
    ids = [change["id"] for change in feed]
    wait_until(lambda: len(endpoint.ids()) == 20, 30, "all of them")
    assert process.stop() == 0
    kept = server.operate("GET", "/v1/relays/default").json
    for where, wanted in ((ids[13], ids[13:]), (feed[0]["timestamp"], ids)):
        before = len(endpoint.ids())
        code, _, log = ends(server, "--to", endpoint.url, "--replay", where)
        assert code == 0, log
        assert sorted(endpoint.ids()[before:]) == sorted(wanted)
    code, out, log = ends(server, "--to", "-", "--json", "--replay", ids[5])
    assert code == 0 and [json.loads(line)["id"] for line in out.splitlines()] == ids[5:], log
    code, out, log = ends(server, "--to", "-", "--replay", "2099-01-01T00:00:00Z")
    assert (code, out) == (0, ""), log
    code, out, log = ends(server, "--to", "-", "--replay", ids[5].replace("order", "border"))
    assert code == 1 and "no change of this id" in log and out == ""
    assert server.operate("GET", "/v1/relays/default").json == kept
    assert server.operate("GET", "/v1/relays/stdout").json["version"] == 0


class Told:
    """In the server's place: answers what it is told to."""

    STATE = {"relay": "stdout", "version": 0, "updated_at": None, "position": None, "skipped": []}

    def __init__(self, answers):
        """answers(path): the body, always with 200. `asked` has the queries of the feed."""
        told = self
        self.asked = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                where = urllib.parse.urlsplit(self.path)
                if where.path == "/v1/changes":
                    told.asked.append(urllib.parse.parse_qs(where.query))
                body = answers(self.path).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("left", ["", "/2"])
def test_a_replay_begins_at_the_time_of_its_change(server, left):
    """
    Found: the units that a reduction has left were taken for its time, so all was read from the
    beginning.
    """
    feed = Told(lambda path: '{"changes":[],"next":null}' if path.startswith("/v1/changes") else json.dumps(Told.STATE))
    try:
        change = f"0193e0a1-5c3f-7000-9c1e-2f6a4b000001/order.reduced/1798797612500{left}"
        code, _, log = ends(server, "--to", "-", "--replay", change, "--operator", feed.url)
    finally:
        feed.close()
    assert code == 1 and "no change of this id" in log, log
    assert feed.asked[0]["since"] == ["2027-01-01T10:00:12.500Z"], feed.asked


def test_a_relay_that_waits_for_its_time_does_not_read_all_on_each_look(server):
    """
    Found: with --from behind the last change each look asked by the time alone, so the server read
    all that had happened. What lies before that time is still not sent.
    """
    server.make_sale("one", 5, hold_seconds=600)
    buy(server, "one", "ann")
    real = server.operate("GET", "/v1/changes").body.decode()
    place, late = "1.5.0000000000000005", "2099-01-01T00:00:00.000Z"
    pages = [f'{{"changes":[],"next":"{place}"}}', real, '{"changes":[{}],"next":null}']
    feed = Told(lambda path: pages[min(len(feed.asked), 3) - 1] if path.startswith("/v1/changes") else json.dumps(Told.STATE))
    try:
        code, _, log = ends(server, "--to", "-", "--from", late, "--operator", feed.url)
    finally:
        feed.close()
    assert code == 1 and "a change cannot be read" in log, log
    first, second, third = feed.asked[:3]
    assert "after" not in first and "after" in second and "since" not in third, feed.asked
    assert second["after"] == [place] and first["since"] == second["since"], feed.asked
    assert third["after"] == [json.loads(real)["next"]], feed.asked


@pytest.mark.parametrize("strange", ["<html>Back soon</html>", "{}", '{"changes":{},"version":"1","position":7,"skipped":[1]}'])
def test_what_answers_in_the_servers_place_is_not_believed(server, strange):
    """
    Found: a proxy's own page, told with 200, was read as a relay without a position and a feed
    without changes: a relay began with the first change there is, and a replay ended well that had
    sent nothing.
    """
    server.make_sale("one", 5, hold_seconds=600)
    buy(server, "one", "ann")
    real, seen = server.operate("GET", "/v1/changes").body.decode(), {"relays": 0, "changes": 0}

    def answers(path):
        """To each question first that, and then the truth."""
        kind = path.split("?")[0].split("/")[2]
        seen[kind] += 1
        if seen[kind] == 1:
            return strange
        return real if kind == "changes" else json.dumps(Told.STATE)

    proxy = Told(answers)
    try:
        code, out, log = ends(server, "--to", "-", "--json", "--replay", "2020-01-01T00:00:00Z", "--operator", proxy.url)
    finally:
        proxy.close()
    assert code == 0, log
    assert [json.loads(line)["id"] for line in out.splitlines()] == [change["id"] for change in json.loads(real)["changes"]], log
    assert "what answers there is no Penstock" in log and seen["relays"] > 1 and seen["changes"] > 1, (seen, log)


def test_a_replay_ends_where_it_is_told(server, endpoint):
    for sale in ("one", "two"):
        server.make_sale(sale, 50, limit_per_buyer=50, hold_seconds=600)
    for i in range(10):
        confirm(server, buy(server, ("one", "two")[i % 2], "ann"))
    feed = feed_of(server)
    ids, times = [change["id"] for change in feed], [change["timestamp"] for change in feed]

    def replayed(*options):
        code, out, log = ends(server, "--to", "-", "--json", "--replay", *options)
        assert code == 0, log
        return [json.loads(line)["id"] for line in out.splitlines()]

    assert replayed(ids[3], "--until", ids[7]) == ids[3:8]
    assert replayed(ids[3], "--until", ids[3]) == ids[3:4]
    middle = times[9]
    assert replayed(times[0], "--until", middle) == [change["id"] for change in feed if change["timestamp"] < middle]
    assert replayed(times[0], "--until", times[0]) == []
    code, out, log = ends(server, "--to", endpoint.url, "--replay", ids[3], "--until", ids[7])
    assert code == 0 and set(endpoint.ids()) == set(ids[3:8]), log
    # Nothing of that id comes behind the first.
    code, out, log = ends(server, "--to", "-", "--replay", ids[7], "--until", ids[3])
    assert code == 1 and "no change of the id that --until names" in log


def test_a_new_name_starts_where_it_is_told_and_later_goes_on(server, endpoint, relay):
    server.make_sale("one", 50, limit_per_buyer=50, hold_seconds=600)
    for _ in range(5):
        confirm(server, buy(server, "one", "ann"))
    ids = [change["id"] for change in feed_of(server)]
    process = relay(server, endpoint)
    wait_until(lambda: len(endpoint.ids()) == 10, 30, "all of them")
    process.stop()
    process.start("--name", "late", "--from", ids[7])
    wait_until(lambda: len(endpoint.ids()) == 13, 30, "the last three")
    assert endpoint.ids()[10:] == ids[7:]
    process.stop()
    process.start("--name", "late", "--from", ids[0])
    confirm(server, buy(server, "one", "ben"))
    wait_until(lambda: len(endpoint.ids()) == 15, 30, "the newest two")
    assert endpoint.ids()[13:] == [change["id"] for change in feed_of(server)][10:]
    assert "it goes on where it was" in process.log()


@pytest.mark.parametrize(
    "options, told",
    [
        (["--to", "-", "--from", "a/b"], "wanted is a time"),
        (["--to", "-", "--from", "never"], "2027-01-01T10:00:00Z, or a change's id, ID/KIND/MS"),
        (["--to", "-", "--replay", "2027-01-01T10:00:00Z", "--until", "never"], "or a change's id"),
        (["--skip", "never", "--reason", "it is wrong"], "--skip never: wanted is a change's id, ID/KIND/MS"),
        (["--to", "-", "--replay", "a/b/c"], "wanted is a change's id"),
        (["--to", "-", "--replay", "a/b/1/c"], "wanted is a change's id"),
        (["--to", "-", "--replay", "a/b/1/2/3"], "wanted is a change's id"),
        (["--to", "-", "--from", "2027-01-01 10:00 America/Argentina/Nowhere"], "--from"),
        (["--to", "-", "--from", "2027-01-01T10:00:00Z", "--replay", "2027-01-01T10:00:00Z"], "one of them"),
        (["--to", "-", "--until", "2027-01-01T10:00:00Z"], "--until goes with --replay"),
        (["--to", "-", "--replay", "2027-01-01T10:00:00Z", "--until", "tomorrow/x/"], "--until tomorrow/x/: wanted is a change's id"),
        (["--to", "http://shop.example/", "--json"], "--json goes with --to -"),
        (["--to", "ftp://shop.example/"], "or - to print"),
    ],
)
def test_a_relay_that_is_told_wrongly_does_not_start(options, told):
    done = subprocess.run([PROGRAM, "relay", *options], env={**plain_environment(), "PENSTOCK_RELAY_SECRET": SECRET}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and told in done.stderr


def test_everything_arrives_through_a_hundred_deaths_of_the_relay(server, endpoint, relay):
    """And of its server now and then; the endpoint refuses one in five."""
    random = Random(new_seed("relay"))
    sales = [f"drop-{i}" for i in range(4)]
    for sale in sales:
        server.make_sale(sale, 2000, limit_per_buyer=1000, hold_seconds=600)
    endpoint.answer = lambda change: 500 if random.random() < 0.2 else 204
    process = relay(server, endpoint)
    for death in range(100):
        for _ in range(4):
            order = buy(server, random.choice(sales), f"b{random.randrange(20)}")
            if random.random() < 0.7:
                confirm(server, order)
        threading.Event().wait(random.uniform(0, 0.1))  # somewhere in its work
        process.kill()
        if death % 20 == 19:
            server.kill()
            server.restart()
        process.start()
    endpoint.answer = lambda change: 204
    feed = feed_of(server)
    wait_until(lambda: len(set(endpoint.ids())) == len(feed), 120, "all of them")
    assert endpoint.judge(feed) == []
    assert set(NEXT.values()) >= {change["data"]["state"] for change in feed}
