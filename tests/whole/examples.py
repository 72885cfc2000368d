"""What examples/ has, as its reader runs it."""

import contextlib
import subprocess

from penstock import plain_environment, wait_until


@contextlib.contextmanager
def running(command, log, **environment):
    """An example, once it listens: where."""
    with open(log, "wb") as out:
        process = subprocess.Popen(command, env={**plain_environment(), "PORT": "0", **environment}, stdout=out, stderr=out)
    try:

        def place():
            assert process.poll() is None, log.read_text()
            return next((line.split()[-1] for line in log.read_text().splitlines() if line.startswith("listening on ")), None)

        yield wait_until(place, 60, command[-1].name)
    finally:
        process.kill()
        process.wait()
