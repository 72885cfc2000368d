"""
docs/openapi.json as a judge: whether an answer is one that a listener's document promises for its
path, method and status.
"""

import json
import re
import sys
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from split_openapi import LISTENERS, METHODS, split  # noqa: E402

PATH = ROOT / "docs/openapi.json"
URI = "urn:penstock:openapi"


def pointer(*steps):
    return URI + "#/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)


class Document:
    """Of one listener, with the conditions that generators of clients do not get to see."""

    def __init__(self, listener):
        self.listener = listener
        self.json = split(json.loads(PATH.read_text()), listener, conditions=True)
        self.registry = Registry().with_resource(URI, Resource(self.json, DRAFT202012))
        self.formats = Draft202012Validator.FORMAT_CHECKER
        # Fixed steps before parameters: /v1/orders/{order}/cancel is no /v1/orders/{order}.
        self.patterns = [
            (re.compile("^" + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$"), path) for path in self.json["paths"]
        ]

    def operations(self):
        """(path, method, operation) of everything on this listener."""
        for path, item in self.json["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method.upper(), item[method]

    def find(self, path):
        """The document's path that this one is of, or None."""
        found = [template for pattern, template in self.patterns if pattern.match(path)]
        assert len(found) <= 1, f"{path} is {found}"
        return found[0] if found else None

    def resolve(self, steps):
        """The node at these steps and the steps to it, with references followed."""
        node = self.json
        for step in steps:
            node = node[step]
        if "$ref" in node:
            return self.resolve(node["$ref"].removeprefix("#/").split("/"))
        return node, steps

    def validate(self, value, *steps):
        validator = Draft202012Validator({"$ref": pointer(*steps)}, registry=self.registry, format_checker=self.formats)
        errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
        assert not errors, f"{'/'.join(steps)}: {errors}: {value}"

    def judge(self, method, target, answer):
        """Fails where the document does not promise this answer."""
        path = self.find(target.split("?")[0])
        steps = ["paths", path or "", method.lower()]
        documented = path is not None and method.lower() in self.json["paths"][path]
        if answer.status in (404, 405) and answer.body and answer.code in ("not-found", "method-not-allowed"):
            steps = ["components", "responses", answer.code]
        else:
            assert documented, f"the document knows no {method} {target}, which was answered {answer.status}"
            responses = self.json["paths"][path][method.lower()]["responses"]
            assert str(answer.status) in responses, f"{method} {path} promises {list(responses)}, not {answer.status}: {answer.body}"
            steps += ["responses", str(answer.status)]
        response, steps = self.resolve(steps)
        # Beyond gate.connections_max the answer is given before anything is read.
        assert answer.header("traceparent") or answer.status == 503, f"{method} {target} {answer.status} has no traceparent"
        self.judge_headers(response, answer)
        kind = (answer.header("content-type") or "").split(";")[0]
        content = response.get("content", {})
        if not content:
            assert not answer.body, f"{method} {target} {answer.status} has a body: {answer.body}"
            return
        kind = kind if kind in content or "*/*" not in content else "*/*"
        assert kind in content, f"{method} {target} {answer.status} promises {list(content)}, not {kind}"
        if kind.endswith("json") and "schema" in content[kind]:
            self.validate(answer.json, *steps, "content", kind, "schema")

    def judge_headers(self, response, answer):
        for name, header in response.get("headers", {}).items():
            value = answer.header(name)
            if "$ref" in header:
                header, _ = self.resolve(header["$ref"].removeprefix("#/").split("/"))
            assert value is not None or not header.get("required"), f"{name} is promised"
            if value is not None:
                schema = header.get("schema", {})
                value = int(value) if schema.get("type") == "integer" else value
                Draft202012Validator(schema, registry=self.registry).validate(value)


@cache
def document(listener):
    return Document(listener)


# Which listener is at which address, as far as the tests have started it.
listeners = {}


def judge(base, method, target, answer):
    """By the document of the listener there; where nobody knows which that is, by either."""
    if base in listeners:
        document(listeners[base]).judge(method, target, answer)
        return
    path = target.split("?")[0]
    for listener in LISTENERS:
        item = document(listener).json["paths"].get(document(listener).find(path) or "", {})
        if method.lower() in item and str(answer.status) in item[method.lower()]["responses"]:
            break
    document(listener).judge(method, target, answer)
