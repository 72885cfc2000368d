"""
The proxies of deploy/, tried in front of running servers: one gate, and two of which one fails.
"""

import contextlib
import datetime
import http.client
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
from ports import free_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from penstock import PROGRAM, ROOT, Answer, Server, buyer_token, wait_until

DEPLOY = ROOT / "deploy"


def tool(name):
    return pytest.mark.skipif(not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"), reason=f"{name} is not installed")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate of its own for shop.example, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "shop.example.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def replaced(text, *pairs):
    """The settings as they are shipped, but for places; each must be there."""
    for old, new in pairs:
        assert old in text, f"{old!r} is not in the settings any more"
        text = text.replace(old, new)
    return text


class Front:
    """A proxy that speaks TLS on a loopback port, in front of a server."""

    def __init__(self, command, port, certificate, log):
        self.port, self.log = port, log
        self.context = ssl.create_default_context(cafile=str(certificate))
        with open(log, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_until(self.answers, 15, "the proxy's first answer")

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError):
            return self.ask("GET", "/livez").status in (200, 404)

    def stop(self):
        self.process.terminate()
        self.process.wait(15)

    def connect(self, source="127.0.0.1", protocols=("http/1.1",)):
        self.context.set_alpn_protocols(list(protocols))
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=15, source_address=(source, 0))
        return self.context.wrap_socket(raw, server_hostname="shop.example")

    def ask(self, method, path, body=None, headers=None, source="127.0.0.1"):
        connection = http.client.HTTPConnection("shop.example", timeout=15)
        connection.sock = self.connect(source)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            reply = connection.getresponse()
            return Answer(reply.status, {name.lower(): text for name, text in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def buy(self, buyer, source="127.0.0.1", **headers):
        headers = {name.replace("_", "-"): text for name, text in headers.items()}
        headers = {"Authorization": f"Bearer {buyer_token(buyer)}", "Content-Type": "application/json", **headers}
        return self.ask("POST", "/v1/sales/drop/orders", "{}", headers, source)


def gate_address(gate):
    """HOST:PORT of a server, or of a thing with a port."""
    return gate.public.removeprefix("http://") if isinstance(gate, Server) else f"127.0.0.1:{gate.port}"


def start_nginx(gates, folder, certificate, *changes):
    port = free_port()
    second = "" if len(gates) == 1 else f"server {gate_address(gates[1])} max_fails=2 fail_timeout=2s;"
    settings = replaced(
        (DEPLOY / "nginx/penstock.conf").read_text(),
        ("server 127.0.0.1:8080 ", f"server {gate_address(gates[0])} "),
        ("# server gate-2.example:8080 max_fails=2 fail_timeout=2s;", second),
        ("listen 443 ssl http2 backlog=4096;", f"listen 127.0.0.1:{port} ssl http2 backlog=4096;"),
        ("\tlisten [::]:443 ssl http2 backlog=4096;\n", ""),
        ("/etc/nginx/tls/shop.example.pem", str(certificate)),
        ("/etc/nginx/tls/shop.example.key", str(certificate)),
        ("/etc/nginx/penstock.inc", str(folder / "penstock.inc")),
        *changes[:1],
    )
    (folder / "penstock.inc").write_text(replaced((DEPLOY / "nginx/penstock.inc").read_text(), *changes[1:]))
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{\n{places}{settings}\n}}\n"
    )
    return Front(["/usr/sbin/nginx", "-c", str(main), "-p", str(folder)], port, certificate, folder / "nginx.log")


def start_haproxy(gates, folder, certificate, *changes):
    port = free_port()
    settings = folder / "haproxy.cfg"
    text = replaced(
        (DEPLOY / "haproxy/haproxy.cfg").read_text(),
        ("server gate-1 127.0.0.1:8080", f"server gate-1 {gate_address(gates[0])}"),
        ("bind :443", f"bind 127.0.0.1:{port}"),
        ("/etc/haproxy/shop.example.pem", str(certificate)),
        ("maxconn 20000", "maxconn 500"),
        *changes,
    )
    if len(gates) > 1:
        text = replaced(text, ("# server gate-2 gate-2.example:8080", f"server gate-2 {gate_address(gates[1])}"))
    settings.write_text(text)
    return Front(["/usr/sbin/haproxy", "-f", str(settings)], port, certificate, folder / "haproxy.log")


@pytest.fixture
def shop(serve, tmp_path, certificate, request):
    """shop(settings) -> the server and the proxy in front of it."""
    fronts = []
    start, listen = request.param

    def open_shop(**settings):
        server = serve(settings={"gate.listen": listen, "gate.trusted_proxies": "127.0.0.1", **settings})
        fronts.append(start([server], tmp_path, certificate))
        return server, fronts[-1]

    yield open_shop
    for each in fronts:
        each.stop()


in_front = pytest.mark.parametrize(
    "shop",
    [
        pytest.param((start_nginx, "127.0.0.1:0"), id="nginx", marks=tool("nginx")),
        pytest.param((start_haproxy, "127.0.0.1:0 proxy"), id="haproxy", marks=tool("haproxy")),
    ],
    indirect=True,
)


