import sys
from pathlib import Path

import pytest

from penstock import Server

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools/services"))

from kafka import Kafka  # noqa: E402  (its folder is known only now)
from postgres import Postgres  # noqa: E402
from redis import Redis  # noqa: E402

from browser import Browser  # noqa: E402
from cluster import Cluster  # noqa: E402
from relay import Endpoint, Relay  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--embedded", action="store_true", help="leave out what needs Redis, Kafka or PostgreSQL: of a program that was built without them")
    parser.addoption("--without-kafka", action="store_true", help="leave out what needs a broker: the thread sanitizer cannot stand librdkafka's threads")


# What stands on a service, by the fixtures that start one.
SERVICES = {"redis", "kafka", "brokers", "shared_postgres", "own_postgres", "gates"}


def needs_a_broker(item):
    return {"kafka", "brokers"} & set(item.fixturenames) or "kafka" in item.name.partition("[")[2]


def needs_a_service(item):
    return SERVICES & set(item.fixturenames) or (hasattr(item, "callspec") and item.callspec.params.get("ledger") == "postgres")


def pytest_collection_modifyitems(config, items):
    for option, needs in ("--without-kafka", needs_a_broker), ("--embedded", needs_a_service):
        if config.getoption(option):
            config.hook.pytest_deselected(items=[item for item in items if needs(item)])
            items[:] = [item for item in items if not needs(item)]


def running(server):
    """A fixture's life of a service."""
    try:
        yield server.start()
    finally:
        server.free()


@pytest.fixture(scope="session")
def shared_postgres():
    """
    One for all tests that only need a database in it; a test that breaks its server makes its own.
    """
    yield from running(Postgres())


@pytest.fixture
def own_postgres():
    """A server of the test's own, to be broken."""
    yield from running(Postgres())


@pytest.fixture
def redis():
    """A server of the test's own: one that forgets, forgets for all."""
    yield from running(Redis())


@pytest.fixture(scope="session")
def kafka():
    """
    One broker for all tests that only need a topic in it; a test that breaks its brokers makes its
    own.
    """
    yield from running(Kafka())


@pytest.fixture
def gates(tmp_path, shared_postgres, redis):
    """
    Makes clusters: gates(count, kafka=..., settings=..., program=...); without kafka the journal is
    direct. All is ended with the test.
    """
    clusters = []

    def make(count=2, postgres=None, redis=redis, drains=1, **options):
        clusters.append(Cluster(tmp_path / f"cluster-{len(clusters)}", postgres or shared_postgres, redis, **options))
        return clusters[-1].start(gates=count, drains=drains)

    yield make
    for cluster in clusters:
        cluster.free()


@pytest.fixture
def window(tmp_path):
    """Makes windows of a browser: window(size=..., dark=..., script=...)."""
    made = []

    def make(**options):
        made.append(Browser(tmp_path / f"browser-{len(made)}", **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def ledger(request):
    """
    The settings of a fresh ledger, for each server: SQLite, unless the test is parametrised by
    `ledger`.
    """
    if getattr(request, "param", "sqlite") == "sqlite":
        return dict
    postgres = request.getfixturevalue("shared_postgres")
    return lambda: {"ledger.url": postgres.url(postgres.make_database())}


@pytest.fixture
def serve(tmp_path, ledger):
    """
    Starts servers: serve(settings={...}, program=..., environment={...}). Each has a folder of its
    own; all are ended.
    """
    servers = []

    def start(settings=None, wait=True, folder=None, **options):
        server = Server(
            folder or tmp_path / f"server-{len(servers)}", settings={**ledger(), **(settings or {})}, **options
        )
        servers.append(server)
        return server.start(wait)

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def shop(request, serve, gates):
    """What sells: one gate with its stock in memory, or two that share one in Redis."""
    if request.param == "redis":
        return gates(2)
    settings = {}
    if request.param == "postgres":
        postgres = request.getfixturevalue("shared_postgres")
        settings["ledger.url"] = postgres.url(postgres.make_database())
    return serve(settings)


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def relay(tmp_path):
    made = []

    def start(server, endpoint, **settings):
        made.append(Relay(tmp_path, server, endpoint, **settings))
        return made[-1].start()

    yield start
    for each in made:
        each.kill()
