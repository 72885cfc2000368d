"""The measurements. Each makes one or more figures; bench/run picks them by the figures' names."""

import base64
import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid

from load import Requests, burst, make_requests, open_loop, wrk
from measure import ROUNDS, ROUNDS_MAX, Failed, Figure, Watch, cpu_seconds, rounds, say, wait_until
from peers import Nginx
from server import ANY_CORE, OPERATOR_TOKEN, PROGRAM, SCRATCH, SERVER_CORE, TESTING_PROGRAM, Server

MILLION = 1_000_000
HEADER_IDENTITY = {"identity.mode": "header", "gate.trusted_proxies": "127.0.0.1"}


def sell_out(server, requests):
    """
    The server has sold its one unit, to the first of the requests. Returns the body that everyone
    else gets.
    """
    server.start()
    server.make_item(1)
    server.make_sale("s", 1)
    burst(server, requests, 0, 1, 1, 202)
    lines = requests.path.read_bytes()[requests.size : 2 * requests.size].split(b"\r\n")
    headers = dict(line.decode().split(": ", 1) for line in lines[1:-2])
    try:
        urllib.request.urlopen(urllib.request.Request(f"{server.public}/v1/sales/s/orders", lines[-1], headers))
    except urllib.error.HTTPError as refusal:
        if refusal.code == 410:
            return refusal.read().decode()
    raise Failed("the sale did not sell out")


def load_sold_out(server, connections, requests):
    before = server.purchases()
    run = wrk(server.public, server.pid, connections, requests)
    after = server.purchases()
    told = {outcome: after[outcome] - before[outcome] for outcome in after if after[outcome] != before[outcome]}
    if run.refused != run.requests or set(told) != {"sold-out"} or not run.requests <= told["sold-out"] <= run.requests + connections:
        raise Failed(f"{run.requests} answers, {run.refused} of them refusals, by the server's own count {told}")
    return run


def load_nginx(nginx, connections, requests):
    run = wrk(nginx.url, nginx.pid, connections, requests)
    if run.refused != run.requests:
        raise Failed(f"nginx answered {run.requests - run.refused} of {run.requests} otherwise")
    return run


def compared(ours, theirs):
    return (
        f"by the clock {ours.rate:,.0f} against {theirs.rate:,.0f} a second; core busy {ours.busy:.0%} and {theirs.busy:.0%}, "
        f"the load's {ours.load_seconds / ours.seconds:.0%} and {theirs.load_seconds / theirs.seconds:.0%}"
    )


def sold_out():
    figures = [
        Figure(
            f"sold_out_vs_nginx_{connections}",
            f"sold-out answers for a second of one core, {connections} connections; against nginx `return 410`",
            "answers/core-s",
            ">= 0.95",
        )
        for connections in (64, 512)
    ]
    requests = make_requests("tokens", 500_000, "token")
    with Server("sold-out").fresh() as server, Nginx(sell_out(server, requests)) as nginx:
        for _ in rounds(*figures):
            for figure, connections in zip(figures, (64, 512)):
                ours, theirs = load_sold_out(server, connections, requests), load_nginx(nginx, connections, requests)
                figure.add(ours.core_rate, theirs.core_rate, compared(ours, theirs), max(ours.disturbance, theirs.disturbance))
        server.stop()
        server.prove()
    return figures


def load_accepted(identity, connections, requests):
    """
    A new server with a new ledger sells to the first buyers of `requests`; every 202 is then looked
    for in the ledger.
    """
    with Server("accepted", **identity).fresh() as server:
        server.key = requests.key
        server.start()
        server.make_item(MILLION)
        server.make_sale("s", MILLION)
        run = wrk(server.public, server.pid, connections, requests)
        server.stop()
        orders = server.orders()
        if run.refused or not run.requests <= orders <= run.requests + connections:
            raise Failed(f"{run.requests} answers, {run.refused} of them refusals, {orders} orders in the ledger")
        server.prove()
    return run


