#!/usr/bin/env python3
"""split_openapi.py LISTENER SOURCE OUT: the document of one listener, public or operator, made of
docs/openapi.json.

What is the same on both is said once there. `x-listener` in any object says where that object
exists: elsewhere it is left out, and with it what refers to it. `x-by-listener` in place of an
object has one for each. Conditions (`if`, `not`) are for the tests, which hold every answer against
them: generators of clients do not read them, so they are left out too, as are components, tags and
codes of problems that nothing uses.
"""

import argparse
import json
import sys
from pathlib import Path

LISTENERS = ("public", "operator")
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
GONE = object()


def resolve(document, reference):
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


class Splitter:
    def __init__(self, source, listener, conditions):
        self.source = source
        self.listener = listener
        self.conditions = conditions

    def elsewhere(self, node):
        if self.listener not in node.get("x-listener", LISTENERS):
            return True
        reference = node.get("$ref")
        return isinstance(reference, str) and self.elsewhere(resolve(self.source, reference))

    def take(self, node):
        if isinstance(node, list):
            return [taken for child in node if (taken := self.take(child)) is not GONE]
        if not isinstance(node, dict):
            return node
        if "x-by-listener" in node:
            return self.take(node["x-by-listener"][self.listener])
        if self.elsewhere(node) or ("if" in node and not self.conditions):
            return GONE
        out = {}
        for name, child in node.items():
            taken = self.take(child)
            if name == "not" and not self.conditions:
                continue
            if name != "x-listener" and taken is not GONE and not (name == "allOf" and taken == []):
                out[name] = taken
        return out

    def securities(self, document):
        """Who may: operators on theirs, everybody else on the other."""
        for item in document["paths"].values():
            for method in METHODS:
                choices = item.get(method, {}).get("security")
                if choices:
                    item[method]["security"] = [choice for choice in choices if ("operator" in choice) == (self.listener == "operator")]

    def split(self):
        document = self.take(self.source)
        document["paths"] = {path: item for path, item in document["paths"].items() if any(method in item for method in METHODS)}
        self.securities(document)
        prune(document)
        return document


def references(node):
    if isinstance(node, dict):
        for name, child in node.items():
            if name == "$ref" and isinstance(child, str):
                yield child
            elif name == "mapping":
                yield from child.values()
            elif name == "security":
                yield from (f"#/components/securitySchemes/{scheme}" for choice in child for scheme in choice)
            else:
                yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


# Answers of paths and methods that have no operation to carry them.
ALWAYS = ("#/components/responses/not-found", "#/components/responses/method-not-allowed")


def prune(document):
    used, waiting = set(), [*references(document["paths"]), *ALWAYS]
    while waiting:
        reference = waiting.pop()
        if reference not in used:
            used.add(reference)
            waiting += references(resolve(document, reference))
    components = {
        kind: {name: part for name, part in parts.items() if f"#/components/{kind}/{name}" in used} for kind, parts in document["components"].items()
    }
    document["components"] = {kind: parts for kind, parts in components.items() if parts}
    codes = document["components"]["schemas"]["Problem"]["properties"]["code"]
    codes["enum"] = [code for code in codes["enum"] if code in document["components"]["examples"]]
    tags = {tag for item in document["paths"].values() for method in METHODS for tag in item.get(method, {}).get("tags", [])}
    document["tags"] = [tag for tag in document["tags"] if tag["name"] in tags]


def split(source, listener, conditions=False):
    """With `conditions`: what no generator is to read as well."""
    return Splitter(source, listener, conditions).split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("listener", choices=LISTENERS)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    document = split(json.loads(arguments.source.read_text(encoding="utf-8")), arguments.listener)
    arguments.out.write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
