"""A server of the testing build, whose failpoints a test sets and lifts while it runs."""

import os

from penstock import TESTING_PROGRAM


class Failpoints:
    """Set by the file that PENSTOCK_FAILPOINTS_FILE names (src/base/failpoint.h)."""

    def __init__(self, folder):
        """None is set yet."""
        self.path, self.hits_path = folder / "failpoints", folder / "failpoints.hits"
        self.lift()

    @property
    def server(self):
        """What makes a server obey them."""
        names = {"PENSTOCK_FAILPOINTS_FILE": str(self.path), "PENSTOCK_FAILPOINTS_HITS": str(self.hits_path)}
        return {"program": TESTING_PROGRAM, "environment": names}

    def set(self, text):
        new = self.path.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.path)

    def lift(self):
        self.set("")

    def hits(self, name):
        """How often it has acted, in all the servers; the last may be at it."""
        return self.hits_path.read_text().splitlines().count(name) if self.hits_path.exists() else 0


def serve_with_failpoints(serve, folder, settings=None, **options):
    """(server, failpoints)"""
    failpoints = Failpoints(folder)
    return serve(settings, **failpoints.server, **options), failpoints