def by_the_clock(ours, theirs):
    """
    Accepted purchases wait for the disk too, so the clock counts, for both. Where the load cannot
    fill nginx's core, that spares us: said here.
    """
    return f"{compared(ours, theirs)}; against what a full core of nginx would answer: {ours.rate / theirs.core_rate:.3g}"


def accepted():
    connections = 256
    by_header = Figure(
        "accepted_vs_nginx", f"purchases accepted and durable a second, {connections} connections, buyer by header; against nginx", "orders/s", ">= 0.55"
    )
    by_token = Figure("accepted_jwt_vs_nginx", "the same, each buyer with a new HS256 token; against nginx", "orders/s", ">= 0.45")
    headers, tokens = make_requests("headers", 500_000, "header"), make_requests("tokens", 500_000, "token")
    with Server("sold-out").fresh() as server:
        body = sell_out(server, tokens)
    with Nginx(body) as nginx:
        for _ in rounds(by_header, by_token):
            theirs = load_nginx(nginx, connections, headers)
            header = load_accepted(HEADER_IDENTITY, connections, headers)
            by_header.add(header.rate, theirs.rate, by_the_clock(header, theirs), max(header.disturbance, theirs.disturbance))
            token = load_accepted({}, connections, tokens)
            by_token.add(token.rate, theirs.rate, by_the_clock(token, theirs), max(token.disturbance, theirs.disturbance))
    return [by_header, by_token]


def open_nginx(nginx, requests, rate, connections):
    run = open_loop(nginx.url, nginx.pid, requests, 0, rate, connections, 410)
    if run.others["count"]:
        raise Failed(f"nginx answered {run.others['count']} otherwise")
    return run


def open_accepted(requests, rate, connections):
    """A new server sells at that rate; every 202 is then looked for in the ledger."""
    with Server("open", **HEADER_IDENTITY).fresh() as server:
        server.start()
        server.make_item(MILLION)
        server.make_sale("s", MILLION)
        burst(server, requests, 0, WARM_UP, STEP)
        run = open_loop(server.public, server.pid, requests, WARM_UP, rate, connections, 202)
        server.stop()
        if run.others["count"] or server.orders() != run.wanted["count"] + WARM_UP:
            raise Failed(f"{run.wanted['count']} purchases were accepted, {run.others['count']} were not, {server.orders()} orders in the ledger")
        server.prove()
    return run


def open_accepted_beside_nginx():
    """At half of what each of the two can do: by a closed loop, taken in the same round."""
    connections, shares = 256, (("p99_us", "open_p99_ms", "p99", "<= 4"), ("p999_us", "open_p999_ms", "p99.9", "<= 6"))
    figures = [
        Figure(name, f"{part} of a purchase from when it was due, open loop at half of capacity, {connections} connections; of nginx `return 410`", "ms", bar)
        for _, name, part, bar in shares
    ]
    requests, tokens = make_requests("headers", 500_000, "header"), make_requests("tokens", 10, "token")
    with Server("sold-out").fresh() as server:
        body = sell_out(server, tokens)
    with Nginx(body) as nginx:
        for _ in rounds(*figures):
            rates = [run.rate / 2 for run in (load_accepted(HEADER_IDENTITY, connections, requests), load_nginx(nginx, connections, requests))]
            ours, theirs = open_accepted(requests, rates[0], connections), open_nginx(nginx, requests, rates[1], connections)
            note = f"{rates[0]:,.0f} a second against {rates[1]:,.0f}; the load itself was late by p99 {ours.own['p99_us']:.0f} us and {theirs.own['p99_us']:.0f} us"
            for figure, (share, *_) in zip(figures, shares):
                figure.add(ours.wanted[share] / 1000, theirs.wanted[share] / 1000, note, max(ours.disturbance, theirs.disturbance))
    return figures


def turned_away():
    """The body of a refusal for want of time, as the server gives it."""
    problem = {"type": "urn:penstock:problem:overloaded", "title": "Overloaded", "status": 503, "code": "overloaded"}
    return json.dumps({**problem, "detail": "More purchases wait than can be decided in time. Nothing was done."}, separators=(",", ":"))


