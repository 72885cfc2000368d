"""Nothing is leaked by a server that has lived a whole life."""

import shutil

import pytest

from penstock import wait_until

VALGRIND = (
    "valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite,possible", "--errors-for-leak-kinds=definite,possible",
    "--error-exitcode=99", "--num-callers=30",
)


@pytest.mark.timeout(300)
def test_valgrind_finds_no_leak_and_no_fault(serve):
    assert shutil.which("valgrind"), "tools/setup test installs valgrind"
    # Under valgrind an answer may take longer than a real one may.
    settings = {"sale.hold_grace": "100ms", "gate.threads": "2", "journal.ack_deadline": "30s"}
    server = serve(settings, wrapper=VALGRIND)
    server.make_sale("drop", 10, hold_seconds=60, limit_per_buyer=2, rate={"requests": 20, "seconds": 60})
    orders = [server.buy("drop", f"buyer-{i}", key="k", timeout=60).json["id"] for i in range(10)]
    assert server.buy("drop", "buyer-0", key="k", timeout=60).status == 202
    assert server.buy("drop", "late", timeout=60).status == 410
    assert server.buy("drop", "nobody", token="x.y.z", timeout=60).status in (401, 410)
    assert server.buy("drop", "anna", body={"odd": 1}, timeout=60).status == 422
    server.operate("POST", f"/v1/orders/{orders[0]}/confirm")
    server.operate("POST", f"/v1/orders/{orders[1]}/cancel")
    server.make_sale("brief", 10, hold_seconds=1)
    assert server.buy("brief", "buyer-0", timeout=60).status == 202
    server.operate("GET", f"/v1/orders/{orders[0]}")
    server.ask("GET", f"/v1/orders/{orders[2]}", "buyer-2")
    server.operate("POST", "/v1/sales/drop/lots/drop-item/withdraw", {"units": 1})
    wait_until(lambda: server.lot("brief")["held"] == 0, 60)
    assert server.operate("GET", "/metrics").status == 200
    assert server.operate("GET", "/openapi.json").status == 200
    watcher = server.connect()
    watcher.sendall(b"GET /v1/sales/drop/events HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"event: sale" in watcher.recv(65536)
    server.operate("POST", "/v1/sales/drop/end")
    server.audit()
    assert server.stop(60) == 0, server.log()
    watcher.close()
    assert "definitely lost" not in server.log()
