"""
SIGHUP: who is believed and what is logged can be changed while the server sells; all of it or
nothing.
"""

import json
import signal
import socket
import urllib.parse

from penstock import buyer_token, plain_environment, request, run, wait_until

OLD_KEY = "the buyers' first secret of more than 32 bytes"
NEW_KEY = "the buyers' second secret, also of more than 32 bytes"
ALICE = "the token of alice, long enough"
BOB = "the token of bob, which is long enough"


class Settings:
    """A settings file with its secrets in files of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "reload.conf"
        self.level, self.proxies, self.extra = "info", "", ""
        self.key, self.token = OLD_KEY, ALICE

    def write(self):
        for name, secret in (("key", self.key), ("token", self.token)):
            file = self.folder / name
            file.write_text(secret + "\n")
            file.chmod(0o600)
        self.path.write_text(
            f"identity.jwt_key_file = {self.folder}/key\noperator.token_file = {self.folder}/token\n"
            f"log.level = {self.level}\ngate.trusted_proxies = {self.proxies}\n{self.extra}\n"
        )
        self.path.chmod(0o600)
        return self


def start(serve, settings):
    settings.write()
    server = serve(environment={"PENSTOCK_CONFIG": str(settings.path), "PENSTOCK_IDENTITY_JWT_KEY": "", "PENSTOCK_OPERATOR_TOKEN": ""})
    return server


def lines(server, message):
    return [line for line in map(json.loads, server.log().splitlines()) if line["message"] == message]


def reload(server, settings, message="the settings were read again"):
    seen = len(lines(server, message))
    settings.write()
    server.process.send_signal(signal.SIGHUP)
    return wait_until(lambda: lines(server, message)[seen:], what="the line about the reload")[0]


def operate(server, token, method="GET", path="/v1/sales", body=None):
    return request(server.operator, method, path, body, {"Authorization": f"Bearer {token}"}).status


def ask_order(server, key):
    """401 where the token is not believed, else 404: a read that shows who is."""
    path = "/v1/orders/01890a5d-ac96-774b-bcce-b302099a8057"
    return request(server.public, "GET", path, headers={"Authorization": f"Bearer {buyer_token('anna', key=key)}"}).status


def test_keys_tokens_and_level_are_taken_over_and_named(serve, tmp_path):
    settings = Settings(tmp_path)
    server = start(serve, settings)
    assert operate(server, ALICE) == 200
    assert (ask_order(server, OLD_KEY), ask_order(server, NEW_KEY)) == (404, 401)
    settings.key, settings.token, settings.level = NEW_KEY, BOB, "warn"
    settings.extra = "gate.threads = 7"
    line = reload(server, settings)
    assert line["changed"] == "operator.token, identity.jwt_key, log.level"
    left = wait_until(lambda: lines(server, "these settings have changed too, and need a restart"), what="the line after it")
    assert left[-1]["settings"] == "gate.threads"
    # The old key's token was verified and remembered; it goes with its key.
    assert (ask_order(server, OLD_KEY), ask_order(server, NEW_KEY)) == (401, 404)
    assert (operate(server, ALICE), operate(server, BOB)) == (401, 200)
    assert request(server.operator, "GET", "/v1/log-level", headers={"Authorization": f"Bearer {BOB}"}).json["level"] == "warn"


def test_what_cannot_be_used_changes_nothing(serve, tmp_path):
    settings = Settings(tmp_path)
    server = start(serve, settings)
    failed = "the settings were not read again: nothing has changed"
    settings.token, settings.key = BOB, "too short"
    assert "key or token" in reload(server, settings, failed)["reason"]
    assert (operate(server, ALICE), operate(server, BOB), ask_order(server, OLD_KEY)) == (200, 401, 404)
    settings.key, settings.extra = NEW_KEY, "no.such = setting"
    line = reload(server, settings, failed)
    assert "no.such" in line["reason"]
    assert (operate(server, ALICE), ask_order(server, OLD_KEY)) == (200, 404)
    # Still there: the same signal with good settings works.
    settings.extra = ""
    reload(server, settings)
    assert (operate(server, BOB), ask_order(server, NEW_KEY)) == (200, 404)


def test_streams_of_an_operator_who_is_no_more_end(serve, tmp_path):
    settings = Settings(tmp_path)
    server = start(serve, settings)
    for path, body in (
        ("/v1/items", {"sku": "s", "name": "s", "on_hand": 5}),
        ("/v1/sales", {"id": "drop", "name": "d", "lots": [{"sku": "s", "units": 5}], "price": {"amount": 1, "currency": "EUR"}}),
    ):
        assert operate(server, ALICE, "POST", path, body) == 201
    address = urllib.parse.urlsplit(server.operator)
    with socket.create_connection((address.hostname, address.port), timeout=30) as stream:
        stream.sendall(f"GET /v1/sales/drop/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ALICE}\r\n\r\n".encode())
        assert stream.recv(65536).startswith(b"HTTP/1.1 200 ")
        settings.level = "debug"
        reload(server, settings)
        settings.token = BOB
        reload(server, settings)
        while stream.recv(65536):
            pass


def test_who_waits_for_changes_and_is_an_operator_no_more_is_told_nothing(serve, tmp_path):
    settings = Settings(tmp_path)
    server = start(serve, settings)
    address = urllib.parse.urlsplit(server.operator)
    with socket.create_connection((address.hostname, address.port), timeout=30) as waiting:
        waiting.sendall(f"GET /v1/changes?wait=60s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ALICE}\r\n\r\n".encode())
        assert operate(server, ALICE) == 200  # asked later, of the same thread
        settings.level = "debug"
        reload(server, settings)
        settings.token = BOB
        reload(server, settings)
        assert waiting.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_trusted_proxies_are_taken_over(serve, tmp_path):
    settings = Settings(tmp_path)
    settings.proxies = "192.0.2.1"
    settings.write()
    server = serve(
        {"identity.mode": "header"}, environment={"PENSTOCK_CONFIG": str(settings.path), "PENSTOCK_OPERATOR_TOKEN": ""}
    )

    def ask():
        return request(server.public, "GET", "/v1/orders/01890a5d-ac96-774b-bcce-b302099a8057", headers={"X-Buyer-Id": "anna"}).status

    assert ask() == 401
    settings.proxies = "192.0.2.1, 127.0.0.1"
    assert reload(server, settings)["changed"] == "gate.trusted_proxies"
    assert ask() == 404


def test_signals_that_mean_nothing_here_end_nothing(server):
    server.make_sale("drop", 5)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        server.process.send_signal(number)
    assert server.buy("drop", "anna", key="key").status == 202
    assert server.process.poll() is None


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(60)

    def heard(self, first):
        while True:
            message = self.socket.recv(4096).decode()
            if message.startswith(first):
                return message


def test_a_service_manager_is_told_of_start_life_reload_and_stop(serve, tmp_path):
    settings = Settings(tmp_path)
    settings.write()
    manager = Manager(tmp_path)
    server = serve(
        environment={
            "PENSTOCK_CONFIG": str(settings.path),
            "PENSTOCK_IDENTITY_JWT_KEY": "",
            "PENSTOCK_OPERATOR_TOKEN": "",
            "NOTIFY_SOCKET": str(manager.path),
            "WATCHDOG_USEC": "600000",
        }
    )
    manager.heard("READY=1")
    manager.heard("WATCHDOG=1")
    reload(server, settings)
    message = manager.heard("RELOADING=1")
    assert int(message.split("MONOTONIC_USEC=")[1]) > 0
    manager.heard("READY=1")
    server.process.send_signal(signal.SIGTERM)
    manager.heard("STOPPING=1")
    assert server.wait(20) == 0


def test_a_drain_tells_a_service_manager_of_start_life_reload_and_stop(gates, kafka, tmp_path):
    manager = Manager(tmp_path)
    drain = gates(1, kafka=kafka, drains=0).add_drain(environment={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "600000"})
    manager.heard("READY=1")
    manager.heard("WATCHDOG=1")
    drain.process.send_signal(signal.SIGHUP)
    manager.heard("RELOADING=1")
    manager.heard("READY=1")
    drain.process.send_signal(signal.SIGTERM)
    manager.heard("STOPPING=1")
    assert drain.wait(20) == 0


def test_a_drain_with_nothing_to_drain_has_not_failed(tmp_path):
    """
    To a service manager a process that ends before it was ready has failed, whatever its code.
    """
    manager = Manager(tmp_path)
    done = run("drain", cwd=tmp_path, env={**plain_environment(), "NOTIFY_SOCKET": str(manager.path)})
    assert done.returncode == 0 and "nothing to drain" in done.stdout
    manager.heard("READY=1")
