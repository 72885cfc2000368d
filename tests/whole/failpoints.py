"""A server of the testing build, whose failpoints a test sets and lifts while it runs."""

import os

from penstock import TESTING_PROGRAM


class Failpoints:
    """Set by the file that PENSTOCK_FAILPOINTS_FILE names (src/base/failpoint.h)."""

    def __init__(self, path):
        self.path = path

    def set(self, text):
        new = self.path.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.path)

    def lift(self):
        self.set("")

    def hits(self, name):
        """How often it has acted, in all processes that read the file; the last may be at it."""
        hits = self.path.with_name(self.path.name + ".hits")
        return hits.read_text().splitlines().count(name) if hits.exists() else 0


def serve_with_failpoints(serve, folder, settings=None, **options):
    """(server, failpoints); none is set yet."""
    failpoints = Failpoints(folder / "failpoints")
    server = serve(settings, program=TESTING_PROGRAM, environment={"PENSTOCK_FAILPOINTS_FILE": str(failpoints.path)}, **options)
    return server, failpoints
