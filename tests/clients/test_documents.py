"""Schemathesis asks a running program what each listener's document allows, and what it does not:
by its examples, by its limits, by chance and in sequences, and holds every answer against it. Each
request and its limits in time are the same in every run."""

import os
import subprocess

import pytest

from penstock import OPERATOR_TOKEN, ROOT, Server, buyer_token, plain_environment

TOKENS = {"public": lambda: buyer_token("ann"), "operator": lambda: OPERATOR_TOKEN}


@pytest.fixture
def server(tmp_path):
    """One for each: a document's requests change what they find."""
    server = Server(tmp_path).start()
    yield server
    server.kill()


@pytest.mark.parametrize("listener", TOKENS)
def test_every_answer_is_one_that_the_document_promises(server, tmp_path, listener):
    server.make_sale("aj1", lots={"AJ1-42": 10000})  # what the documents' examples name
    base = getattr(server, listener)
    command = [ROOT / "build-clients/venv/bin/schemathesis", "--config-file", ROOT / "tests/clients/schemathesis.toml", "run", f"{base}/openapi.json"]
    options = ["--url", base, "--header", f"Authorization: Bearer {TOKENS[listener]()}", "--max-examples", "10", "--no-color", "--generation-database", "none"]
    environment = {**plain_environment(), "PATH": os.environ["PATH"]}
    done = subprocess.run([*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr
    assert "Stateful" in done.stdout and server.audit()["ok"]
