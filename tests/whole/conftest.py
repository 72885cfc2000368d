import pytest

from penstock import Server


@pytest.fixture
def serve(tmp_path):
    """Starts servers: serve(settings={...}, program=..., environment={...}). Each has a folder of its own; all are ended."""
    servers = []

    def start(settings=None, wait=True, folder=None, **options):
        server = Server(folder or tmp_path / f"server-{len(servers)}", settings=settings or {}, **options)
        servers.append(server)
        return server.start(wait)

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def server(serve):
    return serve()
