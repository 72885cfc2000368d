"""
What the program makes is its own, what it takes is its own or root's, and no secret leaves it.
"""

import os
import resource
import signal
import stat

import pytest

from penstock import plain_environment, run, wait_until


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("umask", ["000", "077", "777"])
def test_files_are_nobody_elses_whatever_the_umask(serve, umask):
    server = serve(
        wrapper=("/bin/sh", "-c", f'umask {umask}; exec "$@"', "sh"),
        environment={"PENSTOCK_IDENTITY_JWT_KEY": "", "PENSTOCK_OPERATOR_TOKEN": ""},
        wait=False,
    )
    names = ["", "-wal", "-shm", "-lease", ".jwt-key", ".operator-token"]
    files = [server.ledger.with_name(server.ledger.name + name) for name in names]
    wait_until(lambda: all(file.exists() for file in files) and "is ready" in server.log(), what="the server's files")
    assert {file.name: mode(file) for file in files} == {file.name: 0o600 for file in files}
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0


def test_a_crash_leaves_no_keys_behind_unless_it_is_asked_for(serve):
    def core(server):
        limit = resource.prlimit(server.process.pid, resource.RLIMIT_CORE)[0]
        return limit, int(open(f"/proc/{server.process.pid}/coredump_filter").read(), 16)

    assert core(serve()) == (0, 0)
    assert core(serve({"process.core_dumps": "on"}))[1] != 0


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pearl@more@127.0.0.1:1/db",
        "postgresql://me:pe%zzpearl@127.0.0.1:1/db",
        "postgresql://me:pearl 127.0.0.1/db",
        "postgresql://me@127.0.0.1:1/db?password=pearl",
        "postgresql://me@127.0.0.1:1/db?sslpassword=pearl",
        "postgresql://me@127.0.0.1:1/db?options=-cpearl%3D1",
        "postgresql://me@127.0.0.1:1/db?pearl=1",
        "postgresql://127.0.0.1:pearl/db",
    ],
)
def test_no_password_of_a_url_is_told(serve, tmp_path, url):
    # One that can be read is waited for: its server may come.
    server = serve({"ledger.url": url}, wait=False)
    wait_until(lambda: server.process.poll() is not None or '"component":"ledger"' in server.log(), seconds=60, what="a word about the URL")
    told = server.log().replace("?pearl=", "")
    assert told and "pearl" not in told
    for command in (["config"], ["audit"], ["token", "b"]):
        done = run(*command, cwd=tmp_path, env={**plain_environment(), "PENSTOCK_LEDGER_URL": url}, timeout=60)
        # A parameter's name is no secret.
        assert "pearl" not in (done.stdout + done.stderr).replace("?pearl=", "")
