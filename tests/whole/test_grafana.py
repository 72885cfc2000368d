"""
The dashboards, held against Grafana's own conventions (those of its dashboard-linter) and its
schema as far as it is used here.
"""

import json
import re

import pytest
from composed import DEPLOY

PATHS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
# What Grafana shows in these panels; anything else is a word that it does not know.
PANELS = {"row", "timeseries", "stat", "bargauge"}
UNITS = {"short", "s", "bytes", "percentunit", "reqps", "ops"}
PANEL_KEYS = {"id", "type", "title", "description", "datasource", "gridPos", "fieldConfig", "options", "targets"}
ROW_KEYS = {"id", "type", "title", "gridPos", "collapsed", "panels", "repeat", "repeatDirection"}
# Their value alone says it: whatever it is but 0 must be seen, however long ago it rose.
TOTALS = {"penstock_promise_broken_total", "penstock_drain_dead_letters_total"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def read(path):
    return json.loads(path.read_text())


def targets(dashboard):
    return [(panel, target) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def test_there_is_a_dashboard():
    assert PATHS and all(targets(read(path)) for path in PATHS)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
class TestDashboard:
    def test_it_is_as_it_is_shipped(self, path):
        shown = read(path)
        assert path.stem == shown["uid"] and shown["title"] and shown["description"]
        assert shown["editable"] is False and shown["schemaVersion"] == 39
        assert "id" not in shown and "__inputs" not in shown, "what an export of one Grafana has is of use there alone"

    def test_its_variables_are_those_that_are_usual(self, path):
        first, *others = read(path)["templating"]["list"]
        assert (first["name"], first["label"], first["type"], first["query"]) == ("datasource", "Data source", "datasource", "prometheus")
        assert [(each["name"], each["label"]) for each in others] == [("job", "Job"), ("instance", "Instance"), ("sale", "Sale")]
        for each in others:
            assert (each["type"], each["datasource"], each["multi"], each["includeAll"]) == ("query", SOURCE, True, True)
            assert (each["allValue"], each["refresh"]) == (".+", 2), "processes and sales come and go: asked again with the time"
            assert each["definition"] == each["query"]["query"] and each["definition"].startswith("label_values(")

    def test_each_panel_says_what_it_shows_and_in_what_unit(self, path):
        for panel in read(path)["panels"]:
            assert panel["type"] in PANELS and panel["title"]
            if panel["type"] == "row":
                assert set(panel) <= ROW_KEYS, panel["title"]
                continue
            assert set(panel) <= PANEL_KEYS, panel["title"]
            assert len(panel["description"]) > 10 and panel["datasource"] == SOURCE, panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
            assert panel["targets"], panel["title"]

    def test_rates_have_the_unit_of_rates(self, path):
        for panel in read(path)["panels"]:
            asked = [target["expr"] for target in panel.get("targets", [])]
            if asked and all(re.search(r"^sum[^(]*\(rate\((?!.*/)(?!.*seconds_total)", expression) for expression in asked):
                assert panel["fieldConfig"]["defaults"]["unit"] in ("reqps", "ops"), panel["title"]

    def test_each_query_can_be_narrowed_and_none_is_given_twice(self, path):
        for panel, target in targets(read(path)):
            assert target["datasource"] == SOURCE, panel["title"]
            selectors = re.findall(r"\b(?:penstock|process)_\w+(\{[^}]*\})?|\bup(\{[^}]*\})", target["expr"])
            assert selectors, panel["title"]
            for selector in selectors:
                assert 'job=~"$job"' in "".join(selector) and 'instance=~"$instance"' in "".join(selector), target["expr"]
        for panel in read(path)["panels"]:
            references = [target["refId"] for target in panel.get("targets", [])]
            assert len(references) == len(set(references)), panel["title"]
        asked = [target["expr"] for panel, target in targets(read(path)) if panel["type"] != "stat"]
        assert len(asked) == len(set(asked))

    def test_counters_are_shown_as_rates_over_the_interval_that_grafana_knows(self, path):
        for panel, target in targets(read(path)):
            for name in re.findall(r"\b\w+_(?:total|bucket|sum|count)\b", target["expr"]):
                found = re.search(rf"(?:rate|increase)\({name}\{{[^}}]*\}}\[\$__rate_interval\]\)", target["expr"])
                assert found or (name in TOTALS and panel["type"] == "stat"), (panel["title"], name)
            assert not re.search(r"\[(?!\$__rate_interval\])", target["expr"]), (panel["title"], "a range of its own")

    def test_the_two_curves_of_a_sale_are_the_first_that_is_seen(self, path):
        shown = read(path)["panels"]
        first = min((panel for panel in shown), key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))
        accepted, gone = [target["expr"] for target in first["targets"]]
        assert 'outcome="accepted"' in accepted and 'outcome=~"sold-out|sale-ended"' in gone
        colours = {each["matcher"]["options"]: each["properties"][0]["value"]["fixedColor"] for each in first["fieldConfig"]["overrides"]}
        assert set(colours) == {target["legendFormat"] for target in first["targets"]} and len(set(colours.values())) == 2

    def test_there_is_a_row_by_sale(self, path):
        shown = read(path)["panels"]
        rows = [panel for panel in shown if panel.get("repeat") == "sale"]
        assert len(rows) == 1 and "$sale" in rows[0]["title"]
        at = shown.index(rows[0]) + 1
        end = next(i for i in range(at, len(shown)) if shown[i]["type"] == "row")
        for panel in shown[at:end]:
            assert "$sale" in panel["title"] and all('sale=~"$sale"' in target["expr"] for target in panel["targets"]), panel["title"]
        assert end - at == 3
