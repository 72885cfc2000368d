"""
A ledger that a drain fills is behind what was accepted: lists, audits and an ended sale say by how
much.
"""

from concurrent.futures import ThreadPoolExecutor

from penstock import wait_until

RATE = 10


def test_lists_audits_and_an_ended_sale_say_how_old_the_ledger_is(gates, kafka):
    cluster = gates(1, kafka=kafka, settings={"drain.max_rate": str(RATE)})
    gate = cluster.gates[0]
    cluster.make_sale("drop", 200, hold_seconds=0, rate=None)
    wait_until(lambda: gate.operate("GET", "/v1/orders").json["as_of"], 20, "the first look")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: gate.buy("drop", f"buyer-{i}", key="k").status, range(120)))
    assert answers == [202] * 120
    page = wait_until(lambda: (found := gate.operate("GET", "/v1/orders").json)["lag_records"] and found, 20, "a lag")
    assert len(page["orders"]) < 120 and page["lag_records"] > 0
    for path in ("/v1/items", "/v1/sales", "/v1/log"):
        assert gate.operate("GET", path).json["lag_records"] > 0
    audit = gate.operate_audit().json
    assert audit["ok"] and audit["as_of"] and audit["lag_records"] > 0
    ended = gate.operate("POST", "/v1/sales/drop/end").json["returning"]
    assert ended["units"] >= 80 and ended["seconds"] >= 1
    assert gate.sale("drop")["returning"]["units"] >= 80
    cluster.settle(60)
    wait_until(lambda: gate.sale("drop")["returning"] == {"units": 0, "seconds": 0}, 60, "the units' return")
    page = wait_until(lambda: (found := gate.operate("GET", "/v1/orders?limit=1000").json)["lag_records"] == 0 and found, 20, "no lag")
    assert len(page["orders"]) == 120
    item = gate.operate("GET", f"/v1/items/{gate.sale('drop')['lots'][0]['sku']}").json
    assert item["on_hand"] >= 80
    cluster.audit()


def test_a_ledger_that_is_never_behind_says_nothing(server):
    server.make_sale("drop", 1)
    assert "as_of" not in server.operate("GET", "/v1/orders").json
    assert "as_of" not in server.audit()
