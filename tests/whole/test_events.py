"""
The events in Kafka, as another program reads them: what docs/asyncapi.json says of them, and what
docs/events.md says can be made of them.
"""

import copy
import json
import re

import pytest

import openapi
from asyncapi import Record, document, read_records
from penstock import ROOT, wait_until

# --- The document ---


def walk(node):
    if isinstance(node, (dict, list)):
        yield node
        for child in node.values() if isinstance(node, dict) else node:
            yield from walk(child)


def references():
    return [node["$ref"] for node in walk(document().json) if isinstance(node, dict) and "$ref" in node]


def test_the_document_is_of_the_form_of_asyncapi_3():
    found = document().json
    assert found["asyncapi"] == "3.0.0"
    assert set(found) <= {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"}
    assert {"title", "version", "description", "license"} == set(found["info"])
    assert found["info"]["version"] == openapi.document("public").json["info"]["version"]
    for server in found["servers"].values():
        assert {"host", "protocol"} <= set(server) and server["protocol"] == "kafka"
        assert set(re.findall(r"{(\w+)}", server["host"])) == set(server["variables"])
    for channel in found["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])
        assert all(server["$ref"].startswith("#/servers/") for server in channel["servers"])
        assert all(message["$ref"].startswith("#/components/messages/") for message in channel["messages"].values())


def test_every_reference_leads_somewhere_and_every_component_is_used():
    for reference in references():
        document().resolve({"$ref": reference})
    for kind, components in document().json["components"].items():
        for name in components:
            assert f"#/components/{kind}/{name}" in references()


def test_every_channel_has_its_operations():
    """
    Of all messages of the channel, named as messages of the channel. Gates write events and drains
    read them; drains write dead letters.
    """
    channels, operations = document().json["channels"], document().json["operations"].values()
    found = [(operation["action"], operation["channel"]["$ref"].removeprefix("#/channels/")) for operation in operations]
    assert sorted(found) == [("receive", "events"), ("send", "deadLetters"), ("send", "events")]
    for operation, (_, name) in zip(operations, found):
        assert [message["$ref"] for message in operation["messages"]] == [f"#/channels/{name}/messages/{key}" for key in channels[name]["messages"]]


@pytest.mark.parametrize("channel", ["events", "deadLetters"])
def test_every_message_is_whole_and_its_examples_are_true(channel):
    for name, message in document().messages(channel).items():
        assert message["title"] and message["summary"] and message["contentType"] and message["examples"], name
        for part in ("headers", "payload"):
            schema = document().resolve(message[part])
            assert channel == "deadLetters" or (schema["additionalProperties"] is False and schema["required"])
            assert set(schema.get("required", [])) <= set(schema.get("properties", {}))
        for example in message["examples"]:
            if channel == "deadLetters":
                document().validate(message["headers"], example["headers"], name)
                continue
            document().judge(message, example["headers"], example["payload"], str(example["payload"]["sale"]))
            assert list(example["payload"]) == [key for key in document().resolve(message["payload"])["properties"] if key in example["payload"]]


def test_the_document_has_the_programs_kinds_and_no_other():
    source = (ROOT / "src/model/event.c").read_text()
    kinds = re.findall(r'^\t\[EVENT_\w+\] = \{"([a-z.]+)"', source, re.MULTILINE)
    assert len(kinds) == 10
    assert sorted(document().events()) == sorted(kinds)


def test_the_guide_names_every_kind_header_member_and_reason():
    guide = (ROOT / "docs/events.md").read_text()
    assert "asyncapi.json" in guide
    for message in [*document().events().values(), *document().messages("deadLetters").values()]:
        words = {message["name"]} if message["name"] != "dead-letter" else set()
        for part in ("headers", "payload"):
            words |= set(document().resolve(message[part]).get("properties", {}))
        for word in words:
            assert f"`{word}`" in guide, word
    reasons = re.findall(r'_REASON\[\] = "(.+)";', (ROOT / "src/drain/batch.c").read_text())
    assert len(reasons) == 2
    for reason in reasons:
        assert f"| `{reason}` |" in guide, reason


def example_of(kind):
    example = copy.deepcopy(document().events()[kind]["examples"][0])
    return example["headers"], example["payload"]


@pytest.mark.parametrize(
    "part, name, value",
    [
        ("payload", "secret", 1),
        ("payload", "v", 2),
        ("payload", "sale", 2),
        ("payload", "sale", "1"),
        ("payload", "quantity", 0),
        ("payload", "buyer", "b b"),
        ("payload", "buyer", None),
        ("payload", "at", "2026-11-24T02:36:20Z"),
        ("payload", "at", "2026-13-24T02:36:20.690Z"),
        ("payload", "hold_expires_at", "soon"),
        ("payload", "id", "01a20b69-4f52-4000-8157-4cd905000001"),
        ("payload", "trace", None),
        ("headers", "ce_type", "penstock.order.confirmed.v1"),
        ("headers", "ce_time", "2026-11-24T02:36:20.691Z"),
        ("headers", "ce_specversion", None),
        ("headers", "more", "x"),
    ],
)
def test_another_record_is_caught(part, name, value):
    headers, event = example_of("order.reserved")
    parts = {"headers": headers, "payload": event}
    document().judge(document().events()["order.reserved"], headers, event, "1")
    if value is None:
        del parts[part][name]
    else:
        parts[part][name] = value
    with pytest.raises(AssertionError):
        document().judge(document().events()["order.reserved"], headers, event, str(event["sale"]))


# --- A reader as docs/events.md tells to write it ---

MOVES = {
    "order.confirmed": ("held", "confirmed"),
    "order.cancelled": ("held", "cancelled"),
    "order.refunded": ("confirmed", "cancelled"),
    "order.expired": ("held", "expired"),
}


class Reader:
    def __init__(self):
        self.barriers, self.orders, self.holds, self.seen = {}, {}, {}, set()

    def take(self, record):
        event = record.json
        sale, order = event["sale"], event["id"]
        if event["epoch"] < self.barriers.get(sale, 0):
            return  # void
        name = (order, event["kind"], event["at"], event.get("left"))
        if name in self.seen:
            return  # it came twice
        self.seen.add(name)
        if event["kind"] == "sale.barrier":
            self.barriers[sale] = event["epoch"]
        elif event["kind"] == "order.reserved":
            self.orders[order] = "held" if event["hold_expires_at"] else "confirmed"
            self.holds[order] = event["hold_expires_at"]
        elif event["kind"] == "order.extended" and self.orders[order] == "held":
            self.holds[order] = max(self.holds[order], event["hold_expires_at"])
        elif event["kind"] in MOVES and self.orders[order] == MOVES[event["kind"]][0]:
            self.orders[order] = MOVES[event["kind"]][1]


def record_of(kind, offset, **members):
    _, event = example_of(kind)
    event.update(members)
    return Record(0, offset, str(event["sale"]), {}, json.dumps(event))


# --- The records ---


def live(cluster):
    """Something of every kind, in three sales; the orders, by buyer."""
    orders = {}

    def buy(sale, buyer, **options):
        answer = cluster.buy(sale, buyer, **options)
        assert answer.status == 202, answer.body
        orders[buyer] = answer.json
        return answer.json["id"]

    def act(order, action, body=None):
        answer = cluster.operate("POST", f"/v1/orders/{order}/{action}", body)
        assert answer.status == 200, answer.body
        return answer.json

    cluster.make_sale("drop", lots={"small": 4, "large": 20}, hold_seconds=600, limit_per_buyer=5)
    cluster.make_sale("brief", 5, hold_seconds=1)
    cluster.make_sale("firm", 5, hold_seconds=0)
    wait_until(lambda: all(cluster.is_selling(sale) for sale in ("drop", "brief", "firm")), 10, "the sales")
    anna = buy("drop", "anna", key="k 1", body={"sku": "large", "quantity": 2})
    orders["anna"]["extended"] = act(anna, "extend", {"seconds": 3600})["hold_expires_at"]
    paid = {"reference": "pi_1", "amount": 200, "currency": "EUR", "method": "card"}
    act(anna, "confirm", {"payment": paid})
    some = cluster.operate("POST", f"/v1/orders/{anna}/cancel", {"quantity": 1, "units": "gone"}, headers={"Idempotency-Key": "k"})
    assert (some.status, some.json["quantity"]) == (200, 1), some.body
    act(anna, "cancel")
    ben = buy("drop", "ben", body={"sku": "small"})
    assert cluster.ask("POST", f"/v1/orders/{ben}/cancel", buyer="ben").status == 200
    act(buy("drop", "cleo", body={"sku": "small"}), "confirm")
    buy("brief", "dora")
    act(buy("firm", "eve"), "confirm", {"payment": {"reference": "pi_1"}})
    assert cluster.operate("POST", "/v1/sales/drop/lots/large/withdraw", {"units": 3}).json["units_withdrawn"] == 3
    wait_until(lambda: cluster.order(orders["dora"]["id"]).json["state"] == "expired", 15, "the expiry")
    cluster.settle()
    cluster.redis.call("FLUSHALL")
    wait_until(lambda: all(cluster.is_selling(sale) for sale in ("drop", "brief", "firm")), 30, "the rebuilt stock")
    buy("drop", "fay", body={"sku": "small"})
    cluster.settle()
    return orders


def test_every_kind_is_written_as_the_document_says(gates, kafka):
    cluster = gates(2, kafka=kafka, settings={"sale.hold_grace": "0s"})
    orders = live(cluster)
    records = read_records(kafka, cluster.topic)
    kinds = {document().judge_event(record) for record in records}
    assert kinds == set(document().events())
    # A sale is one partition.
    for sale in {record.key for record in records}:
        assert len({record.partition for record in records if record.key == sale}) == 1
    # And in it, everything in its order. (The probe is the cluster's, to find out whether it
    # sells.)
    drop = next(record.key for record in records if record.json["id"] == orders["anna"]["id"])
    story = dict.fromkeys((record.json["kind"], record.json.get("buyer")) for record in records if record.key == drop)
    story.pop(("order.reserved", "probe"))
    assert list(story) == [
        ("order.reserved", "anna"),
        ("order.extended", None),
        ("order.confirmed", None),
        ("order.reduced", None),
        ("order.refunded", None),
        ("order.reserved", "ben"),
        ("order.cancelled", None),
        ("order.reserved", "cleo"),
        ("stock.withdrawn", None),
        ("sale.barrier", None),
        ("order.reserved", "fay"),
    ]
    events = {(record.json["kind"], record.json["id"]): record.json for record in records}
    anna, reserved = orders["anna"], events["order.reserved", orders["anna"]["id"]]
    expected = {"buyer": "anna", "actor": "anna", "actor_kind": "buyer", "key": "k 1", "lot": 1, "quantity": 2, "buyer_units": 2, "limit_per_buyer": 5}
    assert expected.items() <= reserved.items()
    assert (reserved["at"], reserved["hold_expires_at"]) == (anna["placed_at"], anna["hold_expires_at"])
    assert events["order.extended", anna["id"]]["hold_expires_at"] == anna["extended"]
    assert events["order.expired", orders["dora"]["id"]]["actor"] == "clock"
    kinds = {(event["kind"], event["actor_kind"]) for event in events.values()}
    assert kinds == {
        ("order.reserved", "buyer"),
        ("order.confirmed", "operator"),
        ("order.paid", "operator"),
        ("order.cancelled", "buyer"),
        ("order.refunded", "operator"),
        ("order.reduced", "operator"),
        ("order.expired", "clock"),
        ("order.extended", "operator"),
        ("stock.withdrawn", "operator"),
        ("sale.barrier", "clock"),
    }
    assert {"quantity": 1, "left": 1, "units": "gone"}.items() <= events["order.reduced", anna["id"]].items()
    assert events["order.refunded", anna["id"]]["quantity"] == 1
    assert events["order.reserved", orders["eve"]["id"]]["hold_expires_at"] is None
    paid = {"payment_reference": "pi_1", "payment_amount": 200, "payment_currency": "EUR", "payment_method": "card"}
    assert paid.items() <= events["order.confirmed", anna["id"]].items()
    assert events["order.paid", orders["eve"]["id"]]["payment_reference"] == "pi_1"
    assert {order["id"] for order in cluster.orders(payment="pi_1")} == {anna["id"], orders["eve"]["id"]}
    assert events["order.reserved", orders["fay"]["id"]]["epoch"] > reserved["epoch"]
    # Who reads it as the guide says has what the ledger has.
    reader = Reader()
    for record in [*records, *records]:
        reader.take(record)
    ledger = {row: state for sale in ("drop", "brief", "firm") for row, (*_, state) in cluster.order_rows(sale).items()}
    assert {order.replace("-", ""): state for order, state in reader.orders.items()} == ledger
    cluster.audit()


def test_a_reader_takes_late_and_old_records_as_the_guide_says():
    reader = Reader()
    for record in (
        record_of("order.reserved", 0, epoch=2),
        record_of("order.expired", 1, epoch=2),
        record_of("order.confirmed", 2, epoch=2),  # too late
        record_of("sale.barrier", 3, epoch=3),
        record_of("order.reserved", 4, epoch=2, id="01a20b69-4f52-7000-8157-4cd906000001"),  # of a stock that was no more
    ):
        reader.take(record)
    assert list(reader.orders.values()) == ["expired"]


def test_a_dead_letter_is_what_the_document_says(gates, kafka):
    cluster = gates(1, kafka=kafka)
    bad = ["-P", "-t", cluster.topic, "-p", "1", "-k", "7", "-H", "ce_type=penstock.order.eaten.v1"]
    kafka.kcat(*bad, input='{"v":1,"sort":"order.eaten"}')
    wait_until(lambda: f"{cluster.topic}.dead" in kafka.kcat("-L", "-J"), 20, "the dead letters' topic")
    dead = wait_until(lambda: read_records(kafka, f"{cluster.topic}.dead"), 20, "the dead letter")
    for record in dead:
        document().judge_dead(record)
    assert (dead[0].key, dead[0].value) == ("7", '{"v":1,"sort":"order.eaten"}')
    assert dead[0].headers == {
        "ce_type": "penstock.order.eaten.v1",
        "penstock-reason": "kind is missing or unknown",
        "penstock-source-topic": cluster.topic,
        "penstock-source-partition": "1",
        "penstock-source-offset": "0",
    }


def test_an_event_of_a_newer_program_stops_its_partition_and_is_no_dead_letter(gates, kafka):
    """
    Its buyer may have been told of it: nothing goes on behind it until a drain that knows it is
    there.
    """
    cluster = gates(1, kafka=kafka)
    kafka.kcat("-P", "-t", cluster.topic, "-p", "1", "-k", "7", input='{"v":2,"kind":"order.reserved"}')
    drain = cluster.drains[0]
    wait_until(lambda: "an event of a version or kind that this program does not know" in drain.log(), 60, "the drain's notice")
    wait_until(lambda: drain.metric("penstock_drain_partitions_stalled") == 1, 20, "the metric")
    assert drain.metric('penstock_drain_events_total{outcome="dead"}') == 0
    assert f"{cluster.topic}.dead" not in kafka.kcat("-L", "-J"), "no dead letter"
