"""A command against a running server, as a person at a terminal gives it."""

import os

from penstock import JWT_KEY, OPERATOR_TOKEN, run


def operator_environment(server):
    environment = {
        **os.environ,
        "PENSTOCK_OPERATOR_LISTEN": server.operator.removeprefix("http://"),
        "PENSTOCK_GATE_LISTEN": server.public.removeprefix("http://"),
        "PENSTOCK_LEDGER_URL": f"sqlite:{server.ledger}",
        "PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN,
        "PENSTOCK_IDENTITY_JWT_KEY": JWT_KEY,
    }
    for name in ("PENSTOCK", "PENSTOCK_TESTING"):
        environment.pop(name, None)
    return environment


def operate(server, *arguments, **options):
    """Its addresses and token from the environment."""
    return run(*arguments, env=operator_environment(server), cwd=server.folder, **options)
