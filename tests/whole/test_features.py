"""
What a build has and what it was left without. `tools/check features` runs this over builds without
each of the adapters.
"""

import base64
import json
import subprocess

import pytest

from penstock import OPERATOR_TOKEN, PROGRAM, plain_environment, run

# Of each feature, settings that ask for it and would be right where it is built in.
ASKING = {
    "redis": {"stock.url": "redis://127.0.0.1:1/0", "ledger.url": "postgresql://127.0.0.1:1/none"},
    "kafka": {"stock.url": "redis://127.0.0.1:1/0", "journal.url": "kafka://127.0.0.1:1/none", "ledger.url": "postgresql://127.0.0.1:1/none"},
    "postgres": {"ledger.url": "postgresql://127.0.0.1:1/none"},
}
# What the embedded profile stands on.
EMBEDDED = {"libc.so.6", "libcrypto.so.3", "libjansson.so.4", "libm.so.6", "libsqlite3.so.0"}
LIBRARY_OF = {"redis": "libhiredis.so", "kafka": "librdkafka.so", "postgres": "libpq.so"}


@pytest.fixture(scope="module")
def features():
    return json.loads(run("version", "--json").stdout)["features"]


def needed():
    """The libraries that the program itself names."""
    told = subprocess.run(["readelf", "--dynamic", "--wide", PROGRAM], capture_output=True, text=True, check=True).stdout
    return {line.partition("[")[2].rstrip("]") for line in told.splitlines() if "(NEEDED)" in line}


def flags(settings):
    return [text for name, value in settings.items() for text in (f"--{name}", value)]


def test_the_version_tells_what_is_built_in(features):
    first, second = run("version").stdout.splitlines()
    assert first.startswith("penstock 0.")
    assert second == "features: " + " ".join(("+" if built else "-") + name for name, built in features.items())
    assert list(features) == ["redis", "kafka", "postgres", "static"]


@pytest.mark.parametrize("feature", ASKING)
def test_settings_that_ask_for_what_is_not_built_in_are_refused_by_its_name(features, feature, tmp_path):
    if features[feature]:
        assert f"the feature {feature}" not in run("config", *flags(ASKING[feature])).stderr
        return
    # Nothing else that they name may be what is missed.
    settings = {"postgres": ASKING["postgres"], "redis": {"stock.url": "redis://127.0.0.1:1/0"}, "kafka": {"journal.url": "kafka://127.0.0.1:1/none"}}[feature]
    (tmp_path / "penstock.conf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    done = run("serve", "--config", str(tmp_path / "penstock.conf"))
    assert done.returncode == 2 and f"{next(iter(settings))}: this penstock is built without the feature {feature}" in done.stderr


def test_a_drain_without_kafka_or_postgres_is_refused(features):
    if features["kafka"] and features["postgres"]:
        pytest.skip("this build can drain")
    done = run("drain", *flags(ASKING["kafka"]))
    assert done.returncode == 2 and "this penstock is built without the feature " in done.stderr


def test_a_ledger_of_a_kind_that_is_not_built_in_is_named_so(features):
    if features["postgres"]:
        pytest.skip("this build has PostgreSQL")
    done = run("audit", "postgresql://127.0.0.1:1/none")
    assert done.returncode == 2 and "built without the feature postgres" in done.stderr


def test_only_libraries_of_what_is_built_in_are_linked(features):
    if features["static"]:
        assert needed() == set()
        return
    libraries = needed() - {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
    asked = tuple(library for feature, library in LIBRARY_OF.items() if features[feature])
    assert {name for name in libraries if not name.startswith(asked)} == EMBEDDED
    assert all(any(name.startswith(library) for name in libraries) for library in asked), libraries


def test_it_sells_and_the_order_outlives_a_crash(serve):
    server = serve()
    server.make_sale("drop", 3)
    order = server.buy("drop", "ann").json["id"]
    server.kill()
    server.start()
    assert server.order(order).json["state"] == "held"
    assert server.audit()


def test_a_static_build_has_no_relay_and_says_so(features, server):
    if not features["static"]:
        pytest.skip("this build is not static")
    secrets = {"PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN, "PENSTOCK_RELAY_SECRET": "whsec_" + base64.b64encode(bytes(32)).decode()}
    done = run("relay", "--to", "http://127.0.0.1:1/", "--operator", server.operator, env={**plain_environment(), **secrets})
    assert done.returncode == 1 and "a static build" in done.stderr
