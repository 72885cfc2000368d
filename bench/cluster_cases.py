"""
The measurements of a cluster: Redis, Kafka, PostgreSQL. As in cases.py, each makes one or more
figures.
"""

import contextlib
import dataclasses
import itertools
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace

from cluster import MILLION, Cluster, helper, pin, services
from load import burst, make_requests, wrk
from measure import ROUNDS, ROUNDS_MAX, Failed, Figure, Watch, cpu_seconds, is_getting_cheaper, rounds, say, wait_until
from kafka import Kafka, Proxied
from one_script import OneScript
from redis import Redis, Sentinel
from server import ANY_CORE, LOAD_CORE, PROGRAM, SERVER_CORE, TESTING_PROGRAM

CONNECTIONS = 256
DONE = 'penstock_drain_events_total{outcome="done"}'


# --- The stock ---


def stock_adapter():
    batch, count, turns = 64, 10240, 5
    figure = Figure("stock_redis_vs_bare", f"purchases a second by the Redis adapter, batches of {batch}; by a bare hiredis loop", "purchases/s", ">= 0.7")
    redis = services.redis
    pin(redis.process.pid, SERVER_CORE)
    for _ in rounds(figure):
        redis.call("FLUSHALL")
        with Watch(services.cpu_seconds) as watch:
            seen = helper("micro_redis", redis.url(), turns, batch, count, core=LOAD_CORE)
        figure.add(seen["adapter"], seen["bare"], f"a call of the bare loop took {seen['call_ns'] / 1000:.0f} us", watch.disturbance)
    pin(redis.process.pid, ANY_CORE)
    return [figure]


def idle_sales():
    count, seconds = 1000, 5
    figure = Figure("idle_sales_cpu", f"Redis' CPU for one gate with {count} open sales and no buyer, a refresh each 20 ms", "of a core", "<= 0.01")
    redis = services.redis
    pin(redis.process.pid, SERVER_CORE)
    for _ in rounds(figure):
        redis.call("FLUSHALL")
        redis.call("FUNCTION", "FLUSH")
        with Watch(services.cpu_seconds) as watch:
            one = helper("idle_sales", redis.url(), 1, seconds, core=LOAD_CORE)
            seen = helper("idle_sales", redis.url(), count, seconds, core=LOAD_CORE)
        figure.add(seen["cpu"], note=f"with one sale {one['cpu']:.4f}", disturbance=watch.disturbance)
    pin(redis.process.pid, ANY_CORE)
    return [figure]


def redis_seconds():
    """CPU as Redis counts it."""
    seen = services.redis.info("cpu")
    return float(seen["used_cpu_user"]) + float(seen["used_cpu_sys"])


def spend(gates, count):
    """
    Redis' CPU for so many purchases, in lockstep on CONNECTIONS connections, which the gates share.
    """
    requests = make_requests("headers", count, "header")
    with Cluster() as cluster, ThreadPoolExecutor(gates) as pool:
        them = [cluster.gate(f"gate-{i}", core=LOAD_CORE) for i in range(gates)]
        cluster.sell(them[0])
        wait_until(lambda: all(gate.sells("s") for gate in them), "the sale at every gate", pause=0.01)
        pin(services.redis.process.pid, SERVER_CORE)
        share, each = count // gates, CONNECTIONS // gates
        with cluster.watch() as watch:
            begin = redis_seconds()
            list(pool.map(lambda i: burst(them[i], requests, i * share, share, each), range(gates)))
            spent = redis_seconds() - begin
        pin(services.redis.process.pid, ANY_CORE)
        calls = int(services.redis.info("commandstats")["cmdstat_fcall"].split(",")[0].removeprefix("calls="))
    return spent / count, watch.disturbance, count / calls


def two_gates():
    count = 20480
    figure = Figure("two_gates_vs_one", f"Redis' CPU of a purchase, {CONNECTIONS} buyers at two gates; at one", "us", "<= 1.08")
    for _ in rounds(figure):
        seen = []
        for gates in (2, 1):
            services.redis.call("CONFIG", "RESETSTAT")
            seen.append(spend(gates, count))
        (two, disturbed, share), (one, disturbed_one, share_one) = seen
        figure.add(two * 1e6, one * 1e6, f"purchases for each call of Redis: {share:.0f} with two gates, {share_one:.0f} with one", max(disturbed, disturbed_one))
    return [figure]


