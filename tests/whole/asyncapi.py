"""
docs/asyncapi.json as a judge: whether a record of the journal's topic, or of its dead letters, is
one that the document promises.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from uuid import UUID

from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

PATH = Path(__file__).resolve().parents[2] / "docs/asyncapi.json"
URI = "urn:penstock:asyncapi"


@dataclass
class Record:
    partition: int
    offset: int
    key: str
    headers: dict
    value: str

    @property
    def json(self):
        return json.loads(self.value)


def read_records(kafka, topic):
    """All that a topic has, read by a client that is none of ours."""
    records = []
    for line in kafka.kcat("-C", "-q", "-J", "-e", "-o", "beginning", "-t", topic).splitlines():
        found = json.loads(line)
        names, values = found["headers"][::2], found["headers"][1::2]
        assert len(names) == len(set(names)), names
        records.append(Record(found["partition"], found["offset"], found["key"], dict(zip(names, values)), found["payload"]))
    return sorted(records, key=lambda record: (record.partition, record.offset))


def wall_ms(text):
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Document:
    def __init__(self):
        self.json = json.loads(PATH.read_text())
        self.registry = Registry().with_resource(URI, Resource(self.json, DRAFT7))
        self.formats = Draft7Validator.FORMAT_CHECKER

    def resolve(self, node):
        while "$ref" in node:
            assert len(node) == 1, f"what stands beside a reference is not read: {node}"
            assert node["$ref"].startswith("#/"), node
            found = self.json
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node

    def messages(self, channel):
        """The messages of a channel, by name."""
        messages = [self.resolve(message) for message in self.json["channels"][channel]["messages"].values()]
        return {message["name"]: message for message in messages}

    def events(self):
        return self.messages("events")

    def validate(self, schema, value, what):
        """schema: as it stands in the document."""
        validator = Draft7Validator(self.rebase(schema), registry=self.registry, format_checker=self.formats)
        errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
        assert not errors, f"{what}: {errors}: {value}"

    def rebase(self, node):
        """References within the document, as seen from a schema that stands alone."""
        if isinstance(node, dict):
            return {name: URI + child if name == "$ref" else self.rebase(child) for name, child in node.items()}
        return [self.rebase(child) for child in node] if isinstance(node, list) else node

    def judge_event(self, record):
        """
        Fails where the document does not promise this record in the journal's topic. The event's
        kind.
        """
        event = record.json
        message = self.events().get(event["kind"])
        assert message, f"the document knows no {event['kind']}: {record}"
        self.judge(message, record.headers, event, record.key)
        return event["kind"]

    def judge(self, message, headers, event, key):
        """
        Headers and value each by its schema, and then what no schema says: that they say the same.
        """
        self.validate(message["headers"], headers, message["name"])
        self.validate(message["payload"], event, message["name"])
        self.validate(self.resolve(message["bindings"])["kafka"]["key"], key, message["name"])
        assert key == str(event["sale"])
        assert UUID(event["id"]).int % (1 << 24) == event["sale"]
        left = f"/{event['left']}" if "left" in event else ""
        assert headers["ce_id"] == f"{event['id']}/{event['kind']}/{wall_ms(event['at'])}{left}"
        assert headers["ce_type"] == f"penstock.{event['kind']}.v{event['v']}"
        assert headers["ce_subject"] == f"sales/{event['sale']}/{event['id']}"
        assert headers["ce_time"] == event["at"]
        assert headers.get("traceparent") == event.get("trace")

    def judge_dead(self, record):
        message = self.messages("deadLetters")["dead-letter"]
        self.validate(message["headers"], record.headers, "dead-letter")


@cache
def document():
    return Document()