@in_front
def test_a_purchase_over_tls(shop):
    server, proxy = shop()
    server.make_sale("drop", 2, hold_seconds=60)
    answer = proxy.buy("anna", Idempotency_Key="k")
    assert answer.status == 202 and answer.json["buyer"] == "anna"
    again = proxy.buy("anna", Idempotency_Key="k")
    assert (again.status, again.body, again.header("Idempotent-Replayed")) == (202, answer.body, "true")
    shown = proxy.ask("GET", answer.header("Location"), headers={"Authorization": f"Bearer {buyer_token('anna')}"})
    assert shown.json["state"] == "held"
    server.audit()


@in_front
def test_http_2_is_offered(shop):
    _, proxy = shop()
    with proxy.connect(protocols=("h2", "http/1.1")) as connection:
        assert connection.selected_alpn_protocol() == "h2"


@in_front
def test_the_clients_own_address_counts_and_not_the_proxys(shop):
    server, proxy = shop(**{"gate.address_rate": "2/60"})
    server.make_sale("drop", 50)
    assert [proxy.buy(f"a{i}", "127.0.0.2").status for i in range(3)] == [202, 202, 429]
    assert proxy.buy("a3", "127.0.0.2").code == "address-rate-limited"
    assert proxy.buy("b0", "127.0.0.3").status == 202


# Loopback too, and little of everything.
LIMITED = {
    "nginx": [("\t127.0.0.0/8 1;\n", ""), ("burst=2000", "burst=20"), ("penstock_streams 256", "penstock_streams 2")],
    "haproxy": [("acl here src 127.0.0.0/8 ::1", "acl here src 192.0.2.1"), ("gt 2000", "gt 20"), ("sc1_conn_cur gt 256", "sc1_conn_cur gt 2")],
}