# --- Accepted purchases ---


REDIS_SYNC = "always"  # of both sides: what was told is on Redis' disk
LIKE_THE_SCRIPT = {"rate": {"requests": 5, "seconds": 10}}  # the script counts a buyer's requests, so the sale does too


@contextlib.contextmanager
def redis_synced(sync):
    services.redis.call("CONFIG", "SET", "appendfsync", sync)
    try:
        yield
    finally:
        services.redis.call("CONFIG", "SET", "appendfsync", "everysec")


@dataclass
class Sold:
    """A round of accepted purchases, and what they cost: seconds of CPU for each."""

    rate: float
    redis: float
    whole: float
    note: str
    disturbance: float


def sold_by_cluster(requests):
    """
    A gate sells while a drain writes the ledger: what the cluster costs until all of it is there.
    """
    with redis_synced(REDIS_SYNC), Cluster() as cluster:
        gate, drain = cluster.gate(**{"gate.queue_target": "0s"}), cluster.drain()  # a closed loop: the script turns nobody away either
        cluster.sell(gate, **LIKE_THE_SCRIPT)
        in_redis, in_gate, in_drain = redis_seconds(), cpu_seconds(gate.pid), cpu_seconds(drain.pid)
        with cluster.watch() as watch:
            run = wrk(gate.public, cluster.cpu_seconds, CONNECTIONS, requests, core=ANY_CORE)
            cluster.settle(drain, 0.1)
        each = [
            (after - before) / run.requests
            for before, after in ((in_redis, redis_seconds()), (in_gate, cpu_seconds(gate.pid)), (in_drain, cpu_seconds(drain.pid)))
        ]
        gate.stop()
        drain.stop()
        if run.refused:
            raise Failed(f"{run.refused} of {run.requests} were refused")
        hold_against_ledger(cluster, run.requests)
    note = "CPU of a purchase: Redis {:.1f} us, the gate {:.1f}, the drain {:.1f}".format(*(1e6 * one for one in each))
    return Sold(run.rate, each[0], watch.server / run.requests, note, max(watch.disturbance, run.disturbance))


def hold_against_ledger(cluster, accepted):
    """What was told is an order there, and every promise is kept."""
    orders = cluster.orders()
    if not accepted <= orders <= accepted + CONNECTIONS:
        raise Failed(f"{accepted} purchases were accepted, {orders} orders are in the ledger")
    cluster.prove()


def sold_by_script(sync, requests):
    with OneScript(sync) as peer:
        peer.open("s", MILLION)
        begin = peer.redis_seconds()
        run = wrk(peer.url, peer.cpu_seconds, CONNECTIONS, requests, core=ANY_CORE)
        in_redis, orders = peer.redis_seconds() - begin, peer.count("s")
        if run.refused or not run.requests <= orders <= run.requests + CONNECTIONS:
            raise Failed(f"one script: {run.requests} answers, {run.refused} of them refusals, {orders} orders in its stream")
    return Sold(run.rate, in_redis / run.requests, run.server_seconds / run.requests, "", run.disturbance)


