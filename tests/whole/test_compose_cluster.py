"""
The cluster of compose.yaml, without containers (composed.py): it comes up, sells through nginx,
shows what is watched, and comes back from a fault.
"""

import contextlib
import itertools
import json
import math
import re
import shutil
import threading
import time

import pytest
from composed import DEPLOY, Composed, Prometheus

from penstock import request, wait_until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Composed(tmp_path_factory.mktemp("composed"))
    try:
        yield made.start()
    finally:
        made.free()


def test_an_order_goes_all_the_way_from_nginx_to_postgresql(cluster):
    cluster.make_sale("way", 5, hold_seconds=600)
    first = cluster.buy("anna", "way", Idempotency_Key="k")
    assert first.status == 202, first.body
    again = [cluster.buy("anna", "way", Idempotency_Key="k") for _ in range(2)]
    assert {answer.body for answer in again} == {first.body}
    order = first.json["id"]
    states = [gate.operate("GET", f"/v1/orders/{order}").json["state"] for gate in cluster.gates.values()]
    assert states == ["held", "held"]
    assert cluster["gate-2"].operate("POST", f"/v1/orders/{order}/confirm").status == 200

    def rows():
        return cluster.postgres.sql("SELECT buyer, state FROM penstock.orders WHERE buyer = 'anna'", "penstock")

    wait_until(lambda: rows() and rows()[0][1] == "2", 10, "the order in the ledger, by the drain")
    done = cluster.audit()
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_guides_first_commands_work_inside_a_gate(cluster):
    gate = cluster["gate-1"]
    for command in (
        ("item", "create", "AJ1-42", "--name", "Air 1, size 42", "--on-hand", "5000"),
        ("sale", "create", "aj1", "--lot", "AJ1-42=1000", "--name", "Air 1 drop", "--price", "17900", "--limit", "1", "--hold", "120s", "--opens-in", "5m", "--arm"),
        ("audit",),
        ("replay",),
    ):  # fmt: skip
        done = gate.run(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    token = gate.run("token", "b1").stdout.strip()
    shown = request(cluster["nginx"].public, "GET", "/v1/sales/aj1")
    assert shown.status == 200 and shown.json["state"] == "armed"
    answer = request(
        cluster["nginx"].public, "POST", "/v1/sales/aj1/orders", {}, {"Authorization": f"Bearer {token}"}, source="127.0.6.1"
    )
    assert (answer.status, answer.code) == (409, "sale-not-open")


def test_everything_that_a_gate_does_its_redis_user_may_do(cluster):
    cluster.make_sale("all", 20, hold_seconds=600, rate={"requests": 3, "seconds": 60})
    gate = cluster["gate-1"]
    answers = [cluster.buy(f"buyer-{i}", "all", source=f"127.0.1.{i + 1}") for i in range(4)]
    assert {answer.status for answer in answers} == {202}, [answer.body for answer in answers]
    orders = [answer.json["id"] for answer in answers]
    for order, action in zip(orders, ("confirm", "cancel", "extend", "confirm")):
        body = {"seconds": 60} if action == "extend" else None
        assert gate.operate("POST", f"/v1/orders/{order}/{action}", body).status == 200, action
    assert gate.operate("POST", f"/v1/orders/{orders[3]}/cancel").status == 200
    assert gate.operate("POST", "/v1/sales/all/lots/all/withdraw", {"units": 2}).status == 200
    assert gate.operate("POST", "/v1/items/all/receive", {"units": 3}).status == 200
    assert gate.operate("POST", "/v1/sales/all/lots/all/add", {"units": 3}).status == 200
    for action in ("pause", "resume", "end"):
        assert gate.operate("POST", f"/v1/sales/all/{action}").status == 200, action
    for each in cluster.gates.values():
        assert "NOPERM" not in each.log() and "lacks" not in each.log()


def test_the_buyers_address_counts_and_not_nginxs(cluster):
    cluster.make_sale("address", 50)
    answers = []
    while len(answers) < 70 and 429 not in answers:
        # Loopback is never counted, and what a client says of itself does not count either.
        client = {"X_Test_Client": "198.51.100.5", "X_Forwarded_For": f"192.0.2.{len(answers)}"}
        answers.append(cluster.buy("nobody", "address", "127.0.0.5", Authorization="Bearer garbage", **client).status)
    # Thirty failures a minute at each of two gates.
    assert answers[-1] == 429 and set(answers[:-1]) == {401} and 31 <= len(answers) <= 61, answers
    assert cluster.buy("other", "address", "127.0.0.6", X_Test_Client="198.51.100.6").status == 202


def names_in(text):
    return set(re.findall(r"\b(?:penstock|process)_[a-z_]+\b", text))


def test_what_alerts_and_dashboards_ask_for_is_shown(cluster):
    asked = set()
    for path in (*(DEPLOY / "grafana/dashboards").glob("*.json"), DEPLOY / "prometheus/alerts.yml"):
        asked |= set().union(*(names_in(text) for text in re.findall(r'"?expr"?: (.*)', path.read_text())))
    gate, drain = names_in(cluster["gate-1"].metrics()), names_in(cluster["drain"].metrics())
    asked = {name for name in asked if not name.startswith("penstock_relay_")}  # there is no relay in compose.yaml
    assert len(asked) > 40
    assert asked <= gate | drain, asked - gate - drain
    assert {name for name in asked if name.startswith("penstock_drain_")} <= drain
    assert {name for name in asked if name.startswith("penstock_") and not name.startswith("penstock_drain_")} <= gate
    for service, components in (("gate-1", ("stock", "journal", "ledger")), ("drain", ("drain", "ledger"))):
        for component in components:
            assert cluster[service].metric(f'penstock_component_up{{component="{component}"}}') == 1


def filled(expression):
    """As Grafana asks, with all that its variables offer."""
    for name, value in (("$__rate_interval", "10s"), ("$job", ".+"), ("$instance", ".+"), ("$sale", ".+")):
        expression = expression.replace(name, value)
    return expression


@pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")
def test_no_panel_of_the_dashboard_is_empty_while_a_sale_rushes(cluster, tmp_path):
    """
    Every query of the dashboard, asked of a real Prometheus that watches the cluster during a rush.
    """
    dashboard = json.loads((DEPLOY / "grafana/dashboards/penstock.json").read_text())
    asked = {(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])}
    prometheus, over = Prometheus(tmp_path / "prometheus", cluster), threading.Event()

    def rush():
        for i in itertools.count():
            if over.is_set():
                return
            with contextlib.suppress(OSError):  # one that is not answered on a busy machine
                cluster.buy(f"rush-{i}", "rush", source=f"127.0.9.{i % 200 + 1}")

    def is_empty(expression):
        return not any(not math.isnan(value) for values in prometheus.series(filled(expression), 300) for value in values)

    crowd = threading.Thread(target=rush)
    try:
        prometheus.wait_healthy("prometheus")
        wait_until(lambda: max(map(max, prometheus.series("sum(up)", 60)), default=0) == 3, 60, "both gates and the drain being watched")
        cluster.make_sale("rush", 20, hold_seconds=600)
        crowd.start()
        left = asked
        deadline = time.monotonic() + 180
        while left and time.monotonic() < deadline:
            left = {(title, expression) for title, expression in left if is_empty(expression)}
        assert not left, "these show nothing"
        for target in dashboard["panels"][0]["targets"]:
            curve = filled(target["expr"])
            wait_until(lambda curve=curve: max(map(max, prometheus.series(curve, 300))) > 0, 120, target["legendFormat"])
        offered = {each["name"]: prometheus.label_values(filled(each["definition"])) for each in dashboard["templating"]["list"][1:]}
        wait_until(lambda: prometheus.exemplars('penstock_http_request_duration_seconds_bucket{route="buy"}'), 120, "a trace of a purchase")
        assert offered["job"] == ["penstock", "penstock-drain"] and len(offered["instance"]) == 3 and "rush" in offered["sale"]
    finally:
        over.set()
        if crowd.ident:
            crowd.join()
        prometheus.kill()


