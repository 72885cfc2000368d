"""
A copy of the ledger, made while it is written, is a ledger: docs/operations.md, "Backup and
restore".
"""

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor

from penstock import audit_ledger, wait_until


def orders(server):
    """Those that are durable."""
    return server.rows("select count(*) from orders")[0][0]


def test_a_backup_made_in_a_rush_is_whole_and_serves(serve, tmp_path):
    server = serve()
    server.make_sale("drop", 5000, hold_seconds=0)
    copy = tmp_path / "copy.db"
    stop = False

    def rush(buyer):
        told = []
        while not stop:
            name = f"{buyer}-{len(told)}"
            answer = server.buy("drop", name, key=name)
            assert answer.status in (202, 410)
            told.append((name, answer))
        return told

    with ThreadPoolExecutor(4) as pool:
        rushes = [pool.submit(rush, f"b{i}") for i in range(4)]
        try:
            wait_until(lambda: orders(server) > 50, what="the rush")
            before = orders(server)
            with sqlite3.connect(f"file:{server.ledger}?mode=ro", uri=True, isolation_level=None) as ledger:
                ledger.execute("vacuum into ?", [str(copy)])
            after = orders(server)
        finally:
            stop = True
    told = [pair for rush in rushes for pair in rush.result()]
    server.audit()

    code, text = audit_ledger(copy)
    assert code == 0, text
    server.kill()
    folder = tmp_path / "restored"
    folder.mkdir()
    shutil.copy(copy, folder / server.ledger.name)
    restored = serve(folder=folder)
    sold = restored.lot("drop")["confirmed"]
    assert before <= sold <= after
    # Who is in the backup gets the same answer again, byte for byte.
    name, answer = told[0]
    again = restored.buy("drop", name, key=name)
    assert (again.status, again.body) == (202, answer.body)
    assert restored.buy("drop", "somebody-new").status == 202
    restored.audit()
