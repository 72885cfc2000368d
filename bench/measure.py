"""
Figures and how they are taken: rounds of all sides in turn, so that what else the machine does hits
all of them alike. Where something else had more than a little of the cores, rounds are added, and
those that were disturbed least count: chosen by that alone, never by their result.
"""

import os
import resource
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROUNDS = 5
ROUNDS_MAX = 10
DISTURBED = 0.15  # of a core, taken by others


class Failed(Exception):
    """A measurement that cannot be trusted: not a missed bar."""


@dataclass
class Sample:
    value: float
    reference: float
    note: str
    disturbance: float


@dataclass
class Figure:
    """
    One line of the table. `bar` is ">= 0.9" or "<= 1.5", held against the ratio where there is a
    reference, else against the value. Of two bars, "<= 38, <= 0.8", the first is for the value and
    the second for the ratio. "reported": nothing is held against it.
    """

    name: str
    what: str
    unit: str
    bar: str
    samples: list = field(default_factory=list)

    def add(self, value, reference=None, note=None, disturbance=0.0):
        """One round. disturbance: what share of a core others had meanwhile."""
        self.samples.append(Sample(value, reference, note, disturbance))

    @property
    def calm(self):
        return sum(sample.disturbance <= DISTURBED for sample in self.samples) >= ROUNDS

    def result(self):
        samples = sorted(self.samples, key=lambda sample: sample.disturbance)[:ROUNDS]
        compared = samples[0].reference is not None
        judged = [sample.value / sample.reference if compared else sample.value for sample in samples]
        median = statistics.median(judged)
        typical = samples[judged.index(median)]
        value = statistics.median(sample.value for sample in samples)
        *of_value, of_ratio = self.bar.split(", ")
        return {
            "name": self.name,
            "value": rounded(value),
            "unit": self.unit,
            "reference": rounded(statistics.median(sample.reference for sample in samples)) if compared else None,
            "ratio": rounded(median) if compared else None,
            "bar": self.bar,
            "ok": within(of_ratio, median) and all(within(bar, value) for bar in of_value),
            "spread": rounded((max(judged) - min(judged)) / median),
            "rounds": len(judged),
            "what": self.what,
            "disturbed": rounded(max(sample.disturbance for sample in samples)),
            "note": typical.note,
        }


def within(bar, number):
    if bar == "reported":
        return True
    sign, limit = bar.split()
    return number >= float(limit) if sign == ">=" else number <= float(limit)


def rounds(*figures):
    """for _ in rounds(figure, ...): takes as many as are needed."""
    for done in range(ROUNDS_MAX):
        if done >= ROUNDS and all(figure.calm for figure in figures):
            return
        yield done


COMPILED = 0.95  # a burst that costs less than so much of the cheapest before it: there is still something to compile


def is_getting_cheaper(costs):
    """
    Of bursts that do not count, one after the other: whether a Java program among what is measured
    is still being compiled.
    """
    return len(costs) < 3 or min(costs[-2:]) < COMPILED * min(costs[:-2])


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


class Watch:
    """
    with Watch(lambda: seconds of CPU that the server has had): who had the cores meanwhile. What is
    neither the server's nor that of our children, the load, was taken by others (or by the kernel's
    own threads, which is little).
    """

    def __init__(self, server):
        self.read = lambda: (server(), children_seconds(), busy_seconds(), time.monotonic())

    def __enter__(self):
        self.begin = self.read()
        return self

    def __exit__(self, failure, *_):
        if failure:
            return
        self.server, children, busy, seconds = (end - begin for begin, end in zip(self.begin, self.read()))
        self.disturbance = max(busy - self.server - children, 0) / seconds


def busy_seconds():
    """CPU time that anybody has had of any core."""
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")


def children_seconds():
    """CPU time of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def resident_bytes(*pids):
    """Memory that these processes have."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * os.sysconf("SC_PAGESIZE")


def cpu_seconds(pid):
    """CPU time of a whole process, to the nanosecond: its CPU clock, see clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)