def test_the_health_check_of_a_drain_is_its_readiness(cluster):
    drain = cluster["drain"]
    done = drain.run(*drain.health[2:], "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "UP"


def test_a_ledger_that_is_away_is_told_and_no_buyer_notices(cluster):
    cluster.make_sale("away", 10)
    gate, drain = cluster["gate-1"], cluster["drain"]
    ledger = 'penstock_component_up{component="ledger"}'
    cluster.postgres.stop()
    wait_until(lambda: gate.metric(ledger) == 0, 10, "the figure of a ledger that is away")
    assert gate.is_healthy()
    assert cluster.buy("anna", "away", "127.0.4.1").status == 202
    # A drain finds out when there is something to write.
    wait_until(lambda: drain.metric(ledger) == 0 and not drain.is_healthy(), 10, "the drain's figure")
    cluster.postgres.start()
    wait_until(lambda: gate.metric(ledger) == drain.metric(ledger) == 1 and drain.is_healthy(), 20, "the ledger")
    wait_until(lambda: gate.operate("GET", "/v1/orders?sale=away").json.get("orders"), 10, "the order")


def test_what_redis_forgets_is_built_again(cluster):
    cluster.make_sale("back", 10)
    order = cluster.buy("anna", "back", "127.0.0.7", Idempotency_Key="k")
    redis, gate = cluster["redis"], cluster["gate-1"]
    redis.kill()
    wait_until(lambda: gate.metric('penstock_component_up{component="stock"}') == 0, 10, "the figure of a stock that is away")
    assert not gate.is_healthy()
    for path in redis.folder.glob("appendonlydir/*"):
        path.unlink()
    redis.start()
    redis.wait_healthy("redis")

    sources = (f"127.0.3.{i}" for i in itertools.count(1))

    def again():
        return cluster.buy("anna", "back", next(sources), Idempotency_Key="k")

    wait_until(lambda: again().body == order.body, 20, "the order again")
    assert sum(each.metric("penstock_rebuild_sales_total") for each in cluster.gates.values()) > 0
    assert gate.metric('penstock_component_up{component="stock"}') == 1


def test_buyers_do_not_notice_that_a_gate_is_gone(cluster):
    cluster.make_sale("gone", 50)
    cluster["gate-2"].kill()
    answers = [cluster.buy(f"g{i}", "gone", f"127.0.2.{i + 1}", Idempotency_Key="k").status for i in range(6)]
    assert answers == [202] * 6
    cluster["gate-2"].start()
    cluster["gate-2"].wait_healthy("gate-2")
    done = cluster.audit()
    assert done.returncode == 0, done.stdout + done.stderr
