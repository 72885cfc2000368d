"""
The headline: ours (embedded, cluster), one script and the usual service, side by side, from one
run. The figures against the usual service come of it, and the table that docs/performance.md begins
with, in the form that it has there.
"""

import contextlib
import itertools
import statistics
from dataclasses import dataclass, field

from cluster import MILLION, services
from contenders import SYNC, Embedded, GateAndDrain
from killed import kill
from load import SECONDS, burst, make_requests, open_loop, wrk
from measure import Failed, Figure, Watch, is_getting_cheaper, say
from one_script import OneScript
from server import ANY_CORE, ROOT
from usual import Usual, check

CONNECTIONS = 256
TURNS = 3  # a ratio of twenty and more needs no five
WARM_UP_SECONDS, WARM_UP_BURSTS_MAX = 3, 20
TABLE = ROOT / "build/headline.md"


@dataclass
class Turn:
    accepted: float  # a second
    sold_out: float
    sold_out_each: float  # second of CPU
    cpu_us: float  # of an order, until it is in the ledger
    memory_mib: float
    p50_ms: float
    p99_ms: float
    start_s: float
    disturbance: float


@dataclass
class Column:
    turns: list = field(default_factory=list)
    losses: object = None

    def median(self, name):
        return statistics.median(getattr(turn, name) for turn in self.turns)


def take_turn(contender, number):
    """
    One sale that lasts, from as many buyers as come and from half as many; and one that is sold
    out.
    """
    buyers = {kind: make_requests(f"headline-{kind}", count, "header", (f"{kind}{number}".encode(),)) for kind, count in (("a", 400_000), ("o", 200_000), ("t", 500_000))}
    accepted, spent, memory, disturbance = sell(contender, f"a{number}", buyers["a"])
    latencies = sell_at(contender, f"o{number}", buyers["o"], accepted.rate / 2)
    refused = refuse(contender, f"t{number}", buyers["t"])
    return Turn(
        accepted=accepted.rate,
        sold_out=refused.rate,
        sold_out_each=refused.core_rate,
        cpu_us=1e6 * spent / accepted.requests,
        memory_mib=memory / 2**20,
        p50_ms=latencies["p50_us"] / 1000,
        p99_ms=latencies["p99_us"] / 1000,
        start_s=contender.start_seconds,
        disturbance=max(disturbance, refused.disturbance),
    )


def sell(contender, sale, requests):
    contender.open(sale, MILLION)
    with Watch(contender.cpu_seconds) as watch:
        run = wrk(contender.url, contender.cpu_seconds, CONNECTIONS, requests, core=ANY_CORE)
        contender.settle(sale, run.requests)
    hold_against_ledger(contender, sale, run.requests, run.refused)
    return run, watch.server, contender.resident_bytes(), max(watch.disturbance, run.disturbance)


def hold_against_ledger(contender, sale, accepted, refused):
    rows = contender.count(sale)
    if refused or not accepted <= rows <= accepted + CONNECTIONS:
        raise Failed(f"{contender.name}: {accepted} answers, {refused} of them refusals, and {rows} orders in the ledger")


def sell_at(contender, sale, requests, rate):
    contender.open(sale, MILLION)
    run = open_loop(contender.url, contender.pid, requests, 0, rate, CONNECTIONS, 202, core=ANY_CORE)
    contender.settle(sale, run.wanted["count"])
    hold_against_ledger(contender, sale, run.wanted["count"], run.others["count"])
    return run.wanted


def refuse(contender, sale, requests):
    """The last buyer has the only unit, and all the others come too late."""
    contender.open(sale, 1)
    open_loop(contender.url, contender.pid, requests, requests.count - 1, 1, 1, 202, seconds=1, core=ANY_CORE)
    run = wrk(contender.url, contender.cpu_seconds, CONNECTIONS, requests, core=ANY_CORE)
    if run.refused != run.requests or contender.count(sale) != 1:
        raise Failed(f"{contender.name}: {run.requests - run.refused} of {run.requests} were sold what there is not")
    return run


def warm_up(usual):
    """
    Not counted: its program is compiled while it runs. Until two bursts in a row are no cheaper
    than the best one before.
    """
    sales = itertools.count()
    for kind, units in (("sold-out", 0), ("accepted", MILLION)):
        costs = []
        while is_getting_cheaper(costs) and len(costs) < WARM_UP_BURSTS_MAX:
            costs.append(cost_of_burst(usual, f"w{next(sales):02}", units))
        say(f"the usual service: an answer that is {kind} cost {costs[0]:,.0f} us of CPU, and {costs[-1]:,.0f} in burst {len(costs)}, the last that does not count")


