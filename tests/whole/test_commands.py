"""The commands, as a person at a terminal meets them."""

import re
import json
import os
import pty
import signal
import sqlite3
import subprocess
import urllib.request
from urllib.parse import parse_qsl

import pytest

from browser import another_origin
from commands import operate, operator_environment
from penstock import JWT_KEY, OPERATOR_TOKEN, PROGRAM, ROOT, Server, audit_ledger, plain_environment, run, wait_until

# As the program lists them itself.
COMMANDS = re.findall(r"^  (\w+) ", run("--help").stdout.split("Commands:")[1].split("First steps:")[0], re.MULTILINE)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PENSTOCK")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_goes_to_standard_output(command):
    done = run(*command, "--help")
    assert done.returncode == 0 and "Usage: penstock" in done.stdout and done.stderr == ""


def test_the_readme_names_every_command():
    told = re.search(r"^Commands: (.*?);", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    assert re.findall(r"`(?:penstock )?(\w+)`", told) == COMMANDS


@pytest.mark.parametrize(
    "arguments,words",
    [
        (["serv"], "serve"),
        (["serve", "--gate.lisen", "x"], "gate.listen"),
        (["serve", "--gate.listen", "nowhere"], "gate.listen"),
        (["serve", "--gate.threads=-1"], "gate.threads"),
        (["serve", "extra"], "extra"),
        (["serve", "--stock.url", "redis://x"], "ledger.url = postgresql://"),
        (["serve", "--stock.url", "carrier-pigeon:"], "memory:"),
        (["serve", "--ledger.url", "postgresql://x", "--journal.url", "kafka://x/y"], "stock.url = redis://"),
        (["serve", "--ledger.url", "oracle:x"], "sqlite:"),
        (["token", "two words"], "buyer"),
        (["token", "--operator", "clock"], "neither clock nor buyer nor nobody"),
        (["rehearse", "--buyers", "many"], "buyers"),
        (["rehearse", "--buyers", "-5"], "wanted is a whole number, 0 or more"),
        (["audit", "penstock.db"], "sqlite:PATH (of a file PATH)"),
        (["sale", "add", "drop", "A", "2000000000"], "1 to 1000000000"),
    ],
)
def test_what_was_asked_wrongly_is_told_on_standard_error(arguments, words, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr, done.stderr
    assert done.stdout == ""


def test_what_is_no_ledger_is_said_to_be_none(tmp_path):
    (tmp_path / "notes.txt").write_text("A list of things to buy.\n" * 100)
    done = run("audit", "sqlite:notes.txt", cwd=tmp_path)
    assert done.returncode == 1 and "is no ledger of penstock" in done.stderr, done.stderr


def test_who_asks_the_buyers_listener_is_told_so(server):
    done = operate(server, "sale", "pause", "drop", "--operator", server.public)
    assert done.returncode == 1 and f"is {server.public} the operator listener" in done.stderr, done.stderr
    done = operate(server, "sale", "pause", "nothing")
    assert done.returncode == 1 and "listener" not in done.stderr, done.stderr


def test_what_buyers_are_told_is_no_list_of_operators(server):
    """The buyers' listener has these paths, too, and its answers have no numbers of units."""
    server.make_sale("seen", lots={"A": 3})
    for words in ["list"], ["list", "--json"], ["show", "seen"], ["show", "seen", "--json"]:
        done = operate(server, "sale", *words, "--operator", server.public)
        assert done.returncode == 1 and not done.stdout and f"is {server.public} the operator listener" in done.stderr, (words, done)
        assert operate(server, "sale", *words).returncode == 0


def test_alone_it_shows_its_help_and_fails():
    done = run()
    assert done.returncode == 2 and "Usage: penstock" in done.stdout


def test_version():
    done = run("version")
    assert done.returncode == 0 and done.stdout.startswith("penstock 0.")


def test_config_tells_what_is_in_force_and_hides_secrets(tmp_path):
    (tmp_path / "penstock.conf").write_text("# ours\ngate.listen = 127.0.0.1:1111\noperator.token = a-secret-of-ours-1\n")
    done = run("config", "--gate.threads", "3", cwd=tmp_path, env={**os.environ, "PENSTOCK_GATE_CONNECTIONS_MAX": "77"})
    assert done.returncode == 0, done.stderr
    for line in ("gate.listen = 127.0.0.1:1111", "gate.threads = 3", "gate.connections_max = 77"):
        assert line in done.stdout
    assert "a-secret-of-ours-1" not in done.stdout


def test_a_fault_in_the_file_names_its_line(tmp_path):
    (tmp_path / "penstock.conf").write_text("gate.threads = 2\n\ngate.listen = here\n")
    done = run("serve", cwd=tmp_path)
    assert done.returncode == 2 and "penstock.conf:3:" in done.stderr


def test_the_settings_page_is_what_the_program_says():
    from penstock import ROOT

    assert run("config", "--document").stdout == (ROOT / "docs/settings.md").read_text()


def test_sales_and_items_from_a_terminal(server):
    assert operate(server, "item", "create", "SHOE", "--name", "A shoe", "--on-hand", "10").returncode == 0
    assert "SHOE" in operate(server, "item", "list").stdout
    done = operate(server, "sale", "create", "drop", "--lot", "SHOE=4", "--price", "17900", "--hold", "60s")
    assert done.returncode == 0, done.stderr
    assert operate(server, "sale", "open", "drop").returncode == 0
    order = server.buy("drop", "anna").json["id"]
    shown = operate(server, "sale", "show", "drop")
    assert shown.returncode == 0 and "SHOE" in shown.stdout
    assert operate(server, "order", "confirm", order).returncode == 0
    assert server.order(order).json["state"] == "confirmed"
    assert operate(server, "sale", "add", "drop", "SHOE", "2").returncode == 0
    assert server.lot("drop")["units"] == 6
    assert operate(server, "sale", "withdraw", "drop", "SHOE", "1", "--yes").returncode == 0
    assert operate(server, "sale", "end", "drop", "--yes").returncode == 0
    done = operate(server, "sale", "open", "drop")
    assert done.returncode == 1 and "state" in done.stderr
    assert operate(server, "order", "show", "nonsense").returncode != 0


def test_a_sale_wants_its_price(server):
    operate(server, "item", "create", "SHOE", "--on-hand", "10")
    done = operate(server, "sale", "create", "drop", "--lot", "SHOE=4")
    assert done.returncode == 2 and "--price" in done.stderr


def test_a_price_keeps_its_currency_where_no_other_is_said(server):
    def price(sale):
        return server.operate("GET", f"/v1/sales/{sale}").json["price"]

    operate(server, "item", "create", "SHOE", "--on-hand", "10")
    assert operate(server, "sale", "create", "drop", "--lot", "SHOE=4", "--price", "500", "--currency", "USD").returncode == 0
    assert operate(server, "sale", "change", "drop", "--price", "600").returncode == 0
    assert price("drop") == {"amount": 600, "currency": "USD"}
    assert operate(server, "sale", "create", "next", "--like", "drop", "--price", "700").returncode == 0
    assert price("next") == {"amount": 700, "currency": "USD"}
    assert operate(server, "sale", "change", "next", "--price", "800", "--currency", "CHF").returncode == 0
    assert price("next") == {"amount": 800, "currency": "CHF"}
    assert operate(server, "sale", "create", "other", "--lot", "SHOE=1", "--price", "900").returncode == 0
    assert price("other") == {"amount": 900, "currency": "EUR"}


def test_a_token_by_a_key_that_no_server_has_is_said_to_be_one(tmp_path):
    first, second = run("token", "anna", cwd=tmp_path), run("token", "anna", cwd=tmp_path)
    assert first.returncode == second.returncode == 0
    assert first.stdout.count(".") == second.stdout.count(".") == 2
    assert "penstock.db.jwt-key was made" in first.stderr and second.stderr == ""


def test_a_sale_that_is_made_open_waits_for_its_time_and_a_draft_is_deleted(server):
    operate(server, "item", "create", "SHOE", "--on-hand", "10")
    make = ("--lot", "SHOE=4", "--price", "0", "--json")
    done = operate(server, "sale", "create", "later", *make, "--open", "--opens-in", "1h")
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["state"], json.loads(done.stdout)["schedule"]) == ("draft", True)
    assert json.loads(operate(server, "sale", "create", "now", *make, "--open").stdout)["state"] == "open"
    done = operate(server, "sale", "delete", "later")
    assert done.returncode == 0 and "deleted" in done.stdout
    assert json.loads(operate(server, "item", "show", "SHOE", "--json").stdout)["on_hand"] == 6


def on_terminal(server, answer, *arguments):
    """
    A command whose standard input and error are a terminal, at which `answer` is typed: exit code
    and what it said there.
    """
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [str(PROGRAM), *arguments], stdin=slave, stderr=slave, stdout=subprocess.DEVNULL, env=operator_environment(server), cwd=server.folder
    )
    os.close(slave)
    os.write(master, answer.encode())
    code, said = process.wait(60), b""
    try:
        while piece := os.read(master, 4096):
            said += piece
    except OSError:  # the other end is closed
        pass
    os.close(master)
    return code, said.decode()