def cluster_beside_one_script():
    what = f"{CONNECTIONS} connections, appendfsync {REDIS_SYNC}, a drain running; nginx and one script in Redis"
    redis = Figure("redis_cpu_vs_one_script", f"Redis' CPU of a purchase, all calls, {what}", "us", "<= 0.4")
    speed = Figure("cluster_vs_one_script", f"purchases accepted a second by the whole cluster, {what}", "purchases/s", ">= 1.2")
    whole = Figure("cluster_cpu_us", f"CPU of a purchase, everything until it is in PostgreSQL, {what}", "us", "<= 38, <= 0.8")
    requests = make_requests("headers", 500_000, "header")
    costs = []  # of rounds that do not count: the broker's program is still being compiled
    while is_getting_cheaper(costs) and len(costs) < ROUNDS_MAX:
        costs.append(sold_by_cluster(requests).whole)
    for _ in rounds(redis, speed, whole):
        ours, theirs, lazy = sold_by_cluster(requests), sold_by_script(REDIS_SYNC, requests), sold_by_script("everysec", requests)
        disturbed = max(ours.disturbance, theirs.disturbance)
        beside = f"one script with appendfsync everysec: {lazy.rate:,.0f}/s, {lazy.whole * 1e6:.1f} us of CPU, {lazy.redis * 1e6:.1f} of it Redis'"
        redis.add(ours.redis * 1e6, theirs.redis * 1e6, ours.note, disturbed)
        speed.add(ours.rate, theirs.rate, beside, disturbed)
        whole.add(ours.whole * 1e6, theirs.whole * 1e6, ours.note, disturbed)
    return [redis, speed, whole]


@contextlib.contextmanager
def lone_parts(topic):
    """
    The thread that does what a purchase takes, and nothing else: something that burst() can load.
    """
    command = ["taskset", "-c", ANY_CORE, PROGRAM.parent / "bench/lone_parts", services.redis.url(1), services.kafka.brokers, topic]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline()
        if not port:
            raise Failed("lone_parts did not start")
        yield SimpleNamespace(port=int(port), pid=process.pid)
    finally:
        process.kill()
        process.wait()


def lone_in_cluster():
    what = "of one purchase on an idle cluster; of one thread that does the same reads, calls and sends"
    parts = (("step_ns", Figure("cluster_lone_p50", f"p50 {what}", "us", "<= 1.5")), ("step_p99_ns", Figure("cluster_lone_p99", f"p99 {what}", "us", "<= 2")))
    figures = [figure for _, figure in parts]
    warm_up, count = 1000, 1000
    requests = make_requests("headers", warm_up + ROUNDS_MAX * count, "header")
    with Cluster() as cluster, lone_parts(f"{cluster.topic}-parts") as alone:
        gate = cluster.gate()
        cluster.sell(gate, **LIKE_THE_SCRIPT)
        for server in (gate, alone):
            burst(server, requests, 0, warm_up, 1, core=ANY_CORE)
        accepted = warm_up
        for i in rounds(*figures):
            accepted += count
            with Watch(lambda: cluster.cpu_seconds() + cpu_seconds(alone.pid)) as watch:
                ours, theirs = (burst(server, requests, warm_up + i * count, count, 1, core=ANY_CORE) for server in (gate, alone))
            for part, figure in parts:
                figure.add(ours[part] / 1000, theirs[part] / 1000, None, watch.disturbance)
        gate.stop()
        drain = cluster.drain()
        cluster.settle(drain)
        drain.stop()
        hold_against_ledger(cluster, accepted)
    return figures


# --- The journal ---


def journal_adapter():
    what = f"events a second by the journal alone, {CONNECTIONS} in flight; by a bare producer of the same records, as many in flight"
    figure = Figure("kafka_adapter_vs_bare", what, "events/s", ">= 0.7")
    for i in rounds(figure):
        with Watch(services.cpu_seconds) as watch:
            seen = helper("micro_kafka", services.kafka.url(f"bench-adapter-{i}"), 1, CONNECTIONS)
        note = f"CPU of an event {seen['journal_cpu_ns'] / 1000:.1f} us against {seen['bare_cpu_ns'] / 1000:.1f} us"
        figure.add(seen["journal"], seen["bare"], note, watch.disturbance)
    return [figure]


FAR_SECONDS = 0.003


@contextlib.contextmanager
def far_brokers():
    """Three brokers, each so far away that its answers come FAR_SECONDS later."""
    kafka = Kafka(nodes=3)
    try:
        kafka.start()
        for node in kafka.nodes:
            node.proxy.delay = FAR_SECONDS
        kafka.set_proxies("slow")
        yield kafka
    finally:
        kafka.free()


FAR_CONNECTIONS, WARM_UP_BURSTS_MAX = 64, 12


