"""Figures and how they are taken: rounds of all sides in turn, so that what else the machine does hits all of them alike."""

import statistics
import sys
import time
from dataclasses import dataclass, field

ROUNDS = 5


class Failed(Exception):
    """A measurement that cannot be trusted: not a missed bar."""


@dataclass
class Figure:
    """One line of the table. `bar` is ">= 0.9" or "<= 1.5", held against the ratio where there is a reference, else against the value."""

    name: str
    what: str
    unit: str
    bar: str
    values: list = field(default_factory=list)
    references: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def add(self, value, reference=None, note=None):
        self.values.append(value)
        if reference is not None:
            self.references.append(reference)
        if note:
            self.notes.append(note)

    @property
    def ratios(self):
        return [value / reference for value, reference in zip(self.values, self.references)]

    def result(self):
        judged = self.ratios or self.values
        median = statistics.median(judged)
        sign, bar = self.bar.split()
        return {
            "name": self.name,
            "value": rounded(statistics.median(self.values)),
            "unit": self.unit,
            "reference": rounded(statistics.median(self.references)) if self.references else None,
            "ratio": rounded(median) if self.references else None,
            "bar": self.bar,
            "ok": median >= float(bar) if sign == ">=" else median <= float(bar),
            "spread": rounded((max(judged) - min(judged)) / median),
            "rounds": len(judged),
            "what": self.what,
            "note": self.notes[-1] if self.notes else None,
        }


def rounded(value):
    """Four digits that count."""
    return float(f"{value:.4g}")


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def wait_until(condition, what, seconds=30.0, pause=0.0005):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not come within {seconds:.0f} s")
        time.sleep(pause)


def cpu_seconds(pid):
    """CPU time of a whole process, to the nanosecond: its CPU clock, see clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)
