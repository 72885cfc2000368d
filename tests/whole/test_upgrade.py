"""Ledgers that older programs have made: brought up to date by the first start, with nothing lost
or changed.

tests/whole/ledgers has dumps of real ones, made by the program of that schema: NAME_N.sql, N being
its last migration, and beside it what its buyers were told and how each order stood at its end. The
holds in them ran out long ago.
"""

import json
import sqlite3
from pathlib import Path

import pytest

from feed import Follower

LEDGERS = Path(__file__).parent / "ledgers"


@pytest.fixture
def old_sqlite(tmp_path):
    def make(schema):
        path = tmp_path / "old.db"
        with sqlite3.connect(path) as ledger:
            ledger.executescript((LEDGERS / f"sqlite_{schema}.sql").read_text())
        return f"sqlite:{path}"

    return make


@pytest.fixture
def old_postgres(own_postgres):
    def make(schema):
        database = own_postgres.make_database()
        script = own_postgres.folder / "old.sql"  # which its user may read
        script.write_text((LEDGERS / f"postgres_{schema}.sql").read_text())
        own_postgres.program("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", own_postgres.url(database), "-f", script)
        return own_postgres.url(database)

    return make


def hold_against(server, told):
    for order, was in told.items():
        now = server.order(order).json
        then = was["after"]
        if then["state"] == "held":
            assert now["state"] in ("held", "expired"), now
            assert {**then, "state": now["state"]} == now
        else:
            assert then == now
        if was["key"]:
            again = server.buy(was["sale"], was["buyer"], key=was["key"], body={"sku": was["sku"], "quantity": was["quantity"]})
            assert again.status == 202, again.body
            assert again.body.decode() == was["body"], "a retry after the upgrade gets the same order, byte for byte"
    assert sorted(told) == [order["id"] for order in server.orders()], "all of them are listed, in the order of their ids"


@pytest.mark.parametrize("schema", [2, 3])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_ledger_of_a_schema_before_goes_on_as_it_was(serve, request, kind, schema):
    url = request.getfixturevalue(f"old_{kind}")(schema)
    told = json.loads((LEDGERS / f"{kind}_{schema}.json").read_text())
    server = serve({"ledger.url": url})
    hold_against(server, told)
    server.audit()
    assert server.buy("second", "newcomer", key="n", body={"sku": "SHOE"}).status == 202
    assert server.stop() == 0
    assert server.audit_ledger()[0] == 0
    server.restart()
    # What was done before is in the feed too, all but extensions.
    follower = Follower(server)
    follower.finish()
    assert follower.judge({order["id"]: order["state"] for order in server.orders()}) == []
    hold_against_again = {order: was for order, was in told.items() if was["after"]["state"] != "held"}
    for order, was in hold_against_again.items():
        assert server.order(order).json == was["after"]
