"""
The ledger's file is taken away under a running server: nobody is told 202 any more, and what was
told can be had again.
"""

import shutil
import signal

import pytest

from penstock import wait_until


def lose(server, how):
    if how == "removed":
        for suffix in ("", "-wal", "-shm"):
            server.ledger.with_name(server.ledger.name + suffix).unlink()
    elif how == "moved":
        server.ledger.rename(server.ledger.with_name("elsewhere"))
    else:
        other = server.ledger.with_name("other")
        shutil.copyfile(server.ledger, other)
        other.rename(server.ledger)


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_no_order_is_accepted_into_a_file_that_no_start_will_find(serve, how):
    server = serve()
    server.await_log("a new, empty one was made")
    server.make_sale("drop", 100)
    told = [server.buy("drop", f"buyer-{i}", key="key").json["id"] for i in range(5)]
    lose(server, how)
    # At once, and not only after the watch has looked.
    answer = server.buy("drop", "late", key="key")
    assert answer.status == 503, answer.body
    wait_until(lambda: server.operate("GET", "/readyz").status == 503, what="that it is not ready")
    health = server.operate("GET", "/health").json
    assert health["status"] == "DOWN" and health["components"]["ledger"]["status"] == "DOWN"
    assert server.buy("drop", "later", key="key").code == "journal-unavailable"
    wait_until(lambda: "what the ledger had is saved" in server.log(), what="the copy")
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0
    for suffix in ("", "-wal", "-shm"):
        server.ledger.with_name(server.ledger.name + suffix).unlink(missing_ok=True)
    (saved,) = server.ledger.parent.glob(server.ledger.name + ".saved-*")
    saved.rename(server.ledger)
    server.restart()
    # Whether the first late one is there nobody could tell; its retry does.
    assert set(told) <= {order["id"] for order in server.orders(sale="drop")}
    assert server.buy("drop", "late", key="key").status == 202
    server.audit()


def test_without_its_lease_nothing_is_accepted(serve):
    server = serve()
    server.make_sale("drop", 100)
    server.ledger.with_name(server.ledger.name + "-lease").unlink()
    wait_until(lambda: server.operate("GET", "/readyz").status == 503, what="that it is not ready")
    assert server.buy("drop", "late", key="key").code == "journal-unavailable"