@pytest.mark.parametrize(
    "name, start, listen",
    [
        pytest.param("nginx", start_nginx, "127.0.0.1:0", marks=tool("nginx")),
        pytest.param("haproxy", start_haproxy, "127.0.0.1:0 proxy", marks=tool("haproxy")),
    ],
)
def test_one_address_has_its_share_and_others_have_theirs(serve, tmp_path, certificate, name, start, listen):
    server = serve(settings={"gate.listen": listen, "gate.trusted_proxies": "127.0.0.1"})
    server.make_sale("drop", 5)
    proxy = start([server], tmp_path, certificate, *LIMITED[name])
    streams = []
    try:
        for source, expected in (("127.0.0.2", 200), ("127.0.0.2", 200), ("127.0.0.2", None), ("127.0.0.3", 200)):
            streams.append(proxy.connect(source))
            streams[-1].sendall(b"GET /v1/sales/drop/events HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            status = int(streams[-1].recv(12).split()[1])
            assert status == expected if expected else status in (429, 503)
        # On one connection, as fast as it goes.
        with proxy.connect("127.0.0.4") as connection:
            lines = connection.makefile("rb")
            statuses = []
            for _ in range(400):
                connection.sendall(b"GET /v1/sales/drop HTTP/1.1\r\nHost: shop.example\r\n\r\n")
                statuses.append(int(lines.readline().split()[1]))
                if statuses[-1] == 429:
                    break
                length = 0
                while (line := lines.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                lines.read(length)
        assert statuses[:15] == [200] * 15 and statuses[-1] == 429
        assert proxy.ask("GET", "/v1/sales/drop", source="127.0.0.5").status == 200
    finally:
        for stream in streams:
            stream.close()
        proxy.stop()


@in_front
def test_browsers_are_told_to_come_over_tls_alone(shop):
    _, proxy = shop()
    for path in ("/livez", "/v1/sales", "/nowhere"):
        assert proxy.ask("GET", path).header("Strict-Transport-Security") == "max-age=31536000", path


def test_the_header_that_is_blanked_is_the_one_that_the_settings_name():
    """A proxy that lets it through says who everybody is (identity.mode = header)."""
    shown = subprocess.run([PROGRAM, "config"], capture_output=True, text=True, check=True, cwd="/", env={"PATH": "/usr/bin"}).stdout
    (name,) = re.findall(r"identity\.header *= *(\S+)", shown)
    assert f'proxy_set_header {name} "";' in (DEPLOY / "nginx/penstock.inc").read_text()
    assert f"http-request del-header {name}\n" in (DEPLOY / "haproxy/haproxy.cfg").read_text()


@in_front
def test_a_client_cannot_choose_its_address(shop):
    server, proxy = shop(**{"gate.address_rate": "2/60"})
    server.make_sale("drop", 50)
    answers = [proxy.buy(f"a{i}", "127.0.0.2", X_Forwarded_For=f"192.0.2.{i}").status for i in range(3)]
    assert answers == [202, 202, 429]


@in_front
def test_a_client_cannot_choose_who_it_is(shop):
    server, proxy = shop(**{"identity.mode": "header"})
    server.make_sale("drop", 50)
    assert proxy.buy("anna", X_Buyer_Id="somebody").status == 401


@in_front
def test_events_come_at_once(shop):
    server, proxy = shop()
    server.make_sale("drop", 5)
    with proxy.connect() as connection:
        connection.settimeout(20)
        connection.sendall(b"GET /v1/sales/drop/events HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        text = b""
        while b"event: stock" not in text:
            text += connection.recv(65536)
        assert server.operate("POST", "/v1/sales/drop/pause").status == 200
        began = time.monotonic()
        while b'"state":"paused"' not in text:
            text += connection.recv(65536)
        assert time.monotonic() - began < 20, "a proxy that buffers holds it until the stream ends"


@in_front
def test_what_is_the_operators_is_not_reached(shop):
    _, proxy = shop()
    for path in ("/metrics", "/health", "/dashboard", "/livez", "/readyz", "/v1/items", "/v1/orders"):
        assert proxy.ask("GET", path).status in (404, 405), path
    for path in ("/docs", "/openapi.json", "/assets/docs.js", "/v1/sales"):
        assert proxy.ask("GET", path).status == 200, path


# --- Two gates ---


class SilentGate:
    """A gate that is ready, reads every purchase, and then dies: nobody knows what it had done."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.purchases = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(10)
            text = b""
            while b"\r\n\r\n" not in text:
                text += connection.recv(65536) or b"\r\n\r\n"
            if b"POST /v1/" in text:
                self.purchases += 1
            elif b"GET /readyz" in text:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nready\n")

    def stop(self):
        self.listener.close()


class GoneGate:
    """A gate that is not there: its port refuses connections."""

    def __init__(self):
        self.port, self.purchases = free_port(), 0

    def stop(self):
        pass


@pytest.fixture
def two_gates(serve, tmp_path, certificate, request):
    """
    two_gates(other) -> a server with a sale, and the proxy in front of it and of the other gate,
    which fails.
    """
    stops = []
    start, listen = request.param

    def open_shop(other):
        server = serve(settings={"gate.listen": listen, "gate.trusted_proxies": "127.0.0.1"})
        server.make_sale("drop", 5000)
        stops.append(other)
        stops.append(start([server, other], tmp_path, certificate))
        return server, stops[-1]

    yield open_shop
    for each in reversed(stops):
        each.stop()


before_two = pytest.mark.parametrize(
    "two_gates",
    [
        pytest.param((start_nginx, "127.0.0.1:0"), id="nginx", marks=tool("nginx")),
        pytest.param((start_haproxy, "127.0.0.1:0 proxy"), id="haproxy", marks=tool("haproxy")),
    ],
    indirect=True,
)


@before_two
def test_a_gate_that_is_gone_is_noticed_by_no_buyer(two_gates):
    _, proxy = two_gates(GoneGate())
    # What never left the proxy is sent to the other gate, with a key or without.
    assert [proxy.buy(f"a{i}").status for i in range(6)] == [202] * 6
    assert [proxy.buy(f"b{i}", Idempotency_Key="k").status for i in range(6)] == [202] * 6


@before_two
def test_a_purchase_with_a_key_is_asked_of_another_gate(two_gates):
    silent = SilentGate()
    server, proxy = two_gates(silent)
    buyers = []

    # A proxy may think for a while that the gate is not there: on a busy machine its first check
    # comes to no end.
    def comes_to_the_gate_that_dies():
        buyers.append(f"b{len(buyers)}")
        answer = proxy.buy(buyers[-1], Idempotency_Key="k")
        assert answer.status == 202 and answer.json["buyer"] == buyers[-1]
        return silent.purchases > 0

    wait_until(comes_to_the_gate_that_dies, 60, "a purchase at the gate that dies")
    assert sorted(order["buyer"] for order in server.orders(sale="drop")) == sorted(buyers)


@before_two
def test_a_purchase_without_a_key_is_asked_once(two_gates):
    silent = SilentGate()
    server, proxy = two_gates(silent)
    statuses = []

    def is_asked_of_the_gate_that_dies():
        statuses.append(proxy.buy(f"b{len(statuses)}").status)
        return statuses[-1] != 202

    wait_until(is_asked_of_the_gate_that_dies, 60, "a purchase at the gate that dies")
    assert silent.purchases == 1
    assert statuses[-1] == 502 and set(statuses[:-1]) <= {202}
    assert len(server.orders(sale="drop")) == len(statuses) - 1


@before_two
def test_what_is_only_asked_is_asked_of_another_gate(two_gates):
    _, proxy = two_gates(GoneGate())
    assert [proxy.ask("GET", "/v1/sales/drop").status for _ in range(6)] == [200] * 6


@tool("haproxy")
@pytest.mark.parametrize("two_gates", [pytest.param((start_haproxy, "127.0.0.1:0 proxy"), id="haproxy")], indirect=True)
def test_the_settings_are_without_a_warning(two_gates):
    _, proxy = two_gates(GoneGate())
    assert "[ALERT]" not in proxy.log.read_text()
    # A gate that is away is told; nothing else may be wrong.
    warnings = [line for line in proxy.log.read_text().splitlines() if "[WARNING]" in line and "is DOWN" not in line]
    assert warnings == []
