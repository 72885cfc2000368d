"""
/metrics as OpenMetrics: read by Prometheus' own parser, the same figures as the plain text has, and
a trace beside the latencies of requests.
"""

import re
import time

from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser

from penstock import request, wait_until

TEXT, OPENMETRICS = "text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8"
# As Prometheus itself asks.
SCRAPER = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def shown(place, accept=None):
    answer = request(place, "GET", "/metrics", headers={"Accept": accept} if accept else {}, documented=False)
    assert answer.status == 200 and answer.header("vary") == "Accept"
    return answer.header("content-type"), answer.body.decode()


def openmetrics(place):
    kind, text = shown(place, SCRAPER)
    assert kind == OPENMETRICS and text.endswith("\n# EOF\n")
    return list(parser.text_string_to_metric_families(text))


def series(families):
    """Names of samples with their labels; OpenMetrics has another form of whole bounds."""
    found = set()
    for family in families:
        for sample in family.samples:
            labels = {name: float(value) if name == "le" else value for name, value in sample.labels.items()}
            found.add((sample.name, *sorted(labels.items())))
    return found


def judge(place):
    """Both formats show the same series, with the same types."""
    families = openmetrics(place)
    kind, text = shown(place)
    assert kind == TEXT and " # {" not in text
    plain = list(text_parser.text_string_to_metric_families(text))
    assert series(families) == series(plain)
    assert {family.name: family.type for family in families} == {family.name: family.type for family in plain}
    assert {family.name: family.documentation for family in families} == {family.name: family.documentation for family in plain}
    return families


def exemplars(families, name):
    """The buckets of a histogram that have one: what names them, and it."""
    (family,) = (family for family in families if family.name == name)
    return [(sample.labels, sample.exemplar) for sample in family.samples if sample.exemplar]


def test_a_gate_shows_the_same_in_both_formats_and_the_trace_of_a_purchase(server):
    begun = time.time()
    server.make_sale("drop", 10)
    assert server.buy("drop", "ann", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01").status == 202
    found = exemplars(judge(server.operator), "penstock_http_request_duration_seconds")
    purchases = [(labels, exemplar) for labels, exemplar in found if labels["route"] == "buy"]
    assert [exemplar.labels for _, exemplar in purchases] == [{"trace_id": TRACE}]
    ((labels, exemplar),) = purchases
    assert 0 < exemplar.value <= float(labels["le"])
    assert begun - 1 <= float(exemplar.timestamp) <= time.time() + 1


def test_a_relay_shows_the_same_in_both_formats(server, endpoint, relay):
    judge(relay(server, endpoint).monitor)


def test_a_drain_shows_the_same_in_both_formats(gates, kafka):
    cluster = gates(1, kafka=kafka)
    cluster.make_sale("drop", 10)
    wait_until(lambda: cluster.is_selling("drop"), 60, "the sale")
    judge(cluster.gates[0].operator)
    judge(cluster.drains[0].monitor)


def test_who_does_not_ask_for_it_gets_plain_text(server):
    for accept in (None, "*/*", "text/plain", "application/json", "application/openmetrics-text;version=9", "application/openmetrics-text;q=0"):
        kind, text = shown(server.operator, accept)
        assert kind == TEXT and "# EOF" not in text, accept


def test_exemplars_are_bounded(server):
    """However many requests there are: one for each bucket at most."""
    server.make_sale("drop", 500)
    for i in range(300):
        server.buy("drop", f"b{i}")
    _, text = shown(server.operator, SCRAPER)
    buckets = re.findall(r'^(penstock_http_request_duration_seconds_bucket\{route="buy",.*?\}) (\d+)(.*)$', text, re.MULTILINE)
    assert len(buckets) == 18 and int(buckets[-1][1]) == 300
    assert 1 <= sum(bool(exemplar) for _, _, exemplar in buckets) <= 18