def through_proxies(kafka, cluster):
    return {"journal.url": Proxied(kafka).url(cluster.topic), "journal.kafka.replication": "3", "journal.kafka.min_insync": "2"}


def cpu_of_all(kafka, cluster):
    return lambda: cluster.cpu_seconds() + sum(cpu_seconds(node.process.pid) for node in kafka.nodes)


def warm_up(kafka):
    """
    Bursts that do not count, until three brokers have compiled what they run: their first purchases
    cost three times as much. In a cluster of its own, whose orders nobody drains.
    """
    costs = []
    with Cluster() as cluster:
        gate = cluster.gate("warm-up", **through_proxies(kafka, cluster))
        gate.make_item(WARM_UP_BURSTS_MAX * MILLION)
        while is_getting_cheaper(costs) and len(costs) < WARM_UP_BURSTS_MAX:
            sale = f"w{len(costs):02}"
            requests = make_requests("headers-warm-up", 40_000, "header", (sale.encode(),))
            gate.make_sale(sale, MILLION)
            wait_until(lambda: gate.sells(sale), "the sale", pause=0.01)
            run = wrk(gate.public, cpu_of_all(kafka, cluster), FAR_CONNECTIONS, requests, core=ANY_CORE)
            costs.append(run.server_seconds / run.requests)
        gate.stop()


