"""
Each block of commands in the documentation is run as it stands; but for addresses, ids and names of
the day, which are those of the test. What a machine of tests cannot run is named below with the
test that comes nearest.
"""

import json
import os
import re
import sqlite3
import subprocess

import pytest

from penstock import PROGRAM, ROOT, plain_environment, wait_until
from relay import SECRET

GUIDES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")), "examples/payments/README.md",
          "examples/relay/README.md", "examples/storefront/README.md", "deploy/helm/README.md"]  # fmt: skip


def blocks(name):
    """The blocks of commands in a document."""
    text = (ROOT / name).read_text()
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block(name, start):
    """The one that begins so."""
    (found,) = (each for each in blocks(name) if each.startswith(start))
    return found


# Document, beginning of a block -> the test of this file that runs it, or why none does.
RUN = {
    ("docs/http.md", "penstock token b1"): "test_an_operator_runs_a_sale_with_curl",
    ("docs/http.md", "operator=http"): "test_an_operator_runs_a_sale_with_curl",
    ("docs/http.md", "post() {"): "test_an_operator_runs_a_sale_with_curl",
    ("docs/http.md", 'curl -H "$auth" "$operator/v1/changes'): "test_the_feed_is_read_with_curl",
    ("docs/payments.md", 'curl -H "$auth"'): "test_a_payment_is_told_and_held_against_the_list",
    ("docs/payments.md", "curl -X POST"): "test_a_unit_is_given_back_to_the_warehouse",
    ("docs/payments.md", "penstock audit --payments"): "test_a_payment_is_told_and_held_against_the_list",
    ("docs/operations.md", "penstock serve"): "test_the_first_sale_is_made_and_watched",
    ("docs/operations.md", "penstock item create"): "test_the_first_sale_is_made_and_watched",
    ("docs/operations.md", "curl -X PUT"): "test_the_log_is_made_to_say_more",
    ("docs/operations.md", "penstock relay --to"): "test_what_a_shop_has_lost_is_sent_again",
    ("docs/operations.md", 'sqlite3 penstock.db "vacuum'): "test_a_backup_is_made_and_restored",
    ("docs/operations.md", "mkdir aside"): "test_a_backup_is_made_and_restored",
    ("docs/operations.md", 'sqlite3 penstock.db "pragma'): "test_a_ledger_gets_smaller_pages",
    ("docs/events.md", "kcat -C -b localhost:9092 -t penstock -o"): "test_events_and_dead_letters_are_read_with_kcat",
    ("docs/events.md", "kcat -C -b localhost:9092 -t penstock.dead"): "test_events_and_dead_letters_are_read_with_kcat",
    ("docs/operations.md", "penstock export"): "test_payments_and_movements_are_exported",
}
ELSEWHERE = {
    ("docs/operations.md", "tools/setup build"): "it builds the program: the step features of tools/check does, and test_features.py looks at what comes of it",
    ("docs/operations.md", "docker compose up"): "it needs a container engine: test_compose_cluster.py runs each service's own command and these of penstock",
    ("docs/operations.md", "docker compose run"): "likewise: test_compose.py runs the script of the service secrets",
    ("docs/operations.md", "umask 027"): "it needs systemd: tools/try-deb runs the unit with such files",
    ("README.md", "make demo"): "test_commands.py runs the demo, and tools/serve with what it prints",
    ("README.md", "make cluster"): "test_cluster_tool.py runs tools/cluster",
    ("docs/integrating.md", ""): "test_guides.py runs the whole page",
    ("docs/testing.md", ""): "they are the tests themselves",
    ("docs/performance.md", ""): "they measure for minutes",
    ("docs/releasing.md", ""): "they make a release",
    ("examples/payments/README.md", ""): "test_payment_examples.py runs both webhooks and the provider",
    ("examples/relay/README.md", ""): "test_relay_examples.py runs both endpoints, with a relay that posts to them",
    ("examples/storefront/README.md", ""): "test_storefront.py serves the page from another origin",
    ("deploy/helm/README.md", ""): "they need a cluster: tools/chart renders the chart with these values",
}


@pytest.mark.parametrize("name, start", [(name, each.splitlines()[0]) for name in GUIDES for each in blocks(name)])
def test_a_block_is_run_or_said_why_not(name, start):
    run = [test for (where, begin), test in RUN.items() if where == name and start.startswith(begin)]
    elsewhere = [why for (where, begin), why in ELSEWHERE.items() if where == name and start.startswith(begin)]
    assert len(run) + len(elsewhere) == 1, "a block of commands that no test runs: run it here, or say why not"
    assert all(test in globals() for test in run)


