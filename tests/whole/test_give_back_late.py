"""
Units of an order are given back after its sale has left the stock: only the ledger knows of it.
"""

import contextlib
import sqlite3

from penstock import wait_until
from test_give_back import bought, give, on_hand, restart, told


def test_after_the_sale_has_left_the_stock_they_go_to_the_warehouse(serve):
    server = serve()
    order = bought(server)
    assert server.operate("POST", f"/v1/orders/{order}/confirm").status == 200
    assert server.operate("POST", "/v1/sales/drop/end").status == 200
    wait_until(lambda: on_hand(server) == 7, 20, "what was not sold")
    server.stop()
    with contextlib.closing(sqlite3.connect(server.ledger)) as ledger, ledger:
        ledger.execute("update sales set ended_at_ms = ended_at_ms - 3 * 86400000")
    server.start()
    wait_until(lambda: server.ask("GET", "/v1/sales/drop").status == 404, 20, "the end of its retention")
    assert told(give(server, order, "1", quantity=1)) == (200, 2, "confirmed", None)
    for _ in range(2):
        assert told(give(server, order, "1", quantity=1)) == (200, 2, "confirmed", "true")
        assert on_hand(server) == 8
        restart(server)
    assert told(give(server, order, "2", quantity=3)) == (409, 2, "order-quantity", None)
    assert told(give(server, order, "2", quantity=1, units="gone")) == (200, 1, "confirmed", None)
    assert told(give(server, order, "3", quantity=1)) == (200, 1, "cancelled", None)
    assert told(give(server, order, "4", quantity=1))[:3] == (409, None, "order-state")
    assert told(give(server, order, "3", quantity=1)) == (200, 1, "cancelled", "true")
    assert on_hand(server) == 9
    assert server.audit()["totals"]["units_gone"] == 1