def cost_of_burst(usual, sale, units):
    """Microseconds of CPU for each answer."""
    requests = make_requests("headline-w", 100_000, "header", (sale.encode(),))
    usual.open(sale, units)
    run = wrk(usual.url, usual.cpu_seconds, CONNECTIONS, requests, WARM_UP_SECONDS, ANY_CORE)
    usual.settle(sale, 0)
    return 1e6 * run.server_seconds / run.requests


def take_turns(figures):
    columns = {contender.name: Column() for contender in (Embedded, GateAndDrain, OneScript, Usual)}
    with Usual(SYNC) as usual:
        check(usual)
        warm_up(usual)
        for number in range(TURNS):
            for make in (Embedded, GateAndDrain, lambda: OneScript(SYNC)):
                with make() as contender:
                    columns[contender.name].turns.append(take_turn(contender, number))
                    contender.prove()
            columns[usual.name].turns.append(take_turn(usual, number))
            compare(figures, columns)
        for make in (Embedded, GateAndDrain, lambda: OneScript(SYNC), lambda: contextlib.nullcontext(usual)):
            with make() as contender:
                columns[contender.name].losses = lost = kill(contender, "k0")
                if contender.name in (Embedded.name, GateAndDrain.name) and (lost.lost or lost.twice or lost.gone):
                    raise Failed(f"{contender.name}, killed, does not keep what it has told: {lost}")
                contender.prove()
    return columns


def compare(figures, columns):
    theirs = columns[Usual.name].turns[-1]
    for ours, of_ours in zip((Embedded, GateAndDrain), figures):
        turn = columns[ours.name].turns[-1]
        for figure, part in zip(of_ours, ("accepted", "sold_out_each", "cpu_us")):
            figure.add(getattr(turn, part), getattr(theirs, part), None, max(turn.disturbance, theirs.disturbance))


def beside_the_usual():
    where = f"{CONNECTIONS} connections, appendfsync {SYNC}, on all cores; the usual service"
    figures = [
        [
            Figure(f"vs_usual_accepted{name}", f"purchases accepted and durable a second, {what}, {where}", "orders/s", f">= {bar}"),
            Figure(f"vs_usual_sold_out{name}", f"sold-out answers for a second of CPU, {what}, {where}", "answers/core-s", ">= 30"),
            Figure(f"vs_usual_cpu{name}", f"CPU of an order until it is in the ledger, {what}, {where}", "us", "<= 0.05"),
        ]
        for name, what, bar in (("", "embedded", 20), ("_cluster", "a gate and a drain", 5))
    ]
    write_table(take_turns(figures))
    return [figure for group in figures for figure in group]


ROWS = (
    ("orders accepted and durable, a second", lambda column: f"{column.median('accepted'):,.0f}"),
    ("sold-out answers, a second", lambda column: f"{column.median('sold_out'):,.0f}"),
    ("CPU of a sold-out answer", lambda column: f"{1e6 / column.median('sold_out_each'):,.0f} us"),
    ("p50 at half of what it accepts", lambda column: f"{column.median('p50_ms'):.2f} ms"),
    ("p99", lambda column: f"{column.median('p99_ms'):.1f} ms"),
    ("CPU of an order until it is in the ledger", lambda column: f"{column.median('cpu_us'):,.0f} us"),
    ("memory, with Redis", lambda column: f"{column.median('memory_mib'):,.0f} MiB"),
    ("start", lambda column: f"{column.median('start_s'):.2f} s"),
    ("killed: accepted orders lost", lambda column: f"{column.losses.lost} of {column.losses.told:,}"),
    ("killed: orders over a buyer's limit", lambda column: f"{column.losses.twice}"),
    ("killed: units that nobody can buy", lambda column: f"{column.losses.gone}"),
    ("killed: every buyer has his answer after", lambda column: f"{column.losses.back_seconds:.1f} s"),
)


def write_table(columns):
    lines = ["| | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    lines += [f"| {what} | " + " | ".join(show(column) for column in columns.values()) + " |" for what, show in ROWS]
    TABLE.write_text("\n".join(lines) + "\n")


CASES = {
    beside_the_usual: tuple(f"vs_usual_{what}{name}" for name in ("", "_cluster") for what in ("accepted", "sold_out", "cpu")),
}