LOGIN = {"identity.jwt_algorithm": "ES256"}


def open_overloaded(requests, rate, connections):
    """
    As open_accepted(), with more than the server can do: what is not accepted is turned away, and
    nothing else.
    """
    with Server("open", **LOGIN).fresh() as server:
        server.key = requests.key
        server.start()
        server.make_item(MILLION)
        server.make_sale("s", MILLION)
        burst(server, requests, 0, WARM_UP, STEP)
        run = open_loop(server.public, server.pid, requests, WARM_UP, rate, connections, 202)
        told = {outcome: count for outcome, count in server.purchases().items() if count}
        server.stop()
        expected = {"accepted": run.wanted["count"] + WARM_UP, "overloaded": run.others["count"]}
        if told != {outcome: count for outcome, count in expected.items() if count} or server.orders() != told["accepted"]:
            raise Failed(f"{run.wanted['count']} purchases were accepted, {run.others['count']} were not, by the server's own count {told}")
        server.prove()
    return run


def overloaded():
    """
    Twice and four times as many purchases as the server takes in a closed loop, from an open one.
    Each buyer has a new token of a login (ES256): with cheaper ones twice as many are more than
    nginx could refuse on the same core, and there is nothing left to compare. What is left of the
    server's CPU time once each refusal has had what nginx needs for one, as busy and on as many
    connections, could have been purchases, at their price in the closed loop.
    """
    connections = 4000
    latency = Figure(
        "overload_p99", f"p99 of what is accepted, from when it was due, open loop at 2x on {connections:,} connections, beyond the same at a quarter", "ms", "<= 150"
    )
    goodput = Figure("overload_goodput", "accepted meanwhile; of what the CPU time left by refusals at nginx' price could have been", "orders/s", ">= 0.9")
    requests, tokens = make_requests("logins", 250_000, "login"), make_requests("tokens", 500_000, "token")
    with Nginx(turned_away(), 503) as nginx:
        for _ in rounds(latency, goodput):
            full = load_accepted(LOGIN, 256, requests)
            bare = open_loop(nginx.url, nginx.pid, tokens, 0, load_nginx(nginx, 512, tokens).rate, connections, 503)
            calm, twice, four = (open_overloaded(requests, full.rate * times, connections) for times in (0.25, 2, 4))
            price = bare.server_seconds / bare.wanted["count"]
            left = twice.server_seconds - twice.others["count"] * price
            note = (
                f"{full.rate:,.0f} a second in a closed loop, a refusal of nginx {price * 1e6:.1f} us; p50 {twice.wanted['p50_us'] / 1000:.1f} ms, "
                f"unloaded p99 {calm.wanted['p99_us'] / 1000:.1f} ms; at 4x p99 {four.wanted['p99_us'] / 1000:.1f} ms and {four.rate:,.0f} a second; "
                f"core busy {twice.server_seconds / twice.seconds:.0%}; the load itself was late by p99 {twice.own['p99_us']:.0f} us"
            )
            disturbance = max(run.disturbance for run in (full, bare, calm, twice))
            latency.add((twice.wanted["p99_us"] - calm.wanted["p99_us"]) / 1000, None, note, disturbance)
            goodput.add(twice.rate, left * full.core_rate / twice.seconds, note, disturbance)
    return [latency, goodput]


def lone_purchase():
    size = 300
    figure = Figure("lone_vs_log", f"one durable purchase on an idle server; {size} bytes synced into a file that has room for them", "us", "<= 2")
    warm_up, count = 50, 200
    requests = make_requests("headers", warm_up + ROUNDS_MAX * count, "header")
    # Nobody shares the machine with this buyer: the scheduler may place the threads as it does in
    # life.
    with Server("lone-purchase", ANY_CORE, **HEADER_IDENTITY).fresh() as server:
        server.start()
        server.make_item(MILLION)
        server.make_sale("s", MILLION)
        burst(server, requests, 0, warm_up, 1, core=ANY_CORE)
        for i in rounds(figure):
            seen = burst(server, requests, warm_up + i * count, count, 1, sync=(server.folder / "sync", size), core=ANY_CORE)
            figure.add(seen["step_ns"] / 1000, seen["sync_ns"] / 1000, disturbance=seen["disturbance"])
        server.stop()
        server.prove()
    return [figure]