def far_away():
    connections = FAR_CONNECTIONS
    what = f"p50 of a purchase, {connections} connections, three brokers {FAR_SECONDS * 1000:.0f} ms away, min.insync.replicas 2; one acknowledgement"
    figure = Figure("cluster_far_brokers", what, "us", "<= 1.6")
    requests = make_requests("headers", 400_000, "header")
    with far_brokers() as kafka, contextlib.ExitStack() as stack:
        warm_up(kafka)
        cluster = stack.enter_context(Cluster())
        journal = through_proxies(kafka, cluster)
        for i in rounds(figure):
            gate = cluster.gate(f"gate-{i}", **journal)
            if i == 0:
                cluster.sell(gate)
            wait_until(lambda: gate.sells("s"), "the sale", pause=0.01)
            part = dataclasses.replace(requests, path=share_of(requests, i), count=requests.count // ROUNDS_MAX)
            with Watch(cpu_of_all(kafka, cluster)) as watch:
                run = wrk(gate.public, gate.pid, connections, part, core=ANY_CORE)
                acknowledged = helper("bare_producer", kafka.proxied, cluster.topic, f"{cluster.topic}-bare", 300, 1, 3)["p50_ns"]
            if run.refused:
                raise Failed(f"{run.refused} of {run.requests} were refused")
            batch = gate.metric("penstock_journal_batch_events_sum") / gate.metric("penstock_journal_batch_events_count")
            gate.stop()
            figure.add(run.p50_us, acknowledged / 1000, f"{run.rate:,.0f} purchases a second, {batch:.0f} in an append", watch.disturbance)
        drain = cluster.drain(**journal, **{"drain.latency_target": "1m"})  # at full speed
        cluster.settle(drain)
        drain.stop()
        cluster.prove()
    return [figure]


def share_of(requests, turn):
    """A file with one round's share of the requests: each buyer comes once."""
    size = requests.count // ROUNDS_MAX * requests.size
    path = requests.path.with_name(f"{requests.path.name}-{turn}")
    path.write_bytes(requests.path.read_bytes()[turn * size : (turn + 1) * size])
    return path


# --- The drain ---


def fill(cluster, seconds):
    """A gate fills the topic; nobody drains it."""
    gate = cluster.gate()
    cluster.sell(gate)
    run = wrk(gate.public, cluster.cpu_seconds, CONNECTIONS, make_requests("headers", 500_000, "header"), seconds, ANY_CORE)
    gate.stop()
    if run.refused:
        raise Failed(f"{run.refused} of {run.requests} were refused")
    return run.requests


class Progress:
    """A drain's committed events, looked at often: (seconds, events) at each change."""

    def __init__(self, drain):
        self.drain, self.seen = drain, [(time.monotonic(), 0)]

    def look(self):
        done = self.drain.metric(DONE)
        if done != self.seen[-1][1]:
            self.seen.append((time.monotonic(), done))
        return done

    def wait(self, events):
        wait_until(lambda: self.look() >= events, f"{events:,} events in the ledger", 60, 0.01)
        return self.seen[-1]


def drain_at_full_speed(cluster, total):
    """
    Events a second of the second half: a drain begins with small batches and makes them larger.
    """
    with cluster.watch() as watch:
        drain = cluster.drain(**{"drain.latency_target": "1m"})
        progress = Progress(drain)
        begin, first = progress.wait(total // 2)
        end, last = progress.wait(total)
        own = cpu_seconds(drain.pid)
    drain.stop()
    note = f"CPU of an order: the drain {own / total * 1e6:.1f} us, with Kafka and PostgreSQL {watch.server / total * 1e6:.1f} us"
    return (last - first) / (end - begin), note, watch.disturbance


def drain_at_rate(cluster, rate, seconds):
    drain = cluster.drain(**{"drain.max_rate": str(rate)})
    progress = Progress(drain)
    begin, first = progress.wait(rate // 10)
    with cluster.watch() as watch:
        end, last = progress.wait(first + rate * seconds)
    drain.stop()
    return (last - first) / (end - begin), watch.disturbance


def drained():
    rate, seconds, fill_seconds = 10_000, 3, 8
    speed = Figure("drain_vs_copy", "orders a second by `penstock drain`, unthrottled; by a bare COPY of the same rows", "orders/s", ">= 0.75")
    error = Figure("drain_rate_error", f"deviation from drain.max_rate = {rate:,} over {seconds} s", "of it", "<= 0.02")
    with Cluster() as filled:
        total = fill(filled, fill_seconds)
        say(f"{total:,} orders in the topic")
        for _ in rounds(speed):
            with filled.branch() as cluster:
                ours, note, disturbed = drain_at_full_speed(cluster, total)
                if cluster.orders() < total:
                    raise Failed(f"{cluster.orders()} orders of {total}")
                cluster.prove()
                with cluster.watch() as watch:
                    copy = helper("micro_drain", "copy", cluster.settings["ledger.url"], cluster.orders(), 2048)
                note += f"; PostgreSQL for the bare COPY {watch.server / copy['orders'] * 1e6:.1f} us"
                speed.add(ours, copy["orders"] / copy["ns"] * 1e9, note, max(disturbed, watch.disturbance))
                cluster.drop()
            with filled.branch() as cluster:
                paced, disturbed = drain_at_rate(cluster, rate, seconds)
                error.add(abs(paced / rate - 1), None, f"{paced:,.0f} orders a second", disturbed)
                cluster.drop()
    return [speed, error]


# --- The stop button ---


def hold_lock(database, statement):
    """A session that locks something, until its input ends."""
    postgres = services.postgres
    command = [str(postgres.programs / "psql"), "-XqAt", "-d", postgres.url(database)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdin.write(f"BEGIN;\n{statement};\n\\echo locked\n")
    holder.stdin.flush()
    while holder.stdout.readline().strip() != "locked":
        if holder.poll() is not None:
            raise Failed("the lock was not taken")
    return holder


def ask_for_reports(gate):
    """Lists and an audit of a locked table: each ends with a refusal."""

    def ask(method, path):
        try:
            gate.operate(method, path)
        except urllib.error.HTTPError:
            pass

    threads = [threading.Thread(target=ask, args=("GET", "/v1/orders")) for _ in range(4)]
    threads.append(threading.Thread(target=ask, args=("POST", "/v1/audit")))
    for thread in threads:
        thread.start()
    return threads


def pause_beside_lock():
    what = "a pause while the sale's row and all orders are locked by somebody, and four lists and an audit wait"
    figure = Figure("pause_ms_beside_lock", what, "ms", "<= 50")
    with Cluster() as cluster:
        gate = cluster.gate()
        cluster.sell(gate)
        for _ in range(ROUNDS):
            lock = "SELECT * FROM penstock.sales FOR UPDATE; LOCK TABLE penstock.orders IN ACCESS EXCLUSIVE MODE"
            holder = hold_lock(cluster.database, lock)
            reports = ask_for_reports(gate)
            begin = time.monotonic()
            state = json.loads(gate.operate("POST", "/v1/sales/s/pause"))["state"]
            figure.add((time.monotonic() - begin) * 1000)
            if state != "paused":
                raise Failed(f"the sale is {state}")
            gate.operate("POST", "/v1/sales/s/resume")
            holder.stdin.close()
            holder.wait()
            for report in reports:
                report.join()
        gate.stop()
    return [figure]


# --- Failover ---

REPLICAS = 2  # as docs/operations.md says, with min-replicas-to-write one less


class Watched:
    """A master with its replicas, and three Sentinels."""

    def __enter__(self):
        self.servers = [Redis(min_replicas_to_write=REPLICAS - 1, min_replicas_max_lag=3).start() for _ in range(REPLICAS + 1)]
        self.master = self.servers[0]
        for replica in self.servers[1:]:
            replica.follow(self.master)
        self.sentinels = [Sentinel(self.master, down_after_ms=5000).start() for _ in range(3)]
        wait_until(self.is_watched, "the Sentinels", 30, 0.05)
        return self

    def __exit__(self, *_):
        for one in [*self.sentinels, *self.servers]:
            one.free()

    def is_watched(self):
        sides = (("SENTINELS", 2), ("REPLICAS", REPLICAS))
        return all(len(one.call("SENTINEL", what, one.name)) == count for one in self.sentinels for what, count in sides)

    def url(self):
        return f"redis+sentinel://{','.join(f'127.0.0.1:{one.port}' for one in self.sentinels)}/{self.sentinels[0].name}"

    def has_failed_over(self):
        ports = {one.master_port() for one in self.sentinels}
        promoted = [server for server in self.servers[1:] if {server.port} == ports]
        return bool(promoted) and promoted[0].role() == "master" and promoted[0].info("replication")["connected_slaves"] == str(REPLICAS - 1)


def buys(gate, buyer):
    request = urllib.request.Request(f"{gate.public}/v1/sales/s/orders", b"{}", {"Content-Type": "application/json", "X-Buyer-Id": buyer})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status == 202
    except urllib.error.HTTPError:
        return False


def failover():
    what = "nothing is sold after the master of Redis was killed, without a broker, beyond what Sentinel needs"
    figure = Figure("failover_s", what, "s", "<= 3")
    for turn in range(3):
        with Watched() as redis, Cluster() as cluster:
            gate = cluster.gate(**{"stock.url": redis.url(), "journal.url": "direct:"})
            cluster.sell(gate)
            wait_until(lambda: buys(gate, "before"), "a purchase", 10, 0.02)
            redis.master.kill()
            begin = time.monotonic()
            wait_until(redis.has_failed_over, "the failover", 60, 0.02)
            sentinels = time.monotonic() - begin
            wait_until(lambda: buys(gate, f"after-{turn}"), "a purchase", 60, 0.02)
            seconds = time.monotonic() - begin
            figure.add(max(seconds - sentinels, 0), None, f"{seconds:.1f} s in all, {sentinels:.1f} s of them Sentinel's")
            gate.stop()
    return [figure]


# --- A stock that forgets ---


def sold_again(gate):
    """Seconds from now until somebody is told 202."""
    begin, buyer = time.monotonic(), itertools.count()
    while True:
        request = urllib.request.Request(
            f"http://127.0.0.1:{gate.port}/v1/sales/s/orders",
            data=b"{}",
            headers={"X-Buyer-Id": f"after-{begin}-{next(buyer)}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                if answer.status == 202:
                    return time.monotonic() - begin
        except urllib.error.HTTPError as refused:
            if refused.code != 503:
                raise
        if time.monotonic() - begin > 120:
            raise Failed("the stock was not rebuilt")
        time.sleep(0.005)


def rebuilt_behind_drain():
    half, step = 50_000, 250
    what = f"a Redis that forgets {2 * half:,} orders, {half:,} of them behind a paced drain: until the first 202"
    figure = Figure("rebuild_s", what, "s", "<= 1.5")
    requests = make_requests("headers", 2 * half, "header")
    with Cluster() as cluster:
        gate = cluster.gate()
        cluster.sell(gate)
        burst(gate, requests, 0, half, step, core=ANY_CORE)
        drain = cluster.drain()
        cluster.settle(drain)
        drain.stop()
        burst(gate, requests, half, half, step, core=ANY_CORE)
        drain = cluster.drain("paced", **{"drain.max_rate": "100"})
        for _ in range(ROUNDS):
            with cluster.watch() as watch:
                services.redis.call("FLUSHALL")
                outage = sold_again(gate)
            behind = 2 * half - cluster.orders()
            if behind < half * 9 // 10:
                raise Failed(f"only {behind} orders are behind the drain")
            figure.add(outage, None, f"{behind:,} orders behind the drain; CPU of all {watch.server:.2f} s", watch.disturbance)
        drain.stop()
        drain = cluster.drain("last")
        cluster.settle(drain)
        drain.stop()
        gate.stop()
        if cluster.orders() < 2 * half:
            raise Failed(f"{cluster.orders()} orders of {2 * half}")
        cluster.prove()
    return [figure]


# --- An upgrade that raises the version of the functions in Redis ---

NEXT_VERSION = {"PENSTOCK_FAILPOINTS": "stock.next_version=on"}  # the testing build, as a program of the next version


def buy_until_refused(gate, times):
    """When each purchase was told 202, until the gate is gone."""
    buyer = itertools.count()
    with contextlib.suppress(OSError):
        while buys(gate, f"before-{next(buyer)}"):
            times.append(time.monotonic())


def upgraded():
    orders = 10_000
    what = f"nobody is told 202 while {orders:,} orders move from the last older gate, which is stopped, to a newer one that stands by"
    figure = Figure("upgrade_s", what, "s", "<= 1.5")
    requests = make_requests("headers", orders, "header")
    if not TESTING_PROGRAM.exists():
        raise Failed(f"{TESTING_PROGRAM} is missing: run make bench, or tools/build build-test -Dtesting=true")
    for turn in range(ROUNDS):
        with Cluster() as cluster:
            older = cluster.gate("older")
            cluster.sell(older)
            drain = cluster.drain()
            burst(older, requests, 0, orders, 250, core=ANY_CORE)
            newer = cluster.gate("newer", program=TESTING_PROGRAM, environment=NEXT_VERSION)
            wait_until(lambda: newer.metric('penstock_component_up{component="stock"}') == 0, "a newer gate that stands by")
            cluster.settle(drain)
            told = []
            buyer = threading.Thread(target=buy_until_refused, args=(older, told))
            buyer.start()
            wait_until(lambda: len(told) > 20, "purchases", 10, 0.01)
            stopper = threading.Thread(target=older.stop)
            stopper.start()
            buyer.join()
            wait_until(lambda: buys(newer, f"after-{turn}"), "a purchase at the newer gate", 60, 0.005)
            figure.add(time.monotonic() - told[-1], None, f"{orders:,} orders")
            stopper.join()
            newer.stop()
            drain.stop()
            cluster.prove()
    return [figure]


CASES = {
    upgraded: ("upgrade_s",),
    failover: ("failover_s",),
    rebuilt_behind_drain: ("rebuild_s",),
    pause_beside_lock: ("pause_ms_beside_lock",),
    stock_adapter: ("stock_redis_vs_bare",),
    cluster_beside_one_script: ("redis_cpu_vs_one_script", "cluster_vs_one_script", "cluster_cpu_us"),
    journal_adapter: ("kafka_adapter_vs_bare",),
    far_away: ("cluster_far_brokers",),
    idle_sales: ("idle_sales_cpu",),
    drained: ("drain_vs_copy", "drain_rate_error"),
    two_gates: ("two_gates_vs_one",),
    lone_in_cluster: ("cluster_lone_p50", "cluster_lone_p99"),
}