def test_nothing_is_said_of_blocks_that_are_not_there():
    there = [(name, each) for name in GUIDES for each in blocks(name)]
    for name, begin in RUN.keys() | {key for key in ELSEWHERE if key[1]}:
        assert [True for where, text in there if where == name and text.startswith(begin)] == [True], (name, begin)


class Shell:
    """
    Runs what the documentation says, in a server's folder, as its user with `penstock` on the path.
    """

    def __init__(self, shop, folder):
        self.shop = shop
        (folder / "bin").mkdir()
        (folder / "bin/penstock").symlink_to(PROGRAM)
        self.environment = plain_environment() | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PENSTOCK_OPERATOR_LISTEN": shop.operator.removeprefix("http://"),
            "PENSTOCK_GATE_LISTEN": shop.public.removeprefix("http://"),
            # curl says nothing of its progress.
            "CURL_HOME": str(folder),
        }
        (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
        self.script = "set -euo pipefail\n"

    def placed(self, text, *pairs):
        """With the test's own values in place of the document's, each of which must be there."""
        for old, new in (("http://127.0.0.1:8080", self.shop.public), ("http://127.0.0.1:8081", self.shop.operator)):
            text = text.replace(old, new)
        for old, new in pairs:
            assert old in text, (old, text)
            text = text.replace(old, new)
        return text

    def popen(self, text, **options):
        return subprocess.Popen(["bash", "-c", self.script + text], cwd=self.shop.folder, env=self.environment, text=True, **options)

    def run(self, text, *pairs):
        """What it prints. What was run before has set the variables."""
        text = self.placed(text, *pairs)
        with self.popen(text, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, (text, out, errors)
        return out

    def set(self, text):
        """Lines that only set variables, for what is run after."""
        self.script += self.placed("".join(line + "\n" for line in text.splitlines() if re.match(r"\w+=", line)))


@pytest.fixture
def shop(serve):
    """With keys and a token of its own, as `penstock serve` alone makes them."""
    return serve(environment={"PENSTOCK_OPERATOR_TOKEN": "", "PENSTOCK_IDENTITY_JWT_KEY": ""})


@pytest.fixture
def shell(shop, tmp_path):
    made = Shell(shop, tmp_path)
    made.set(block("docs/http.md", "operator=http"))
    return made


def drop(shell):
    """The sale of the guide, and an order in it: what the block prints."""
    return shell.run(block("docs/http.md", "operator=http"))


def order_in(text):
    return re.findall(r'"id":"([0-9a-f-]{36})"', text)[-1]


def test_an_operator_runs_a_sale_with_curl(shop, shell):
    tokens = shell.run(block("docs/http.md", "penstock token b1"))
    assert tokens.startswith("eyJ") and "alice" in tokens
    told = drop(shell)
    assert "HTTP/1.1 202 Accepted" in told and '"state":"held"' in told
    order = order_in(told)
    lines = shell.run(block("docs/http.md", "post() {"), ("0193e0a1-5c3f-7000-9c1e-2f6a4b000001", order))
    for word in ('"state":"confirmed"', '"state":"cancelled"', '"units_withdrawn":10', '"state":"paused"', '"state":"ended"', '"ok":true', '"sale.end"'):
        assert word in lines, (word, lines)
    shop.stop()
    assert shop.audit_ledger()[0] == 0


def test_the_feed_is_read_with_curl(shell):
    order = order_in(drop(shell))
    from_beginning, then, since = block("docs/http.md", 'curl -H "$auth" "$operator/v1/changes').splitlines()
    page = json.loads(shell.run(from_beginning))
    assert [change["data"]["event"]["id"] for change in page["changes"]] == [order]
    waits = shell.placed(then, ("1.4711.9f86d081884c7d65", page["next"]))
    with shell.popen(waits, stdout=subprocess.PIPE) as process:
        # It waits until this has come.
        shell.run(f'curl -H "$auth" -X POST $operator/v1/orders/{order}/confirm -d ""')
        told = json.loads(process.communicate(timeout=60)[0])
    assert [change["data"]["event"]["kind"] for change in told["changes"]] == ["order.confirmed"]
    assert len(json.loads(shell.run(since, ("2027-01-01T10:00:00Z", "2020-01-01T10:00:00Z")))["changes"]) == 2


def test_a_payment_is_told_and_held_against_the_list(shop, shell):
    order = order_in(drop(shell))
    told = json.loads(shell.run(f"order={order}\n" + block("docs/payments.md", 'curl -H "$auth"')))
    assert (told["state"], told["payment"]["reference"]) == ("confirmed", "pi_3N9")
    (shop.folder / "payments.csv").write_text(f"reference,order,amount,currency\npi_3N9,{order},17900,EUR\n")
    assert "holds" in shell.run(block("docs/payments.md", "penstock audit --payments"))


def test_a_unit_is_given_back_to_the_warehouse(shop, shell):
    order = order_in(drop(shell))
    shell.run(f"order={order}\n" + block("docs/payments.md", 'curl -H "$auth"'))
    back = f"order={order}\n" + block("docs/payments.md", "curl -X POST")
    for _ in range(2):
        told = json.loads(shell.run(back))
        assert (told["id"], told["state"]) == (order, "cancelled"), "it was its only one"
        assert json.loads(shell.run("penstock sale show aj1 --json"))["lots"][0]["withdrawn"] == 1
    assert ",re_8Kd,1,warehouse," in shell.run("penstock export refunds --csv")


def test_the_first_sale_is_made_and_watched(shop, shell):
    assert block("docs/operations.md", "penstock serve") == "penstock serve\n"  # as this shop runs
    *made, watch = block("docs/operations.md", "penstock item create").splitlines()
    shell.run("\n".join(made))
    with shell.popen("exec " + watch, stdout=subprocess.PIPE) as process:
        assert "armed" in process.stdout.readline()
        process.kill()


def test_the_log_is_made_to_say_more(shop, shell):
    assert json.loads(shell.run(block("docs/operations.md", "curl -X PUT"))) == {"level": "debug"}
    shop.await_log('"level":"debug"')


def test_what_a_shop_has_lost_is_sent_again(shell, endpoint):
    drop(shell)
    change = json.loads(shell.run('curl -H "$auth" "$operator/v1/changes"'))["changes"][0]["id"]
    by_time, by_change = block("docs/operations.md", "penstock relay --to").splitlines()
    shell.script += f"export PENSTOCK_RELAY_SECRET={SECRET} no_proxy=127.0.0.1\n"
    shell.run(by_time, ("https://shop.example/hooks", endpoint.url), ("2027-01-01T10:00:00Z", "2020-01-01T10:00:00Z"))
    shell.run(by_change, ("https://shop.example/hooks", endpoint.url), ("01a20b69-4f52-7000-8157-4cd905000001/order.reserved/1795487780690", change))
    assert endpoint.ids() == [change, change] and endpoint.faults == []


def test_a_backup_is_made_and_restored(shop, shell):
    kept = order_in(drop(shell))
    copy, audit = block("docs/operations.md", 'sqlite3 penstock.db "vacuum').splitlines()
    shell.run(copy)
    (backup,) = shop.folder.glob("backup-*.db")
    assert "holds" in shell.run(audit, ("backup-2027-01-01-0930.db", backup.name))
    lost = order_in(shell.run('curl -H "Authorization: Bearer $(penstock token b2)" -H "$json" $public/v1/sales/aj1/orders -d "{}"'))
    assert shop.stop() == 0
    *restore, serve = block("docs/operations.md", "mkdir aside").splitlines()
    assert serve == "penstock audit && penstock serve"
    shell.run("\n".join([*restore, "penstock audit"]), ("backup-2027-01-01-0930.db", backup.name))
    shop.restart()

    shell.environment["PENSTOCK_OPERATOR_LISTEN"] = shop.operator.removeprefix("http://")
    listed = shell.run("penstock order list --sale aj1")
    assert kept in listed and lost not in listed


def test_a_ledger_gets_smaller_pages(shop, shell):
    kept = order_in(drop(shell))
    assert shop.stop() == 0
    shell.run('sqlite3 penstock.db "pragma journal_mode = delete; pragma page_size = 4096; vacuum; pragma journal_mode = wal"')
    assert shell.run('sqlite3 penstock.db "pragma page_size"').strip() == "4096"
    assert "holds" in shell.run(block("docs/operations.md", 'sqlite3 penstock.db "pragma'))
    assert shell.run('sqlite3 penstock.db "pragma page_size"').strip() == "1024"
    shop.restart()
    shell.environment["PENSTOCK_OPERATOR_LISTEN"] = shop.operator.removeprefix("http://")
    assert kept in shell.run("penstock order list --sale aj1")


def test_payments_and_movements_are_exported(shop, shell):
    order = order_in(drop(shell))
    shell.run(f"order={order}\n" + block("docs/payments.md", 'curl -H "$auth"'))
    shell.run(block("docs/operations.md", "penstock export"), ("2027-01-01T00:00:00Z", "2020-01-01T00:00:00Z"))
    payments = (shop.folder / "payments.csv").read_text().splitlines()
    assert len(payments) == 2 and "pi_3N9" in payments[1]
    movements = [json.loads(line) for line in (shop.folder / "movements.ndjson").read_text().splitlines()]
    assert [change["data"]["event"]["kind"] for change in movements] == ["order.reserved", "order.confirmed"]


def test_the_csv_of_the_guide_is_imported(shell):
    (text,) = re.findall(r"^```csv\n(.*?)^```$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE | re.DOTALL)
    (shell.shop.folder / "drop.csv").write_text(text.replace("2027-01-01 10:00 Europe/Berlin", "2099-01-01 10:00 Europe/Berlin"))
    shell.run("penstock import drop.csv --dry-run && penstock import drop.csv")
    assert "AJ1-41" in shell.run("penstock sale show aj1")


def test_the_rows_of_a_lot_are_put_back(shop, shell):
    """A sale stays fenced: the lot's row stands alone."""
    drop(shell)
    assert shop.stop() == 0
    (repair,) = re.findall(r"^   ```\n(   update lots set.*?)^   ```$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE | re.DOTALL)
    shell.run('sqlite3 penstock.db "update lots set held = held + 3"')
    assert shop.audit_ledger()[0] == 1
    shell.run(f'sqlite3 penstock.db "{repair}"', ("'SALE'", "'aj1'"))
    assert shop.audit_ledger()[0] == 0


def test_the_sales_lists_of_their_orders_are_made_again(shop, shell):
    """A sale stays fenced: it does not find its orders."""
    drop(shell)
    shop.keep_ports()
    assert shop.stop() == 0
    (repair,) = re.findall(r"^   ```\n(   delete from sale_orders;.*?)^   ```$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE | re.DOTALL)
    shell.run('sqlite3 penstock.db "update sale_orders_end set movement = (select max(number) from movements)"')
    assert shop.audit_ledger()[0] == 1
    shell.run(f'sqlite3 penstock.db "{repair}"')
    assert shop.audit_ledger()[0] == 0
    shop.restart()
    assert "held" in shell.run("penstock order list --sale aj1")


def test_an_upgrade_goes_by_its_steps(serve, tmp_path):
    """Of a ledger that an older program has made, which is its backup's to keep."""
    (health, audit) = re.search(r"^3\. `(penstock health)`, `(penstock audit)`\.$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE).groups()
    folder = tmp_path / "old"
    folder.mkdir()
    with sqlite3.connect(folder / "penstock.db") as ledger:
        ledger.executescript((ROOT / "tests/whole/ledgers/sqlite_2.sql").read_text())
    copy = block("docs/operations.md", 'sqlite3 penstock.db "vacuum').splitlines()[0]
    subprocess.run(["bash", "-euc", copy], cwd=folder, check=True, timeout=60)
    shop = serve(folder=folder, environment={"PENSTOCK_OPERATOR_TOKEN": "", "PENSTOCK_IDENTITY_JWT_KEY": ""})
    shop.await_log("migration applied")
    shell = Shell(shop, tmp_path)
    assert "ready" in shell.run(health) and "holds" in shell.run(audit)
    # Back again: the older program's ledger lies there as it was.
    (backup,) = folder.glob("backup-*.db")
    with sqlite3.connect(f"file:{backup}?mode=ro", uri=True) as old, sqlite3.connect(f"file:{shop.ledger}?mode=ro", uri=True) as new:
        counts = [ledger.execute("select count(*) from orders").fetchone() for ledger in (old, new)]
    assert counts[0] == counts[1] and counts[0][0] > 0


def test_events_and_dead_letters_are_read_with_kcat(gates, kafka):
    cluster = gates(1, kafka=kafka)
    cluster.make_sale("drop", 5, hold_seconds=600)
    answer = wait_until(lambda: (answer := cluster.buy("drop", "bob", key="k1")).status == 202 and answer, 60, "an order")
    brokers = kafka.url("x").removeprefix("kafka://").split("/")[0]

    def read(start):
        text = block("docs/events.md", start).replace("localhost:9092", brokers).replace("-t penstock", f"-t {cluster.topic}")
        return subprocess.run(["bash", "-euc", text], check=True, capture_output=True, text=True, timeout=120).stdout

    told = read("kcat -C -b localhost:9092 -t penstock -o")
    assert f"ce_id={answer.json['id']}/order.reserved/" in told and '"buyer":"bob"' in told
    kafka.kcat("-P", "-t", cluster.topic, "-p", "1", "-k", "7", input='{"v":1,"sort":"order.eaten"}')
    wait_until(lambda: f"{cluster.topic}.dead" in kafka.kcat("-L", "-J"), 60, "the dead letters' topic")
    wait_until(lambda: "order.eaten" in read("kcat -C -b localhost:9092 -t penstock.dead"), 60, "the dead letter")