def bytes_an_order():
    """
    What the kernel has to write for the ledger, in whole blocks, until an order is in the database.
    Whoever else works does not change it.
    """
    bars = {1: "<= 10000", 64: "<= 900", 256: "<= 550"}
    figures = {size: Figure(f"bytes_an_order_{size}", f"written to disk an order, {size} in a commit", "bytes", bar) for size, bar in bars.items()}
    SCRATCH.mkdir(parents=True, exist_ok=True)
    for _ in rounds(*figures.values()):
        command = [str(PROGRAM.parent / "bench/micro_ledger"), str(SCRATCH / "bytes.db"), "100000"]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for size, figure in figures.items():
            figure.add(float(re.search(rf"batches of +{size}: .*; (\d+) bytes", printed)[1]))
    return list(figures.values())


def idle():
    resident = Figure("idle_rss_mib", "memory of an idle server", "MiB", "<= 20")
    ready = Figure("ready_ms", "start to ready, the ledger made anew", "ms", "<= 40")
    for _ in range(ROUNDS):
        with Server("idle").fresh() as server:
            ready.add(server.start() * 1000)
            server.operate("GET", "/health")
            resident.add(server.resident_bytes() / 2**20)
            server.stop()
    return [resident, ready]


def simulated_sales():
    """Worlds of a cluster, one after the other: what a run over night gets through on each core."""
    seeds, program = 400, TESTING_PROGRAM.parent / "tests/simulate"
    figure = Figure("sim_sales_a_minute", "two-minute sales of a simulated cluster, on one core", "sales/min", ">= 3000")
    if not program.exists():
        raise Failed(f"{program} is missing: run make bench, or tools/build build-test -Dtesting=true")
    command = ["taskset", "-c", SERVER_CORE, str(program), "--shape", "cluster", "--jobs", "1", "--seeds", str(seeds)]
    for i in rounds(figure):
        with Watch(lambda: 0.0) as watch:
            done = subprocess.run([*command, "--from", str(1 + i * seeds)], capture_output=True, text=True, timeout=600)
        seen = re.search(r"(\d+) sales a minute", done.stdout)
        if done.returncode != 0 or not seen:
            raise Failed(f"simulate: {done.stdout}{done.stderr}")
        figure.add(float(seen[1]), disturbance=watch.disturbance)
    return [figure]


def filled_ledger(orders, ended=None, over=False):
    """
    A ledger with so many orders of so many buyers in sale `s`; with `ended`, over a year, beside so
    many of sales that have ended; with `over`, all of their holds have run out.
    """
    path = SCRATCH / f"ledger-{orders}.db"
    SCRATCH.mkdir(parents=True, exist_ok=True)
    for old in SCRATCH.glob(f"{path.name}*"):
        old.unlink()
    say(f"filling a ledger with {orders:,} orders" + (f" beside {ended:,} of ended sales" if ended else ""))
    more = ["over"] if over else [str(ended)] if ended else []
    done = subprocess.run([PROGRAM.parent / "bench/fill_ledger", path, str(orders), *more], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"fill_ledger: {done.stderr}")
    return path


