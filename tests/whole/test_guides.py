"""The guides that a shop reads line by line: each line is run, in its order, and answers what stands below it."""

import json
import os
import re
import subprocess

import pytest

from penstock import PROGRAM, ROOT, plain_environment, wait_until

MARK = "--- end of a block ---"


def blocks(name):
    """[(commands, what the last line of their output says at least, or None)]"""
    text = (ROOT / "docs" / name).read_text()
    found = re.findall(r"^```(sh|json)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    made = []
    for kind, content in found:
        if kind == "sh":
            made.append([content, None])
        else:
            assert made[-1][1] is None, content
            made[-1][1] = json.loads(content)
    return made


def at_a_terminal(shop, tmp_path):
    """As somebody has it who stands in the server's folder, with the program in the PATH."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "penstock").symlink_to(PROGRAM)
    return plain_environment() | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}", "PENSTOCK_OPERATOR_LISTEN": shop.operator.removeprefix("http://"), "PENSTOCK_GATE_LISTEN": shop.public.removeprefix("http://")
    }  # fmt: skip


def test_a_shops_whole_life_is_as_the_guide_tells_it(serve, tmp_path):
    shop = serve(environment={"PENSTOCK_OPERATOR_TOKEN": "", "PENSTOCK_IDENTITY_JWT_KEY": ""})
    told = blocks("integrating.md")
    assert len(told) > 10 and sum(1 for _, said in told if said) > 8
    script = "".join(f"{commands}echo; echo '{MARK}'\n" for commands, _ in told)
    for old, new in (("http://127.0.0.1:8080", shop.public), ("http://127.0.0.1:8081", shop.operator)):
        assert old in script
        script = script.replace(old, new)
    environment = at_a_terminal(shop, tmp_path)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=shop.folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = done.stdout.split(MARK)[:-1]
    assert len(outputs) == len(told)
    for (commands, said), output in zip(told, outputs):
        assert "urn:penstock:problem" not in output, (commands, output)
        if said is not None:
            answers = re.split(r"(?<=\})(?=\{)", output.strip().splitlines()[-1])
            assert said.items() <= json.loads(answers[-1]).items(), (commands, output)
    assert shop.audit_ledger()[0] == 0


# --- What comes back of a payment ---

PAID = {"reference": "pi_1", "amount": 17900, "currency": "EUR", "method": "card"}


def confirm(shop, order, payment=PAID):
    return shop.operate("POST", f"/v1/orders/{order}/confirm", {"payment": payment})


def buy(shop, sale="drop", buyer="ann", **terms):
    """An order of a sale of its own."""
    if shop.operate("GET", f"/v1/sales/{sale}").status == 404:
        shop.make_sale(sale, 5, price={"amount": 17900, "currency": "EUR"}, **{"hold_seconds": 600, **terms})
    answer = shop.buy(sale, buyer)
    assert answer.status == 202, answer.body
    return answer.json["id"]


def run_out(shop, **terms):
    order = buy(shop, hold_seconds=1, **terms)
    wait_until(lambda: shop.operate("GET", f"/v1/orders/{order}").json["state"] == "expired", 60, "the end of the hold")
    return order


def told_again(shop):
    order = buy(shop)
    assert confirm(shop, order).status == 200
    return confirm(shop, order)


def late_with_units_left(shop):
    order = run_out(shop, late_confirm=True)
    answer = confirm(shop, order)
    assert answer.json["id"] != order and answer.json["buyer"] == "ann" and answer.json["payment"]["reference"] == "pi_1"
    return answer


def cancelled_meanwhile(shop):
    order = buy(shop)
    assert shop.operate("POST", f"/v1/orders/{order}/cancel").status == 200
    return confirm(shop, order)


def by_two_payments(shop):
    order = buy(shop)
    assert confirm(shop, order).status == 200
    answer = confirm(shop, order, {**PAID, "reference": "pi_2"})
    assert answer.json["payment"] == "pi_1"
    return answer


def of_another_order(shop):
    first = buy(shop)
    assert confirm(shop, first).status == 200
    answer = confirm(shop, buy(shop, buyer="ben"))
    assert answer.json["order"] == first
    return answer


def wrong_amount(shop):
    order = buy(shop)
    answer = confirm(shop, order, {**PAID, "amount": 100})
    assert answer.json["due"] == {"amount": 17900, "currency": "EUR"} and shop.operate("GET", f"/v1/orders/{order}").json["state"] == "held"
    return answer


def nobody_knows(shop):
    order = buy(shop)
    shop.kill()
    with pytest.raises(OSError):
        confirm(shop, order)
    shop.restart()
    return confirm(shop, order)


def paid_back(shop):
    order = buy(shop)
    assert confirm(shop, order).status == 200
    answer = shop.operate("POST", f"/v1/orders/{order}/cancel")
    assert answer.json["payment"]["reference"] == "pi_1"
    assert confirm(shop, buy(shop, buyer="ben")).code == "reference-used"
    return answer


ROWS = {
    "paid in time": lambda shop: confirm(shop, buy(shop)),
    "told again (a webhook is sent twice)": told_again,
    "paid late, the sale has `late_confirm`, units are left": late_with_units_left,
    "paid late otherwise": lambda shop: confirm(shop, run_out(shop)),
    "paid, and cancelled meanwhile": cancelled_meanwhile,
    "paid twice, by two payments": by_two_payments,
    "paid with a payment that is another order's": of_another_order,
    "wrong amount or currency": wrong_amount,
    "nobody knows: no answer, or a `503`": nobody_knows,
    "an order that was born confirmed (`hold_seconds` 0)": lambda shop: confirm(shop, buy(shop, hold_seconds=0)),
    "paid back": paid_back,
}


def payment_rows():
    text = (ROOT / "docs/payments.md").read_text()
    return {row[0]: row[2] for row in (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")) if row[0] not in ("what happened", "---")}


def test_the_table_of_payments_is_run_row_by_row():
    assert set(payment_rows()) == set(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_what_comes_back_of_a_payment_is_as_the_table_says(serve, row):
    shop = serve({"sale.hold_grace": "0s"})
    shop.keep_ports()
    answer, told = ROWS[row](shop), payment_rows()[row]
    if row.startswith("nobody knows"):
        assert answer.status == 200 and answer.json["state"] == "confirmed"
        return
    assert f"`{answer.status}" in told, (answer.status, answer.body, told)
    if answer.status != 200:
        assert f"`{answer.status} {answer.code}`" in told
    if '"state"' in told:
        assert f'"state":"{answer.json["state"]}"' in told


# --- The day of a drop ---

NOT_HERE = {
    "penstock demo": "test_commands.py",
    "penstock export orders|movements|payments|log": "the form of a command",
}
SMALLER = {"--buyers 50000": "--buyers 300", "--bots 200": "--bots 5", "--rate 5000": "--rate 300", "--since 2027": "--since 2020"}
ASKS = ("penstock sale withdraw ", "penstock sale end ")  # first, where it is not said that it need not


def commands_of_the_day():
    text = (ROOT / "docs/operations.md").read_text()
    section = text[text.index("## The day of a drop") : text.index("## Reading the audit")]
    found = re.findall(r"`(penstock [^`]+)`|^(penstock .*)$", section, re.MULTILINE)
    return [re.sub(r"\s+", " ", inline or line) for inline, line in found]


def test_every_command_of_the_day_of_a_drop_runs_in_its_order(serve, tmp_path):
    shop = serve(environment={"PENSTOCK_OPERATOR_TOKEN": "", "PENSTOCK_IDENTITY_JWT_KEY": ""})
    environment = at_a_terminal(shop, tmp_path)

    def run(command):
        done = subprocess.run(["bash", "-c", command], cwd=shop.folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    run('penstock item create AJ1-42 --name "Air 1, size 42" --on-hand 5000')
    run('penstock item create DRY --name "To rehearse with" --on-hand 5000')
    run('penstock sale create aj1 --lot AJ1-42=1000 --name "Air 1 drop" --price 17900 --limit 1 --hold 600s --opens-in 1h')
    run('penstock sale create dry --lot DRY=100 --name "Dry" --price 17900 --limit 1 --hold 600s --open')
    told, order = commands_of_the_day(), None
    assert len(told) > 20 and set(NOT_HERE) <= set(told)
    for command in told:
        if command in NOT_HERE:
            continue
        if command.startswith("penstock item receive"):  # the first while it runs
            run("penstock sale open aj1")
            token = run("penstock token b1").strip()
            bought = shop.buy("aj1", "b1", token=token)
            assert bought.status == 202, bought.body
            order = bought.json["id"]
            (shop.folder / "paid.csv").write_text(f"order,reference,amount,currency,method\n{order},pi_1,17900,EUR,card\n")
        if command.startswith("penstock sale end"):
            run("penstock order confirm --file paid.csv")
        for written, here in {**SMALLER, "ORDER": order or ""}.items():
            command = command.replace(written, here)
        run(command + " --yes" * command.startswith(ASKS))
    assert "pi_1" in (shop.folder / "payments.csv").read_text()
    assert order in (shop.folder / "movements.ndjson").read_text()
