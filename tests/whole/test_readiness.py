"""
/readyz is what buyers meet: for each cause for which a purchase is 503 it is 503 too, and both are
well again together.
"""

import itertools

import pytest

from failpoints import Failpoints, serve_with_failpoints
from penstock import request, wait_until

numbers = itertools.count()


def purchase(server):
    return server.buy("drop", f"buyer-{next(numbers)}", key="k", timeout=30)


def ready(server):
    return request(server.public, "GET", "/readyz", timeout=30).status


def assert_both(server, codes, cause, lift, seconds=60):
    """Buyers meet one of the codes, and /readyz says so; after `lift` both are well."""
    wait_until(lambda: purchase(server).status == 202 and ready(server) == 200, what="both to be well at first")
    cause()
    wait_until(lambda: purchase(server).code in codes, 30, f"a purchase that is one of {codes}")
    wait_until(lambda: purchase(server).status == 503 and ready(server) == 503, 30, "/readyz to say so")
    lift()
    wait_until(lambda: purchase(server).status == 202 and ready(server) == 200, seconds, "both to be well")


@pytest.mark.parametrize(
    "spec,codes,settings",
    [
        ("ledger.begin=error:5", {"journal-unavailable"}, {}),
        ("journal.before_append=delay:1500", {"outcome-unknown", "journal-unavailable"}, {"journal.ack_deadline": "1s"}),
        ("journal.before_append=delay:6000", {"overloaded"}, {"stock.outbox_max": "1", "journal.ack_deadline": "1s"}),
    ],
    ids=["the ledger's disk", "a late commit", "a full outbox"],
)
def test_one_program(serve, tmp_path, spec, codes, settings):
    server, failpoints = serve_with_failpoints(serve, tmp_path, settings)
    server.make_sale("drop", 1000, rate=None)
    assert_both(server, codes, lambda: failpoints.set(spec), failpoints.lift)


def test_redis_is_away(gates):
    cluster = gates(1)
    cluster.make_sale("drop", 1000, rate=None)
    redis = cluster.redis
    assert_both(cluster.gates[0], {"stock-unavailable", "outcome-unknown", "fenced"}, redis.kill, redis.restart)


def test_redis_is_full(gates):
    cluster = gates(1)
    cluster.make_sale("drop", 1000, rate=None)
    limit = lambda size: lambda: cluster.redis.call("CONFIG", "SET", "maxmemory", size)  # noqa: E731
    assert_both(cluster.gates[0], {"overloaded"}, limit("1"), limit("0"))


def test_redis_has_forgotten_and_the_ledger_is_away(gates, own_postgres):
    cluster = gates(1, postgres=own_postgres)
    cluster.make_sale("drop", 1000, rate=None)

    def cause():
        own_postgres.crash()
        cluster.redis.call("FLUSHALL")

    assert_both(cluster.gates[0], {"fenced", "journal-unavailable"}, cause, own_postgres.start)


def test_what_one_buyer_does_wrong_does_not_make_a_gate_unready(server):
    server.make_sale("drop", 1)
    assert purchase(server).status == 202
    for _ in range(20):
        assert purchase(server).code == "sold-out"
        assert server.buy("drop", "anna", body={"quantity": 0}).status == 422
    assert ready(server) == 200