def remembered():
    """A server on a ledger of a million orders: how soon it is ready, what each buyer takes."""
    restart = Figure("restart_s_1m", "start to ready on a ledger with a million orders", "s", "<= 2")
    memory = Figure("bytes_per_buyer", "memory per remembered buyer at 1 million, each with an order, a key and a hold", "bytes", "<= 150")
    full = filled_ledger(MILLION)
    with Server("full").fresh(full) as server, Server("empty").fresh() as empty:
        for _ in range(ROUNDS):
            restart.add(server.start())
            empty.start()
            memory.add((server.resident_bytes() - empty.resident_bytes()) / MILLION)
            server.stop()
            empty.stop()
    full.unlink()
    return [restart, memory]


def storm():
    """
    A server starts on a ledger whose holds have all run out: purchases from then on, and again when
    the last of them is back.
    """
    holds, connections, share = 200_000, 256, 4
    figure = Figure(
        "storm_p99",
        f"p99 of a purchase from when it was due, at a quarter of capacity, {connections} connections, while {holds:,} holds run out; without",
        "ms",
        "<= 2",
    )
    requests = make_requests("headers", 500_000, "header")
    ledger = filled_ledger(holds, over=True)
    for _ in rounds(figure):
        rate = load_accepted(HEADER_IDENTITY, connections, requests).rate / share
        with Server("storm", **HEADER_IDENTITY).fresh(ledger) as server:
            server.start()
            beside = open_loop(server.public, server.pid, requests, 0, rate, connections, 202)
            expired = server.metric("penstock_holds_expired_total")
            wait_until(lambda: server.metric("penstock_holds_expired_total") == holds, "the end of the storm", 120, 0.1)
            without = open_loop(server.public, server.pid, requests, beside.wanted["count"], rate, connections, 202)
            server.stop()
            if beside.others["count"] or without.others["count"] or server.orders() != holds + beside.wanted["count"] + without.wanted["count"]:
                raise Failed(f"{beside.others['count']} and {without.others['count']} purchases were not accepted, {server.orders()} orders in the ledger")
            if not 0 < expired < holds:
                raise Failed(f"{expired:.0f} holds had run out when the purchases ended: the storm was not beside them")
            server.prove()
        note = f"{rate:,.0f} purchases a second, {expired / beside.seconds:,.0f} expiries beside them; p50 {beside.wanted['p50_us']:.0f} against {without.wanted['p50_us']:.0f} us"
        figure.add(beside.wanted["p99_us"] / 1000, without.wanted["p99_us"] / 1000, note, max(beside.disturbance, without.disturbance))
    ledger.unlink()
    return [figure]


def evergreen():
    """A restart costs the orders of the sales that live, not those of a whole ledger."""
    figure = Figure("restart_evergreen_s", "start to ready: a live sale a year old with 1,000 orders, beside 1 million of ended sales", "s", "<= 0.3")
    ledger = filled_ledger(1000, MILLION)
    with Server("evergreen").fresh(ledger) as server:
        for _ in range(ROUNDS):
            figure.add(server.start())
            server.stop()
    ledger.unlink()
    return [figure]


def read_feed(server, page):
    """Seconds until all changes were read, page by page; how many there were."""
    begin, count, after = time.monotonic(), 0, ""
    while True:
        body = server.operate("GET", f"/v1/changes?limit={page}{after}")
        if body.startswith('{"changes":[]'):
            return time.monotonic() - begin, count
        count += body.count('"cursor":"')
        after = "&after=" + body[body.rindex('"next":"') + 8 :].split('"', 1)[0]


