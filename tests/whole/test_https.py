"""
Commands over TLS: a private CA, a proxy, and a login's keys. What speaks TLS here is in front of a
real server.
"""

import base64
import ipaddress
import json
import select
import signal
import socket
import ssl
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from commands import operate, operator_environment
from crowd import new_seed
from penstock import PROGRAM, plain_environment, run, wait_until


def pem(path, key, certificate):
    """A private key and what certifies it, as one file."""
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class Authority:
    """A CA of a shop's own."""

    def __init__(self, folder, name):
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self.certify(self.name, self.key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def certify(self, subject, public, *extensions):
        now = datetime.now(timezone.utc)
        built = x509.CertificateBuilder(self.name, subject, public, x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=2))
        for extension in extensions:
            built = built.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        built = built.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        return built.sign(self.key, hashes.SHA256())

    def context(self, *names):
        """For a server of these names, which may be addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        general = [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
        certificate = self.certify(x509.Name([]), key.public_key(), x509.SubjectAlternativeName(general))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem(self.folder / "server.pem", key, certificate))
        return context


class Front:
    """
    Ends TLS on a port of its own, in front of a place; `connect` is an HTTP proxy in place of it.
    """

    def __init__(self, place=None, context=None):
        self.place, self.context, self.asked, self.told, self.ended = place, context, [], b"", 0
        self.cuts = None  # random numbers: it ends connections in their handshake, and before an answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            place = self.place or self.read_connect(client)
            if self.cuts and self.cuts.random() < 0.3:
                client.recv(1)
                return
            client = self.context.wrap_socket(client, server_side=True) if self.context else client
            server = socket.create_connection(place)
            self.copy(client, server)
            server.close()
        except OSError:  # a client that does not trust it, or has gone
            pass
        finally:
            client.close()
            self.ended += 1

    def copy(self, client, server):
        """Both ways, until either ends."""
        both = {client: server, server: client}
        while True:
            waiting = [each for each in both if isinstance(each, ssl.SSLSocket) and each.pending()]
            for each in waiting or select.select(list(both), [], [], 60)[0] or [None]:
                data = each and each.recv(65536)
                if not data or (self.cuts and each is server and self.cuts.random() < 0.1):
                    return
                self.told += data if each is client else b""
                both[each].sendall(data)

    def read_connect(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        method, target, _ = head.split(b" ", 2)
        assert method == b"CONNECT", head
        self.asked.append(target.decode())
        client.sendall(b"HTTP/1.1 200 Go\r\n\r\n")
        host, port = target.decode().rsplit(":", 1)
        return host, int(port)

    def close(self):
        self.listener.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "shop-ca")


def front_of(listener, authority):
    """TLS for localhost, in front of a listener: what a fixture does."""
    host, port = listener.removeprefix("http://").split(":")
    made = Front((host, int(port)), authority.context("localhost"))
    made.url = f"https://localhost:{made.port}"
    yield made
    made.close()


@pytest.fixture
def front(server, authority):
    yield from front_of(server.operator, authority)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_commands_speak_tls_to_who_has_a_known_certificate(server, front, authority):
    secure = ("--operator", front.url, "--cacert", authority.file)
    assert operate(server, "item", "create", "SHOE", "--on-hand", "10", *secure).returncode == 0
    done = operate(server, "sale", "create", "drop", "--lot", "SHOE=4", "--price", "250", "--open", *secure)
    assert done.returncode == 0, done.stderr
    order = server.buy("drop", "anna").json["id"]
    assert operate(server, "order", "confirm", order, *secure).returncode == 0 and server.order(order).json["state"] == "confirmed"
    assert operate(server, "sale", "change", "drop", "--name", "Another", *secure).returncode == 0 and server.sale("drop")["name"] == "Another"
    assert order in operate(server, "export", "orders", "--ndjson", *secure).stdout
    done = operate(server, "sale", "show", "nothing", *secure)
    assert done.returncode == 1 and "unknown-sale" in done.stderr


def test_a_server_whose_certificate_nobody_knows_is_told_nothing(server, front, tmp_path):
    stranger = Authority(tmp_path, "stranger")
    for known in ([], ["--cacert", stranger.file]):
        done = operate(server, "sale", "list", "--operator", front.url, *known)
        assert done.returncode == 1 and "certificate" in done.stderr and done.stdout == "", done.stderr
    wait_until(lambda: front.ended == 2, 60, "the end of both connections")
    assert front.told == b""


def test_a_certificate_for_another_name_is_refused(server, front, authority):
    done = operate(server, "sale", "list", "--operator", f"https://127.0.0.1:{front.port}", "--cacert", authority.file)
    assert done.returncode == 1 and "127.0.0.1" in done.stderr and done.stdout == ""
    wait_until(lambda: front.ended == 1, 60, "the end of the connection")
    assert front.told == b""


@pytest.mark.parametrize("name", ["CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_usual_variables_name_the_authorities(server, front, authority, monkeypatch, name):
    monkeypatch.setenv(name, str(authority.file))
    done = operate(server, "sale", "list", "--operator", front.url)
    assert done.returncode == 0 and "SALE" in done.stdout, done.stderr


def test_the_usual_variables_name_a_proxy(server, front, authority, monkeypatch):
    proxy = Front()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    secure = ("--operator", front.url, "--cacert", authority.file)
    assert operate(server, "sale", "list", *secure).returncode == 0
    assert proxy.asked == [f"localhost:{front.port}"]  # on one connection, whose listener it is, too
    monkeypatch.setenv("no_proxy", "localhost")
    assert operate(server, "sale", "list", *secure).returncode == 0
    assert len(proxy.asked) == 1
    proxy.close()


def test_a_sale_is_watched_over_tls(server, front, authority):
    server.make_sale("drop", 3)
    command = [PROGRAM, "sale", "watch", "drop", "--operator", front.url, "--cacert", str(authority.file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=operator_environment(server)) as watch:
        assert "open" in watch.stdout.readline()
        server.operate("POST", "/v1/sales/drop/end")
        assert any("ended" in line for line in watch.stdout) or watch.poll() is not None
        watch.kill()


def test_a_wrong_address_is_said(server):
    for wrong, word in (("https://", "wanted"), ("ftp://x", "wanted"), ("https://localhost:1", "no server answers")):
        done = operate(server, "sale", "list", "--operator", wrong)
        assert done.returncode in (1, 2) and word in done.stderr, done.stderr


def crowd(server, public, *arguments):
    """Over TLS. Its exit code says whether all promises were kept."""
    return operate(
        server, "rehearse", "--json", "--sale", "drop", "--buyers", "150", "--retries", "20", "--connections", "16",
        "--ledger", f"sqlite:{server.ledger}", "--server", public, *arguments, timeout=300,
    )  # fmt: skip


@pytest.fixture
def public_front(server, authority):
    yield from front_of(server.public, authority)


@pytest.mark.parametrize("name", ["--cacert", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_crowd_buys_and_pays_over_tls(server, front, public_front, authority, monkeypatch, name):
    server.make_sale("drop", 100, hold_seconds=600)
    known = ["--cacert", str(authority.file)] if name == "--cacert" else []
    if not known:
        monkeypatch.setenv(name, str(authority.file))
    done = crowd(server, public_front.url, "--operator", front.url, *known)
    assert done.returncode == 0, done.stderr
    lot = server.lot("drop")
    assert lot["confirmed"] + lot["held"] == 100 and lot["confirmed"] > 0
    # What went over the two of them was HTTP within TLS.
    assert b"POST /v1/sales/drop/orders" in public_front.told and b"/confirm" in front.told


def test_a_crowd_survives_a_front_that_cuts_connections(server, public_front, authority):
    """
    A connection that ends in its handshake, or behind a request, is one that was lost: it is asked
    again with the same key.
    """
    server.make_sale("drop", 100, hold_seconds=600)
    public_front.cuts = Random(new_seed("a front that cuts"))
    done = crowd(server, public_front.url, "--operator", server.operator, "--cacert", str(authority.file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["requests"]["lost"] > 0


@pytest.mark.parametrize("fault", ["an unknown CA", "another's name", "no TLS"])
def test_a_crowd_tells_nothing_to_who_is_not_known(server, public_front, authority, fault):
    server.make_sale("drop", 5)
    url = {
        "an unknown CA": public_front.url,
        "another's name": f"https://127.0.0.1:{public_front.port}",
        "no TLS": server.public.replace("http:", "https:"),
    }[fault]
    known = () if fault == "an unknown CA" else ("--cacert", str(authority.file))
    done = crowd(server, url, "--operator", server.operator, *known)
    assert done.returncode == 1 and ("no TLS" if fault == "no TLS" else "certificate") in done.stderr, done.stderr
    assert public_front.told == b"" and server.lot("drop")["held"] == 0


def test_a_server_has_nothing_of_libcurl(server):
    """But what another library brings: librdkafka, from 2.8 on in Debian."""
    needed = subprocess.run(["objdump", "-p", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert "libc.so" in needed and "libcurl" not in needed
    brought = "libcurl" in subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
    with open(f"/proc/{server.process.pid}/maps") as maps:
        assert ("libcurl" in maps.read()) == brought


# --- A login's keys ---


def number(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def jwk(key, kid):
    return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": number(key.public_key().public_bytes_raw())}


class Login:
    """Serves its key set over TLS, or whatever it is told to."""

    def __init__(self, context):
        self.status, self.body, self.asked = 200, b"{}", 0
        login = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                login.asked += 1
                self.send_response(login.status)
                self.send_header("Content-Length", str(len(login.body)))
                self.end_headers()
                self.wfile.write(login.body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.handle_error = lambda *_: None
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"https://localhost:{self.server.server_port}/keys"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def has(self, *keys):
        self.body = json.dumps({"keys": [jwk(key, kid) for kid, key in keys]}).encode()


@pytest.fixture
def login(authority):
    made = Login(authority.context("localhost"))
    yield made
    made.close()


@pytest.fixture
def fetch(login, authority, tmp_path):
    file = tmp_path / "login.jwks"

    def ask(*arguments):
        return run("jwks", login.url, "--to", file, "--cacert", authority.file, *arguments, env=plain_environment())

    ask.file = file
    return ask


def test_a_logins_keys_are_fetched_and_taken_by_the_server(login, fetch, serve):
    first, second = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    login.has(("one", first))
    done = fetch()
    assert done.returncode == 0 and "new keys" in done.stdout, done.stderr
    assert fetch.file.read_bytes() == login.body and fetch.file.stat().st_mode & 0o777 == 0o644
    server = serve({"identity.jwks_file": str(fetch.file)}, environment={"PENSTOCK_IDENTITY_JWT_KEY": ""})
    server.make_sale("drop", 5)

    def buys(key, kid):
        token = jwt.encode({"sub": kid, "exp": int(time.time()) + 3600}, key, algorithm="EdDSA", headers={"kid": kid})
        return server.buy("drop", kid, token=token).status

    assert (buys(first, "one"), buys(second, "two")) == (202, 401)
    login.has(("one", first), ("two", second))
    assert fetch().returncode == 0
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: buys(second, "two") == 202, 30, "the login's next key")


def test_what_is_the_same_is_left_as_it_lies(login, fetch):
    login.has(("one", ed25519.Ed25519PrivateKey.generate()))
    assert fetch().returncode == 0
    before = fetch.file.stat()
    done = fetch()
    assert done.returncode == 0 and "the same" in done.stdout
    assert (fetch.file.stat().st_ino, fetch.file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    "status,body,word",
    [
        (200, b"<html>we are being repaired</html>", "no JWK Set"),
        (200, b'{"keys":[]}', "no JWK Set"),
        (200, b'{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}', "no JWK Set"),
        (200, b"", "no JWK Set"),
        (404, b'{"keys":[]}', "404"),
        (503, b"", "503"),
        (302, b"", "302"),
        (200, b" " * (64 * 1024) + b"{}", "bytes"),
    ],
)
def test_what_is_no_key_set_changes_nothing(login, fetch, status, body, word):
    login.has(("one", ed25519.Ed25519PrivateKey.generate()))
    assert fetch().returncode == 0
    kept = fetch.file.read_bytes()
    login.status, login.body = status, body
    done = fetch()
    assert done.returncode == 1 and word in done.stderr and done.stdout == "", done.stderr
    assert fetch.file.read_bytes() == kept
    assert [path.name for path in fetch.file.parent.glob("login.jwks*")] == ["login.jwks"]


def test_a_private_key_is_refused(login, fetch):
    key = ed25519.Ed25519PrivateKey.generate()
    login.body = json.dumps({"keys": [{**jwk(key, "one"), "d": number(key.private_bytes_raw())}]}).encode()
    done = fetch()
    assert done.returncode == 1 and "no JWK Set" in done.stderr and not fetch.file.exists()


def test_keys_come_over_tls_alone_and_from_who_is_known(login, tmp_path):
    login.has(("one", ed25519.Ed25519PrivateKey.generate()))
    done = run("jwks", login.url.replace("https", "http"), "--to", tmp_path / "keys", env=plain_environment())
    assert done.returncode == 2 and "https" in done.stderr
    done = run("jwks", login.url, "--to", tmp_path / "keys", env=plain_environment())
    assert done.returncode == 1 and "certificate" in done.stderr
    assert not (tmp_path / "keys").exists()


def test_a_file_that_cannot_be_written_is_said(login, authority, tmp_path):
    login.has(("one", ed25519.Ed25519PrivateKey.generate()))
    done = run("jwks", login.url, "--to", tmp_path / "nowhere" / "keys", "--cacert", authority.file, env=plain_environment())
    assert done.returncode == 1 and "nowhere" in done.stderr and done.stdout == ""


def test_it_goes_on_and_tries_again(login, authority, tmp_path):
    file, log = tmp_path / "keys", tmp_path / "log"
    login.status = 503
    command = [PROGRAM, "jwks", login.url, "--to", file, "--cacert", authority.file, "--every", "10s"]
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=plain_environment())
    try:
        wait_until(lambda: "503" in log.read_text(), 60, "the first answer")
        login.has(("one", ed25519.Ed25519PrivateKey.generate()))
        login.status = 200
        wait_until(file.exists, 120, "the keys")
        assert file.read_bytes() == login.body and process.poll() is None
    finally:
        process.terminate()
        process.wait()
    assert process.returncode == -signal.SIGTERM
    assert run("jwks", login.url, "--to", file, "--every", "1s", env=plain_environment()).returncode == 2
