"""What deploy/ holds, tried: the proxies in front of a running server, and every other file by the tool that reads it."""

import contextlib
import datetime
import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from penstock import ROOT, Answer, buyer_token, wait_until

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


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
        headers |= {"Authorization": f"Bearer {buyer_token(buyer)}", "Content-Type": "application/json"}
        return self.ask("POST", "/v1/sales/drop/orders", "{}", headers, source)


def start_nginx(server, folder, certificate):
    port = free_port()
    settings = replaced(
        (DEPLOY / "nginx/penstock.conf").read_text(),
        ("server 127.0.0.1:8080;", f"server {server.public.removeprefix('http://')};"),
        ("listen 443 ssl http2 backlog=4096;", f"listen 127.0.0.1:{port} ssl http2 backlog=4096;"),
        ("\tlisten [::]:443 ssl http2 backlog=4096;\n", ""),
        ("/etc/nginx/tls/shop.example.pem", str(certificate)),
        ("/etc/nginx/tls/shop.example.key", str(certificate)),
    )
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{\n{places}{settings}\n}}\n"
    )
    return Front(["/usr/sbin/nginx", "-c", str(main), "-p", str(folder)], port, certificate, folder / "nginx.log")


def start_haproxy(server, folder, certificate):
    port = free_port()
    gate = server.public.removeprefix("http://")
    settings = folder / "haproxy.cfg"
    settings.write_text(
        replaced(
            (DEPLOY / "haproxy/haproxy.cfg").read_text(),
            ("server gate 127.0.0.1:8080", f"server gate {gate}"),
            ("bind :443", f"bind 127.0.0.1:{port}"),
            ("/etc/haproxy/shop.example.pem", str(certificate)),
            ("maxconn 20000", "maxconn 500"),
        )
    )
    return Front(["/usr/sbin/haproxy", "-f", str(settings)], port, certificate, folder / "haproxy.log")


@pytest.fixture
def shop(serve, tmp_path, certificate, request):
    """shop(settings) -> the server and the proxy in front of it."""
    fronts = []
    start, listen = request.param

    def open_shop(**settings):
        server = serve(settings={"gate.listen": listen, "gate.trusted_proxies": "127.0.0.1", **settings})
        fronts.append(start(server, tmp_path, certificate))
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
        connection.settimeout(5)
        connection.sendall(b"GET /v1/sales/drop/events HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        text = b""
        while b"event: stock" not in text:
            text += connection.recv(65536)
        assert server.operate("POST", "/v1/sales/drop/pause").status == 200
        began = time.monotonic()
        while b'"state":"paused"' not in text:
            text += connection.recv(65536)
        assert time.monotonic() - began < 3, "a proxy that buffers holds it until the stream ends"


@in_front
def test_what_is_the_operators_is_not_reached(shop):
    _, proxy = shop()
    for path in ("/metrics", "/health", "/dashboard", "/livez", "/readyz", "/v1/items", "/v1/orders"):
        assert proxy.ask("GET", path).status in (404, 405), path
    for path in ("/docs", "/openapi.json", "/assets/docs.js", "/v1/sales"):
        assert proxy.ask("GET", path).status == 200, path


# --- The files that other programs read ---


def checked(*command, cwd=DEPLOY):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_compose_file_is_one():
    checker = Path(sys.executable).with_name("check-jsonschema")
    checked(checker, "--builtin-schema", "vendor.compose-spec", "docker/compose.yml")


def test_the_images_are_pinned():
    services = yaml.safe_load((DEPLOY / "docker/compose.yml").read_text())["services"]
    for name, service in services.items():
        assert "build" in service or service["image"].partition(":")[2] not in ("", "latest"), name
    for line in (DEPLOY / "docker/Dockerfile").read_text().splitlines():
        if line.startswith("FROM "):
            assert line.split()[1].partition(":")[2] not in ("", "latest"), line


@tool("promtool")
def test_the_alerts_fire_when_they_should():
    checked("promtool", "check", "config", "prometheus/prometheus.yml")
    checked("promtool", "test", "rules", "prometheus/alerts_test.yml")


def metric_names(text):
    """Words that begin as our metrics do."""
    return set(re.findall(r"\b(?:penstock|process)_[a-z_]+\b", text))


def test_alerts_and_panels_ask_for_metrics_that_exist(server):
    there = metric_names(server.operate("GET", "/metrics").body.decode())
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    asked = {name for group in rules["groups"] for rule in group["rules"] for name in metric_names(rule["expr"])}
    for path in (DEPLOY / "grafana/dashboards").glob("*.json"):
        panels = json.loads(path.read_text())["panels"]
        asked |= {name for panel in panels for target in panel.get("targets", []) for name in metric_names(target["expr"])}
    assert len(asked) > 10
    assert asked <= there


@tool("systemd-analyze")
def test_the_unit_is_sound(tmp_path):
    unit = tmp_path / "penstock.service"
    # The program is not installed here, nor need its manual be.
    unit.write_text(
        "".join(
            line.replace("/usr/local/bin/penstock", "/bin/true")
            for line in (DEPLOY / "systemd/penstock.service").read_text().splitlines(True)
            if not line.startswith("Documentation=")
        )
    )
    assert "penstock.service:" not in checked("systemd-analyze", "verify", unit)