def test_what_cannot_be_taken_back_is_asked_for(server):
    server.make_sale("drop", 5)
    for arguments in (("end", "drop"), ("withdraw", "drop", "drop-item", "2")):
        done = operate(server, "sale", *arguments)
        assert done.returncode == 2 and "--yes" in done.stderr
    code, said = on_terminal(server, "n\n", "sale", "end", "drop")
    assert code == 1 and "End sale drop" in said
    assert server.sale("drop")["state"] == "open" and server.lot("drop")["available"] == 5
    code, said = on_terminal(server, "y\n", "sale", "withdraw", "drop", "drop-item", "2")
    assert code == 0 and "2 units of drop-item" in said
    done = operate(server, "sale", "withdraw", "drop", "drop-item", "9", "--up-to", "--yes")
    assert done.returncode == 0 and "3 units taken out of lot drop-item" in done.stdout
    assert operate(server, "sale", "end", "drop", "--yes").returncode == 0


def test_a_watch_says_when_the_server_goes(server):
    """It ended without a word, as if the sale had been watched to its end."""
    server.make_sale("drop", 5)
    watch = subprocess.Popen(
        [str(PROGRAM), "sale", "watch", "drop"], cwd=server.folder, env=operator_environment(server), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert any("5 left" in line for line in watch.stdout)
        server.stop()
        said = watch.communicate(timeout=30)[1]
    finally:
        watch.kill()
    assert "the server has ended the stream" in said and watch.returncode == 1


def test_several_orders_are_cancelled_at_once(server):
    server.make_sale("drop", 5)
    orders = [server.buy("drop", buyer).json["id"] for buyer in ("anna", "bert")]
    assert operate(server, "order", "cancel", *orders).returncode == 2
    assert operate(server, "order", "cancel", *orders, "--yes").returncode == 0
    assert {server.order(order).json["state"] for order in orders} == {"cancelled"}
    assert operate(server, "order", "cancel", orders[0]).returncode == 0


def test_the_warehouse_is_put_right_from_a_terminal(server):
    operate(server, "item", "create", "SHOE", "--on-hand", "10")
    assert operate(server, "item", "adjust", "SHOE", "-5").returncode == 2
    done = operate(server, "item", "adjust", "SHOE", "-5", "--reason", "counted twice", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["on_hand"] == 5
    assert operate(server, "sale", "create", "drop", "--lot", "SHOE=4", "--price", "1").returncode == 0
    assert operate(server, "sale", "change", "drop", "--lot", "SHOE=1").returncode == 0
    assert json.loads(operate(server, "item", "show", "SHOE", "--json").stdout)["on_hand"] == 4


def test_what_is_no_penstock_is_said_to_be_none(tmp_path):
    with another_origin(tmp_path) as url:
        for words in (["sale", "list"], ["health"]):
            done = run(*words, "--operator", url, env=plain_environment())
            assert done.returncode == 1 and f"{url}: what answers there is no Penstock" in done.stderr, done.stderr


def test_who_did_what_is_shown_and_followed(server):
    server.make_sale("drop", 5)
    shown = operate(server, "log", "--action", "sale")
    assert shown.returncode == 0 and "sale.create" in shown.stdout and "item.create" not in shown.stdout
    assert [row["action"] for row in json.loads(operate(server, "log", "-n", "1", "--json").stdout)] == ["sale.open"]
    refusal = operate(server, "log", "--action", "nosuch")
    assert refusal.returncode != 0 and refusal.stdout == "" and "sale.create, sale.update" in refusal.stderr
    order = server.buy("drop", "anna").json["id"]
    assert operate(server, "order", "confirm", order).returncode == 0
    for about in (["--action", "order"], ["--action", "order.confirm"], ["--subject", order]):
        assert [row["action"] for row in json.loads(operate(server, "log", *about, "--json").stdout)] == ["order.confirm"], about
    # Times as the other commands take them.
    for since, rows in (("2000-01-01 10:00 Europe/Berlin", 1), ("2099-01-01 10:00 Europe/Berlin", 0)):
        assert len(json.loads(operate(server, "log", "-n", "1", "--since", since, "--json").stdout)) == rows, since
    refusal = operate(server, "log", "--since", "2027-01-01 10:00 Atlantis")
    assert refusal.returncode == 2 and "--since" in refusal.stderr and "zone" in refusal.stderr
    follower = subprocess.Popen(
        [str(PROGRAM), "log", "-f", "-n", "1"], stdout=subprocess.PIPE, text=True, env=operator_environment(server), cwd=server.folder
    )
    try:
        assert "sale.open" in follower.stdout.readline()
        server.operate("POST", "/v1/sales/drop/end")
        assert "sale.end" in follower.stdout.readline()
    finally:
        follower.kill()
        follower.wait()


def test_times_are_taken_as_people_write_them(server):
    operate(server, "item", "create", "SHOE", "--on-hand", "10")
    make = ("sale", "create", "drop", "--lot", "SHOE=1", "--price", "1", "--opens-at")
    for wrong, word in (("2099-01-01 10:00 Europe/Atlantis", "zone"), ("tomorrow", "wanted"), ("2099-13-01 10:00", "wanted")):
        done = operate(server, *make, wrong)
        assert done.returncode == 2 and word in done.stderr
    done = operate(server, *make, "2098-07-01 10:00 Europe/Berlin", "--closes-at", "2099-01-01 10:00 Europe/Berlin")
    assert done.returncode == 0, done.stderr
    assert "2098-07-01T08:00:00.000Z" in done.stdout and "2099-01-01T09:00:00.000Z" in done.stdout and ", in " in done.stdout
    # Twice an hour, and not at all: the clocks are changed.
    for wrong in ("2027-10-31 02:30 Europe/Berlin", "2027-03-28 02:30 Europe/Berlin"):
        done = operate(server, "sale", "change", "drop", "--opens-at", wrong)
        assert done.returncode == 2 and "clocks" in done.stderr, wrong


def test_a_filter_is_sent_as_it_was_given(server):
    """A plus or an ampersand means something of its own in a query."""
    buyer = "a.b+tag&x=1@example.com"
    server.make_sale("drop", 3)
    assert server.buy("drop", buyer).status == 202
    assert server.buy("drop", "another").status == 202
    done = operate(server, "order", "list", "--buyer", buyer)
    assert done.returncode == 0 and done.stdout.count(buyer) == 1 and "another" not in done.stdout, done.stdout + done.stderr


def test_an_empty_filter_is_refused(server):
    done = operate(server, "order", "list", "--sale", "")
    assert done.returncode == 2 and "--sale" in done.stderr and done.stdout == ""


def test_health(server):
    assert operate(server, "health").returncode == 0
    server.stop()
    assert operate(server, "health").returncode == 1


def test_the_health_of_a_drain_is_asked_where_the_settings_say(server):
    """Whatever answers /readyz there; a drain itself is in test_compose_cluster.py."""
    place = server.operator.removeprefix("http://")
    assert run("health", "--drain", "--drain.listen", place).returncode == 0
    assert run("health", "--drain", "--operator", server.operator).returncode == 2
    server.stop()
    assert run("health", "--drain", "--drain.listen", place).returncode == 1


def test_audit_proves_a_ledger_and_finds_what_was_changed_by_hand(server):
    server.make_sale("drop", 5)
    for i in range(3):
        server.buy("drop", f"buyer-{i}")
    assert audit_ledger(server.ledger)[0] == 0  # while the server runs
    server.stop()
    code, text = audit_ledger(server.ledger)
    assert code == 0 and "P1" in text and "holds" in text
    with sqlite3.connect(server.ledger) as ledger:
        ledger.execute("update orders set quantity = quantity + 1")
    code, text = audit_ledger(server.ledger)
    assert code == 1 and "BROKEN" in text.upper()
    assert audit_ledger(server.folder / "none.db")[0] != 0


def test_replay_shows_tries_and_forgets_dead_letters(server):
    server.make_sale("drop", 5)
    order = server.buy("drop", "anna").json["id"]
    server.stop()
    event = {"v": 1, "kind": "order.confirmed", "id": order, "sale": 1, "epoch": 1, "at": "2027-01-01T10:00:00.000Z", "actor": "clock"}
    nobodys = {**event, "id": "01930000-0000-7000-8000-000000000001"}
    records = [json.dumps(event), json.dumps(nobodys), 'no event \x1b[31m"at all"', '{"half": ']
    with sqlite3.connect(server.ledger) as ledger:
        (event["epoch"],) = ledger.execute("select epoch from sales").fetchone()
        nobodys["epoch"] = event["epoch"]
        records[:2] = json.dumps(event), json.dumps(nobodys)
        ledger.executemany("insert into dead_letters (at_ms, reason, event) values (1800000000000, 'as told', ?)", [(r,) for r in records])

    done = operate(server, "replay")
    assert done.returncode == 0 and order in done.stdout and "no event: " in done.stdout and "\x1b" not in done.stdout
    listed = [json.loads(line) for line in operate(server, "replay", "--json").stdout.splitlines()]
    assert [row["event"] for row in listed] == [event, nobodys, None, None]
    assert [row.get("record") for row in listed] == [None, None, *records[2:]]

    done = operate(server, "replay", "--all")
    assert done.returncode == 1 and "1 applied, 0 dropped, 3 kept" in done.stdout and "it is no event" in done.stdout
    done = operate(server, "replay", "--all", "--drop")
    assert done.returncode == 1 and "0 applied, 1 dropped, 2 kept" in done.stdout, "what cannot be read may be a purchase"
    for row in listed[2:]:
        assert server.audit_ledger()[0] == 1
        assert operate(server, "replay", "--forget", row["number"], "--reason", "somebody's test").returncode == 0
    assert "no dead letters" in operate(server, "replay").stdout
    assert server.audit_ledger()[0] == 0


def test_a_told_purchase_among_the_dead_letters_breaks_p2_until_it_is_forgotten_with_a_reason(server):
    server.make_sale("drop", 5)
    server.stop()
    told = {
        "v": 1, "kind": "order.reserved", "id": "01930000-0000-7000-8000-000000000001", "sale": 1, "epoch": 0, "lot": 0, "quantity": 1,
        "at": "2027-01-01T10:00:00.000Z", "hold_expires_at": None, "actor": "anna", "buyer": "anna", "buyer_units": 1, "limit_per_buyer": 1,
    }  # fmt: skip
    with sqlite3.connect(server.ledger) as ledger:
        ledger.execute("insert into dead_letters (at_ms, reason, event) values (1800000000000, 'as told', ?)", [json.dumps(told)])
    code, text = server.audit_ledger()
    assert code == 1 and "P2: dead letter 1 may be a purchase" in text

    server.restart()
    wait_until(lambda: server.metric('penstock_dead_purchases{promise="P2"}') == 1, 20, "the metric")
    health = server.operate("GET", "/health")
    promises = health.json["components"]["promises"]
    assert (health.status, promises["status"]) == (503, "DOWN")
    assert promises["details"] == {"P1": 0, "P2": 1, "P3": 0, "P4": 0, "P5": 0}
    audit = server.operate_audit().json
    assert (audit["ok"], audit["promises"]["p2"]) == (False, {"broken": 1})
    assert server.metric('penstock_promise_broken_total{promise="P2"}') == 0, "what can be mended is not counted for ever"
    server.stop()

    assert "newer epoch" in operate(server, "replay", "--all").stdout, "which does not make void what was told before it"
    for tried in (("--all",), ("--all", "--drop"), ("--number", 1, "--drop")):
        done = operate(server, "replay", *tried)
        assert done.returncode == 1 and "1 kept" in done.stdout, done
    for wrong in (("--forget", 1), ("--reason", "x"), ("--forget", 1, "--reason", ""), ("--forget", 1, "--reason", "x", "--all")):
        assert operate(server, "replay", *wrong).returncode == 2
    assert operate(server, "replay", "--forget", 2, "--reason", "no such row").returncode == 1
    done = operate(server, "replay", "--forget", 1, "--reason", "paid back")
    assert done.returncode == 0 and told["id"] in done.stdout
    assert server.audit_ledger()[0] == 0
    with sqlite3.connect(server.ledger) as ledger:
        actor, action, detail = ledger.execute("select actor, action, detail from operator_log order by number desc limit 1").fetchone()
    assert (actor.split(":")[0], action) == ("shell", "dead-letter.forget")
    assert json.loads(detail) == {"reason": "paid back", "kind": "order.reserved", "id": told["id"]}

    server.restart()
    wait_until(lambda: server.operate("GET", "/health").status == 200, 20, "the health")
    assert server.audit()["totals"]["dead_letters"] == 0


def test_a_drain_says_where_there_is_nothing_to_drain(tmp_path):
    done = run("drain", cwd=tmp_path)
    assert done.returncode == 0 and "nothing to drain" in done.stdout
    done = run("drain", "--journal.url", "kafka://127.0.0.1:9092/orders", cwd=tmp_path)
    assert done.returncode == 2 and "postgresql://" in done.stderr
    done = run("drain", "--journal.url", "pulsar://x", cwd=tmp_path)
    assert done.returncode == 2 and "kafka://" in done.stderr


def rehearse(server, *arguments):
    done = operate(server, "rehearse", "--json", "--ledger", f"sqlite:{server.ledger}", *arguments)
    return done.returncode, done


def test_rehearse_judges_a_sale(server):
    server.make_sale("drop", 200, hold_seconds=60)
    code, done = rehearse(server, "--sale", "drop", "--buyers", "1000", "--bots", "5", "--retries", "10", "--duplicates", "5")
    assert code == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report, done.stdout
    assert server.lot("drop")["available"] == 0
    server.audit()


def test_rehearse_survives_the_servers_death(serve):
    server = serve()
    server.make_sale("drop", 500, hold_seconds=120)
    server.keep_ports()
    crowd = subprocess.Popen(
        [
            str(PROGRAM), "rehearse", "--json", "--sale", "drop", "--buyers", "4000", "--rate", "1500", "--retries", "10",
            "--server", server.public, "--operator", server.operator, "--ledger", f"sqlite:{server.ledger}",
        ],
        env={**os.environ, "PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN, "PENSTOCK_IDENTITY_JWT_KEY": JWT_KEY},
        cwd=server.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    try:
        for sold in (100, 300):
            wait_until(lambda: server.lot("drop")["available"] <= 500 - sold, 30)
            server.kill()
            server.restart()
        out, error = crowd.communicate(timeout=120)
    finally:
        crowd.kill()
    assert crowd.returncode == 0, out + error
    assert server.lot("drop")["available"] == 0
    server.audit()


def test_rehearse_finds_the_address_at_which_a_name_is_served(server, tmp_path):
    """
    On most machines "localhost" is ::1 first, and the server listens at 127.0.0.1: all was lost.
    """
    server.make_sale("drop", 20, hold_seconds=60)
    hosts = tmp_path / "hosts"
    hosts.write_text("::1 localhost\n127.0.0.1 localhost\n")
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    with_hosts = ["unshare", *as_root, "--mount", "bash", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
    if subprocess.run([*with_hosts, "true"], capture_output=True).returncode != 0:
        pytest.skip("nobody may have names of his own here: there are no namespaces")
    crowd = [PROGRAM, "rehearse", "--json", "--sale", "drop", "--buyers", "30", "--ledger", f"sqlite:{server.ledger}"]
    places = [place.replace("127.0.0.1", "localhost") for place in (server.public, server.operator)]
    done = subprocess.run(
        [*with_hosts, *map(str, crowd), "--server", places[0], "--operator", places[1]],
        env=operator_environment(server), cwd=server.folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["requests"]["lost"] == 0 and server.lot("drop")["available"] == 0


def test_the_verdict_catches_another_ledger(serve):
    server, other = serve(), serve()
    for one in (server, other):
        one.make_sale("drop", 20, hold_seconds=60)
    done = operate(server, "rehearse", "--sale", "drop", "--buyers", "30", "--no-payments", "--ledger", f"sqlite:{other.ledger}")
    assert done.returncode == 1 and "BROKEN" in done.stdout.upper()


def run_printed(command, cwd):
    """
    As somebody does who copies it from the terminal, whatever folder he is in and without the
    program in his PATH.
    """
    done = subprocess.run(["sh", "-c", command], cwd=cwd, env=plain_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def test_the_commands_that_the_demo_prints_run_as_printed(tmp_path):
    (elsewhere := tmp_path / "else where").mkdir()
    done = run("demo", "--folder", "a demo", cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = dict(re.findall(r"^  (\S.*?)  +('.*|less .*)$", done.stdout.partition("Where to look next")[2], re.MULTILINE))
    assert set(printed) == {"judge the ledger again", "what the server logged", "a server to try by hand", "such a crowd for your sale"}
    assert "P1" in run_printed(printed["judge the ledger again"], elsewhere)
    assert "Usage:" in run_printed(printed["such a crowd for your sale"], elsewhere)
    assert "stopped" in run_printed(printed["what the server logged"].replace("less", "cat"), elsewhere)
    server = subprocess.Popen(
        f"exec {printed['a server to try by hand']}", shell=True, cwd=elsewhere, env=plain_environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert any("Ctrl-C" in line for line in server.stdout)
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0


def test_the_demo(tmp_path):
    done = run("demo", "--clean", cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("SIGKILL", "sold out", "P1 never oversold  holds", "P5 never unclear   holds"):
        assert words in done.stdout
    # It ends with what became of the orders: paid, refunded and expired ones, the report, and the
    # feed's last lines.
    report = dict(re.findall(r"^(confirmed|held|refunded|expired) +([\d,]+) ", done.stdout.partition("The report")[2], re.MULTILINE))
    assert report["refunded"] == "3" and "0" not in (report["confirmed"], report["expired"])
    feed = done.stdout.partition("The feed")[2].partition("Where to look next")[0].strip().splitlines()[1:]
    assert len(feed) == 9 and {"order.paid", "order.refunded"} <= {line.split()[1] for line in feed}, feed


def test_the_sample_server(tmp_path):
    program = subprocess.Popen([str(PROGRAM), "demo", "--serve"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        lines = []
        wait_until(lambda: lines.append(program.stdout.readline()) or "Ctrl-C" in lines[-1], 20)
        text = "".join(lines)
        assert re.search(r"console: +http://127\.0\.0\.1:\d+/dashboard$", text, re.MULTILINE)
        # A purchase and its payment, as they stand there; and what a relay hears of them.
        commands = "".join(re.findall(r"^  (?:TOKEN|ORDER|curl).*?\n\n", text, re.MULTILINE | re.DOTALL))
        paid = json.loads(run_printed(commands, "/"))
        assert paid["state"] == "confirmed" and paid["payment"]["amount"] == 17900
        wait_until(lambda: lines.append(program.stdout.readline()) or "order.confirmed" in lines[-1], 60)
        assert paid["id"] in lines[-1] and "order.reserved" in lines[-2] and paid["id"] in lines[-2]
        looks = re.findall(r"^  \(cd .*\)$", text, re.MULTILINE)
        assert len(looks) == 4
        told = [run_printed(look, "/") for look in looks]
        assert "sample" in told[0] and "you" in told[1] and told[2].count(".") == 2 and "P1" in told[3]
    finally:
        program.send_signal(signal.SIGINT)
        assert program.wait(15) == 0


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_sample_server_with_a_page_that_sells(tmp_path, ending):
    """
    As `make serve` leaves it: the page is of another origin, the server lets it ask, and one signal
    ends both.
    """
    program = subprocess.Popen(
        [ROOT / "tools/serve", PROGRAM], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    try:
        lines = []
        wait_until(lambda: lines.append(program.stdout.readline()) or "Ctrl-C" in lines[-1], 60)
        page, _, fragment = next(line.strip() for line in lines if "/#api=" in line).partition("#")
        told = dict(parse_qsl(fragment))
        with urllib.request.urlopen(page, timeout=30) as answer:
            assert "<title>" in answer.read().decode()
        request = urllib.request.Request(
            f"{told['api']}/v1/sales/{told['sale']}/orders",
            data=b"{}",
            headers={
                "Origin": page.rstrip("/"),
                "Authorization": f"Bearer {told['token']}",
                "Idempotency-Key": "first",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 202 and answer.headers["Access-Control-Allow-Origin"] == page.rstrip("/")
    finally:
        if ending == signal.SIGINT:
            os.killpg(program.pid, ending)  # as a terminal does
        else:
            program.send_signal(ending)
        assert program.wait(30) == 0
    with pytest.raises(OSError):
        urllib.request.urlopen(page, timeout=30)


def test_help_fits_into_eighty_columns():
    def check(*words):
        done = run(*words, "--help")
        assert done.returncode == 0, done.stderr
        assert not [line for line in done.stdout.splitlines() if len(line) > 80], words
        listed = done.stdout.partition("\nCommands:\n")[2].partition("\n\n")[0]
        for name in re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE):
            check(*words, name)

    check()
    assert run("-V").stdout == run("version").stdout