def select_rows(path):
    """Seconds until the rows that the same changes are made of were read by SQL; how many."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as ledger:
        begin = time.monotonic()
        rows = ledger.execute(
            "SELECT movements.*, orders.* FROM movements LEFT JOIN orders ON orders.sale = movements.sale AND orders.id = movements.order_id"
            " WHERE movements.order_id IS NOT NULL ORDER BY movements.number"
        )
        count = sum(1 for _ in rows)
        return time.monotonic() - begin, count


def changes():
    """The feed of what happened, from its beginning, beside the rows that it is made of."""
    orders, page = 100_000, 1000
    figure = Figure("changes_vs_rows", "changes read from the feed in pages of 1,000; the same rows by SELECT", "changes/s", ">= 0.5")
    ledger = filled_ledger(orders)
    with Server("changes").fresh(ledger) as server:
        server.start()
        for _ in rounds(figure):
            with Watch(lambda: time.process_time() + cpu_seconds(server.pid)) as watch:
                seconds, told = read_feed(server, page)
                beside, rows = select_rows(server.ledger)
            if told != orders or rows != orders:
                raise Failed(f"{told:,} changes and {rows:,} rows of {orders:,} orders")
            figure.add(told / seconds, rows / beside, disturbance=watch.disturbance)
        server.stop()
    ledger.unlink()
    return [figure]


def payments_of(server, first, count, paid):
    """
    The confirms of so many orders of its ledger, from number `first` on, as a file for burst;
    `paid`: each with its payment.
    """
    with sqlite3.connect(f"file:{server.ledger}?mode=ro", uri=True) as ledger:
        rows = ledger.execute("SELECT lower(hex(id)) FROM orders ORDER BY id LIMIT ? OFFSET ?", (count, first)).fetchall()
    requests = []
    for (digits,) in rows:
        order = str(uuid.UUID(digits))
        body = json.dumps({"payment": {"reference": f"pi_{digits[8:]}", "amount": 17900, "currency": "EUR", "method": "card"}}) if paid else ""
        lines = [f"POST /v1/orders/{order}/confirm HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {OPERATOR_TOKEN}"]
        lines += [f"Content-Length: {len(body)}"] + ["Content-Type: application/json"] * paid
        requests.append("\r\n".join([*lines, "", body]).encode())
    path = SCRATCH / f"confirms-{paid:d}"
    path.write_bytes(b"".join(requests))
    return Requests(path, len(requests[0]), len(requests))


def confirmed(server, first, count, paid):
    """Confirms them, and says what one cost."""
    return burst(server, payments_of(server, first, count, paid), 0, count, STEP, 200, port=server.operator.rsplit(":", 1)[1])


def confirm_with_payment():
    """Confirms that tell their payment, and that do not, in turn on one server."""
    figure = Figure(
        "confirm_with_payment_vs_without", "confirms for a second of one core, each with its payment; the same without", "confirms/core-s", ">= 0.9"
    )
    ledger = filled_ledger(2 * BURST + 2 * WARM_UP)
    for turn in rounds(figure):
        with Server("confirms").fresh(ledger) as server:
            server.start()
            ours, theirs, first = [], [], 0
            for count, keep in ((WARM_UP, False), *[(BURST // CONFIRM_TURNS, True)] * CONFIRM_TURNS):
                for paid in (True, False) if len(ours) % 2 == turn % 2 else (False, True):
                    seen = confirmed(server, first, count, paid)
                    first += count
                    if keep:
                        (ours if paid else theirs).append(seen)
            server.stop()
            told = server.count("payments"), server.count("orders WHERE state = 2")
            if told != (WARM_UP + BURST, 2 * (WARM_UP + BURST)):
                raise Failed(f"{told[0]} payments and {told[1]} confirmed orders are in the ledger")
            server.prove()
        cost = [sum(part["cpu_ns"] for part in parts) / len(parts) for parts in (ours, theirs)]
        note = f"{cost[0] / 1000:.1f} us of CPU with a payment, {cost[1] / 1000:.1f} without"
        figure.add(1e9 / cost[0], 1e9 / cost[1], note, max(part["disturbance"] for part in ours + theirs))
    ledger.unlink()
    return [figure]


def relayed(server, url):
    """The seconds in which a relay has sent all that there is to that endpoint, and ends."""
    words = ["taskset", "-c", ANY_CORE, str(PROGRAM), "relay", "--to", url, "--replay", "2000-01-01T00:00:00Z", "--operator", server.operator, "--log.level", "warn"]
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    begin = time.monotonic()
    done = subprocess.run(
        words, env={**os.environ, "PENSTOCK_OPERATOR_TOKEN": OPERATOR_TOKEN, "PENSTOCK_RELAY_SECRET": secret}, capture_output=True, text=True, timeout=300
    )
    seconds = time.monotonic() - begin
    if done.returncode != 0 or done.stderr:
        raise Failed(f"the relay: {done.returncode} {done.stderr}")
    return seconds


def relay():
    """10,000 changes to an endpoint that answers at once: nginx, on this machine."""
    changes = 10_000
    ledgers = [
        (Figure("relay_s", f"a relay posts {changes:,} changes of one sale, one after the other", "s", "reported"), changes, None),
        (Figure("relay_s_11_sales", f"{changes:,} changes of eleven sales, each in its order", "s", "reported"), changes // 10, changes - changes // 10),
    ]
    with Nginx("", status=204) as nginx:
        for figure, orders, ended in ledgers:
            ledger = filled_ledger(orders, ended)
            with Server("relay", ANY_CORE).fresh(ledger) as server:
                server.start()
                for _ in rounds(figure):
                    with Watch(lambda: cpu_seconds(server.pid) + cpu_seconds(nginx.pid)) as watch:
                        seconds = relayed(server, nginx.url)
                    figure.add(seconds, None, f"{changes / seconds:,.0f} changes a second", watch.disturbance)
                server.stop()
            ledger.unlink()
    return [figure for figure, _, _ in ledgers]


# Lockstep: batches of the same size on both sides, so that only what is compared differs.
STEP, BURST = 64, 12800
CONFIRM_TURNS = 8  # parts of a burst of confirms, with and without payments in turn
WARM_UP = 10 * STEP  # purchases that are not counted: the first ones touch pages that a server has not touched since its start


def add_costs(figure, ours, theirs):
    figure.add(ours["cpu_ns"] / 1000, theirs["cpu_ns"] / 1000, None, max(ours["disturbance"], theirs["disturbance"]))


def flat_buyers():
    figure = Figure(
        "flat_buyers", "CPU of a purchase (the server's, gate to ledger) at 1 million buyers; at 1 thousand", "us", "<= 1.12"
    )
    requests = make_requests("headers", WARM_UP + BURST, "header")
    many, few = filled_ledger(MILLION), filled_ledger(1000)
    for _ in rounds(figure):
        seen = []
        for name, ledger in (("many", many), ("few", few)):
            with Server(name, **HEADER_IDENTITY).fresh(ledger) as server:
                server.start()
                burst(server, requests, 0, WARM_UP, STEP)
                seen.append(burst(server, requests, WARM_UP, BURST, STEP))
                server.stop()
        add_costs(figure, *seen)
    many.unlink()
    few.unlink()
    return [figure]


def flat_sales():
    sales = 1000
    figure = Figure("flat_sales", f"CPU of a purchase (the server's, gate to ledger) at {sales:,} sales, one after the other; at 1", "us", "<= 1.12")
    names = [f"s{i:04}" for i in range(sales)]
    one = make_requests("headers-one", ROUNDS_MAX * BURST, "header", (names[0].encode(),))
    all_of_them = make_requests("headers-all", ROUNDS_MAX * BURST, "header", [name.encode() for name in names])
    with Server("many-sales", **HEADER_IDENTITY).fresh() as many, Server("one-sale", **HEADER_IDENTITY).fresh() as single:
        say(f"opening {sales:,} sales")
        for server, its in ((many, names), (single, names[:1])):
            server.start()
            server.make_item(sales * MILLION)
            for name in its:
                server.make_sale(name, MILLION)
        for i in rounds(figure):
            add_costs(figure, *(burst(server, its, i * BURST, BURST, STEP) for server, its in ((many, all_of_them), (single, one))))
        for server in (many, single):
            server.stop()
            server.prove()
    return [figure]


def timed(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def percentile(values, part):
    return sorted(values)[int(len(values) * part)]


def audited(server, work):
    """What `work` returns while audits run one after the other, from within the first on."""
    stop, audits, faults = threading.Event(), [], []

    def audit():
        while not stop.is_set():
            try:
                audits.append(server.operate("POST", "/v1/audit"))
            except urllib.error.HTTPError as refusal:
                if refusal.code != 503:
                    faults.append(refusal.code)
                    return

    thread = threading.Thread(target=audit)
    thread.start()
    time.sleep(0.2)
    result = work()
    running = thread.is_alive()
    stop.set()
    thread.join()
    if faults or not running:
        raise Failed(f"no audit was running all the time: {faults}")
    return result


def beside_audit():
    """
    A ledger of a million orders: what people do to it by itself, and while it is audited. Each
    round takes them in turn, on one server.
    """
    orders, confirms, pauses, connections, share = MILLION, 300, 150, 64, 4
    bars = {"purchase": "<= 1.2", "confirm": "<= 3", "pause": "<= 3"}
    figures = {what: Figure(f"beside_audit_p99_{what}", f"p99 of a {what} during an audit of {orders:,} orders; without", "ms", bar) for what, bar in bars.items()}
    requests = make_requests("headers", 500_000, "header")
    rate = load_accepted(HEADER_IDENTITY, connections, requests).rate / share
    path = filled_ledger(orders)
    bought = WARM_UP
    with Server("beside-audit", ANY_CORE, **HEADER_IDENTITY).fresh(path) as server:

        def buy():
            nonlocal bought
            run = open_loop(server.public, server.pid, requests, bought, rate, connections, 202)
            bought += run.wanted["count"]
            if run.others["count"]:
                raise Failed(f"{run.others['count']} purchases were not accepted")
            return run.wanted["p99_us"] / 1000

        def confirm():
            ids = [order["id"] for order in json.loads(server.operate("GET", f"/v1/orders?state=held&limit={confirms}"))["orders"]]
            return percentile([timed(lambda: server.operate("POST", f"/v1/orders/{order}/confirm")) for order in ids], 0.99) * 1000

        def pause():
            moves = ["pause", "resume"] * (pauses // 2)
            return percentile([timed(lambda: server.operate("POST", f"/v1/sales/s/{move}")) for move in moves], 0.99) * 1000

        server.start()
        burst(server, requests, 0, WARM_UP, STEP)
        for _ in rounds(*figures.values()):
            with Watch(lambda: cpu_seconds(server.pid)) as watch:
                seen = {what: (audited(server, work), work()) for what, work in (("purchase", buy), ("confirm", confirm), ("pause", pause))}
            for what, (beside, alone) in seen.items():
                figures[what].add(beside, alone, f"{rate:,.0f} purchases a second, {confirms} confirms, {pauses} pauses a side", watch.disturbance)
        server.stop()
    path.unlink()
    return list(figures.values())


CASES = {
    beside_audit: ("beside_audit_p99_purchase", "beside_audit_p99_confirm", "beside_audit_p99_pause"),
    sold_out: ("sold_out_vs_nginx_64", "sold_out_vs_nginx_512"),
    accepted: ("accepted_vs_nginx", "accepted_jwt_vs_nginx"),
    open_accepted_beside_nginx: ("open_p99_ms", "open_p999_ms"),
    overloaded: ("overload_p99", "overload_goodput"),
    lone_purchase: ("lone_vs_log",),
    bytes_an_order: ("bytes_an_order_1", "bytes_an_order_64", "bytes_an_order_256"),
    remembered: ("bytes_per_buyer", "restart_s_1m"),
    evergreen: ("restart_evergreen_s",),
    changes: ("changes_vs_rows",),
    confirm_with_payment: ("confirm_with_payment_vs_without",),
    relay: ("relay_s", "relay_s_11_sales"),
    storm: ("storm_p99",),
    idle: ("idle_rss_mib", "ready_ms"),
    flat_buyers: ("flat_buyers",),
    flat_sales: ("flat_sales",),
    simulated_sales: ("sim_sales_a_minute",),
}


def clean():
    shutil.rmtree(SCRATCH, ignore_errors=True)
