"""The reports of the test runners: Meson's testlog.json, and JUnit's XML, which pytest writes.

A run that is made again for those that failed has its report beside the first one (second_of()).
Meson's own JUnit report is of no use: a test that ran into its time limit looks well in it.
"""

import json
import re
from collections import Counter
from xml.etree import ElementTree

MESON = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}  # every other end is a failure
LINE_MAX = 400

# What cmocka writes around a failure, and below a group of tests.
CMOCKA_FRAME = re.compile(r"\[  ERROR   \] --- |\[   LINE   \] --- |^\[  (?:PASSED|FAILED)  \].*$|^ ?\d+ FAILED TEST\(S\)$|: error: Failure!", re.M)


def one_line(text):
    line = " ".join(text.split())
    return line if len(line) <= LINE_MAX else line[: LINE_MAX - 1] + "…"


def failed_of_cmocka(stdout):
    """The tests that were begun and of which no good end is told."""
    told = re.findall(r"^\[ *(RUN|OK|SKIPPED) *\] (\S+)", stdout, re.M)
    ended = Counter(name for word, name in told if word != "RUN")
    begun = Counter(name for word, name in told if word == "RUN")
    return [name for name in begun if begun[name] > ended[name]]


def failures_of_meson(entry):
    """
    Pairs of a name and its reason. cmocka tells the names on one stream, and the reasons on the
    other, in the same order.
    """
    name = entry["name"].split(":", 1)[-1]
    stderr = entry.get("stderr", "")
    reasons = [CMOCKA_FRAME.sub(" ", part) for part in re.split(r"(?<=: error: Failure!)", stderr)]
    reasons = [reason for reason in reasons if reason.strip()]
    cases = failed_of_cmocka(entry.get("stdout", ""))
    if entry["result"] == "TIMEOUT":
        return [(f"{name}: {' '.join(cases)}".rstrip(": "), f"no end within {entry['duration']:.0f} s")]
    if len(cases) > 1 and len(reasons) == len(cases):
        return [(f"{name}: {case}", reason) for case, reason in zip(cases, reasons)]
    first = reasons[0] if cases and reasons else "".join(stderr.rstrip().splitlines()[-1:])
    return [(f"{name}: {' '.join(cases)}".rstrip(": "), first or f"ended with {entry['returncode']}")]


def of_meson(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        end = MESON.get(entry["result"], "failed")
        yield entry["name"], end, failures_of_meson(entry) if end == "failed" else []


def name_of_case(case):
    return f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"


def failure_of_junit(case, told):
    """
    pytest's message is the assertion; where it stands is in the last line of the text that has a
    place.
    """
    reason = one_line(told.get("message") or "no reason is told")
    places = re.findall(r"^(\S+\.py:\d+): ", told.text or "", re.M)
    return name_of_case(case), f"{reason} {places[-1]}" if places else reason


def of_junit(path):
    for case in ElementTree.parse(path).iter("testcase"):
        told = case.find("failure")
        if told is None:
            told = case.find("error")
        if told is not None:
            yield name_of_case(case), "failed", [failure_of_junit(case, told)]
        else:
            yield name_of_case(case), "passed" if case.find("skipped") is None else "skipped", []


def of_report(path):
    """
    For each test its name, its end ("passed", "failed", "skipped"), and why: pairs of a name and a
    reason.
    """
    return of_meson(path) if path.suffix == ".json" else of_junit(path)


def second_of(path):
    return path.with_name(f"second-{path.name}")
