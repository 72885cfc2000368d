"""Who buys: tokens, trusted headers, addresses behind proxies."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from penstock import JWT_KEY, buyer_token, request, wait_until


def pem(key):
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def unsigned(buyer):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part({'sub': buyer, 'exp': int(time.time()) + 60})}."


def test_a_request_without_a_token(server):
    server.make_sale("drop", 5)
    answer = server.ask("POST", "/v1/sales/drop/orders", None, "")
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.header("WWW-Authenticate").startswith("Bearer")


# Made when the test runs: what is made while tests are collected must be the same in every worker.
BAD_TOKENS = {
    "no token": lambda: "x",
    "three odd parts": lambda: "a.b.c",
    "unsigned": lambda: unsigned("anna"),
    "expired": lambda: buyer_token("anna", lifetime=-100),
    "another secret": lambda: buyer_token("anna", key="another secret that has enough bytes"),
    "another algorithm": lambda: buyer_token("anna", key=JWT_KEY + " and more of it", algorithm="HS384"),
    "not yet": lambda: buyer_token("anna", nbf=int(time.time()) + 1000),
    "two words": lambda: buyer_token("two words"),
    "too long": lambda: buyer_token("a" * 129),
    "empty": lambda: buyer_token(""),
    "no exp": lambda: jwt.encode({"sub": "anna"}, JWT_KEY, algorithm="HS256"),
    "no sub": lambda: jwt.encode({"exp": int(time.time()) + 60}, JWT_KEY, algorithm="HS256"),
    "critical": lambda: jwt.encode({"sub": "anna", "exp": int(time.time()) + 60}, JWT_KEY, algorithm="HS256", headers={"crit": ["b64"]}),
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_is_refused_and_takes_nothing(server, kind):
    server.make_sale("drop", 5)
    answer = server.buy("drop", None, token=BAD_TOKENS[kind]())
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert "invalid_token" in answer.header("WWW-Authenticate")
    assert server.lot("drop")["available"] == 5


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_public_key_algorithms(serve, algorithm):
    private, public = pem(rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1()))
    server = serve({"identity.jwt_algorithm": algorithm}, environment={"PENSTOCK_IDENTITY_JWT_KEY": public})
    server.make_sale("drop", 5)
    good = buyer_token("anna", key=private, algorithm=algorithm)
    assert server.buy("drop", None, token=good).json["buyer"] == "anna"

    # The public key is no secret: a token "signed" with it by HS256 must not pass (RFC 8725, section 2.1).
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "eve", "exp": int(time.time()) + 60}).encode()).rstrip(b"=")
    signature = base64.urlsafe_b64encode(hmac.new(public.encode(), header + b"." + claims, hashlib.sha256).digest()).rstrip(b"=")
    forged = b".".join((header, claims, signature)).decode()
    assert server.buy("drop", None, token=forged).code == "unauthorized"


def test_issuer_and_audience(serve):
    server = serve({"identity.jwt_issuer": "shop", "identity.jwt_audience": "penstock"})
    server.make_sale("drop", 5)
    assert server.buy("drop", None, token=buyer_token("a", iss="shop", aud="penstock")).status == 202
    assert server.buy("drop", None, token=buyer_token("b", iss="shop", aud=["other", "penstock"])).status == 202
    for claims in ({"iss": "other", "aud": "penstock"}, {"iss": "shop", "aud": "other"}, {"iss": "shop"}, {"aud": "penstock"}):
        assert server.buy("drop", None, token=buyer_token("c", **claims)).code == "unauthorized"


def test_a_cached_token_still_expires(serve):
    server = serve({"identity.jwt_leeway": "0s"})
    server.make_sale("drop", 5, limit_per_buyer=1)
    token = buyer_token("anna", lifetime=2)
    assert server.buy("drop", None, token=token).status == 202
    answer = server.buy("drop", None, token=token)
    assert answer.code == "buyer-limit-reached"
    wait_until(lambda: server.buy("drop", None, token=token).code == "unauthorized", 5)


def test_the_trusted_header(serve):
    server = serve({"identity.mode": "header", "identity.header": "X-User", "gate.trusted_proxies": "127.0.0.1"})
    server.make_sale("drop", 5)
    assert request(server.public, "POST", "/v1/sales/drop/orders", {}, {"X-User": "anna"}).json["buyer"] == "anna"
    assert request(server.public, "POST", "/v1/sales/drop/orders", {}).code == "unauthorized"
    assert request(server.public, "POST", "/v1/sales/drop/orders", {}, {"X-User": "two words"}).code == "unauthorized"
    # Somebody who goes around the gateway.
    answer = request(server.public, "POST", "/v1/sales/drop/orders", {}, {"X-User": "anna"}, source="127.0.0.9")
    assert answer.code == "unauthorized"


def test_the_header_mode_needs_proxies(serve):
    server = serve({"identity.mode": "header"}, wait=False)
    assert server.wait() == 2
    assert "gate.trusted_proxies" in server.log()


def test_the_address_behind_a_proxy_is_what_counts(serve):
    server = serve({"gate.address_rate": "1/60", "gate.trusted_proxies": "127.0.0.1"})
    server.make_sale("drop", 50)

    def buy(buyer, forwarded, source=None):
        headers = {"Authorization": f"Bearer {buyer_token(buyer)}", "X-Forwarded-For": forwarded}
        return request(server.public, "POST", "/v1/sales/drop/orders", {}, headers, source=source).status

    assert [buy("a", "203.0.113.1"), buy("b", "203.0.113.1"), buy("c", "203.0.113.2")] == [202, 429, 202]
    assert buy("d", "198.51.100.1, 203.0.113.1") == 429  # what the client wrote left of it is not believed
    assert [buy("e", "2001:db8::1"), buy("f", "2001:db8::2"), buy("g", "2001:db8:0:1::2")] == [202, 429, 202]  # a /64 is one client
    assert [buy("h", "203.0.113.9", "127.0.0.5"), buy("i", "203.0.113.10", "127.0.0.5")] == [202, 429]  # not from a proxy


def test_the_proxy_protocol(serve):
    server = serve({"gate.listen": "127.0.0.1:0 proxy", "gate.address_rate": "1/60", "gate.trusted_proxies": "127.0.0.1"})
    server.make_sale("drop", 5)

    def buy(buyer, client):
        with server.connect() as connection:
            connection.sendall(
                f"PROXY TCP4 {client} 127.0.0.1 1000 80\r\nPOST /v1/sales/drop/orders HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {buyer_token(buyer)}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
            return connection.makefile("rb").readline().split()[1]

    assert [buy("a", "203.0.113.1"), buy("b", "203.0.113.1"), buy("c", "203.0.113.2")] == [b"202", b"429", b"202"]
