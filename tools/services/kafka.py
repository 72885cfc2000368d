"""Private Apache Kafka for tests: one broker or several (KRaft, each its own controller), in a
folder of their own, on ports of their own, and ended with whoever started them.

Every broker has two addresses: its own, and one that it gives out for a proxy before it
(services/proxy.py), for what gets lost on the way.

As a program (for tests in C): `kafka.py run NODES` prints the broker list and the broker list by
the proxies once they are ready, and then does as its standard input says, a line each, answering
"ok": `stop N`, `kill N`, `start N` (a node, from 1), `proxy MODE`. It runs until its standard input
ends.
"""

import base64
import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from freezing import freeze  # noqa: E402
from ports import free_port  # noqa: E402
from proxy import Proxy  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
JARS = ROOT / "build-kafka"
FORMATTED = JARS / "bootstrap.checkpoint"  # the jars' own: new jars, new folder
# A broker of a test does little and lives shortly: what costs at start and in the background is
# turned down.
JAVA = ["-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
LOG_SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN"><Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1}: %m%n"/></Console></Appenders>
<Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers></Configuration>
"""


def java():
    found = shutil.which("java")
    if not found or not (JARS / ".made-from").exists():
        sys.exit("there is no Kafka here: run tools/setup test")
    return found


class Node:
    def __init__(self, number, folder, voters, ports, settings):
        self.number = number
        self.folder = folder / f"node-{number}"
        self.folder.mkdir()
        self.log = self.folder / "log"
        self.port, proxied, controller = ports
        self.proxy = Proxy(proxied)
        self.process = None
        lines = {
            "node.id": number,
            "log.dirs": self.folder / "data",
            "listeners": f"PLAIN://127.0.0.1:{self.port},PROXIED://127.0.0.1:{proxied},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAIN://127.0.0.1:{self.port},PROXIED://127.0.0.1:{self.proxy.port}",
            "controller.quorum.voters": voters,
            **settings,
        }
        self.settings = self.folder / "server.properties"
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    def command(self, main, *arguments):
        log_settings = self.folder / "log4j2.xml"
        log_settings.write_text(LOG_SETTINGS)
        return [java(), *JAVA, f"-Dlog4j2.configurationFile={log_settings}", "-cp", f"{JARS}/*", main, *map(str, arguments)]

    def format(self, cluster):
        """
        As Kafka's own tool does, which is asked once a machine: its answer is the same for all but
        two lines.
        """
        data = self.folder / "data"
        if not FORMATTED.exists():
            done = subprocess.run(
                self.command("kafka.tools.StorageTool", "format", "-t", cluster, "-c", self.settings),
                cwd=self.folder, capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            beside = shutil.copy(data / FORMATTED.name, JARS / f"{FORMATTED.name}.{self.port}")
            Path(beside).rename(FORMATTED)
            return
        data.mkdir()
        shutil.copy(FORMATTED, data)
        directory = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
        lines = {"version": 1, "cluster.id": cluster, "node.id": self.number, "directory.id": directory}
        (data / "meta.properties").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command("kafka.Kafka", self.settings),
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def is_listening(self):
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-4000:]
        with socket.socket() as place:
            place.settimeout(1)
            return place.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self, number):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(40)


class Kafka:
    """
    nodes: 1 or 3. Three keep a record where two have it (min.insync.replicas), and go on without
    one of them.
    """

    CLUSTER = "cGVuc3RvY2stdGVzdHMtMQ"  # an id's form is 16 bytes in base64

    def __init__(self, nodes=1, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-kafka-"))
        ports = [free_port() for _ in range(3 * nodes)]
        groups = [ports[3 * i : 3 * i + 3] for i in range(nodes)]
        voters = ",".join(f"{i + 1}@127.0.0.1:{group[2]}" for i, group in enumerate(groups))
        shared = {
            "process.roles": "broker,controller",
            "listener.security.protocol.map": "PLAIN:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAIN",
            "auto.create.topics.enable": "false",
            "default.replication.factor": nodes,
            "min.insync.replicas": 2 if nodes > 1 else 1,
            "offsets.topic.replication.factor": nodes,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": nodes,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": nodes,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 300,
            "log.retention.check.interval.ms": 500,
            "log.segment.delete.delay.ms": 100,
            "file.delete.delay.ms": 100,
            "num.network.threads": 1,
            "num.io.threads": 2,
            "background.threads": 1,
            "log.cleaner.enable": "false",
            "num.recovery.threads.per.data.dir": 1,
            "replica.lag.time.max.ms": 4000,
            # One that was killed is not let in again before its last life has run out.
            "broker.session.timeout.ms": 4000 if nodes > 1 else 2500,
            "broker.heartbeat.interval.ms": 500 if nodes > 1 else 300,
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
        self.nodes = [Node(i + 1, self.folder, voters, group, shared) for i, group in enumerate(groups)]
        self.made = 0

    def start(self):
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda node: node.format(self.CLUSTER), self.nodes))
        for node in self.nodes:
            node.proxy.start()
            node.start()
        for node in self.nodes:
            self.wait_ready(node)
        return self

    def wait_ready(self, node, seconds=90):
        """It takes connections, and whoever asks it hears of itself as a broker of the cluster."""
        deadline = time.monotonic() + seconds
        while not (node.is_listening() and self.knows_itself(node)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Kafka did not come within {seconds} s: {node.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)

    @staticmethod
    def knows_itself(node):
        done = subprocess.run(
            ["kcat", "-b", f"127.0.0.1:{node.port}", "-L", "-J", "-m", "5"], capture_output=True, text=True, timeout=30
        )
        return done.returncode == 0 and f'"id":{node.number},' in done.stdout

    @property
    def brokers(self):
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def proxied(self):
        return ",".join(f"127.0.0.1:{node.proxy.port}" for node in self.nodes)

    def url(self, topic):
        return f"kafka://{self.brokers}/{topic}"

    def make_topic_name(self):
        self.made += 1
        return f"topic-{self.made}"

    def stop_node(self, number):
        self.nodes[number - 1].end(signal.SIGTERM)

    def kill_node(self, number):
        self.nodes[number - 1].end(signal.SIGKILL)

    def freeze_node(self, number):
        """It keeps its connections, and says nothing any more."""
        freeze(self.nodes[number - 1].process)

    def start_node(self, number):
        """With the data that it has."""
        node = self.nodes[number - 1]
        node.start()
        self.wait_ready(node)

    def set_proxies(self, mode):
        for node in self.nodes:
            node.proxy.set(mode)

    def kcat(self, *arguments, **options):
        return subprocess.run(
            ["kcat", "-b", self.brokers, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=True, **options
        ).stdout

    def ends(self, topic, partitions):
        """The offset behind each partition's last record; none while one of them has no leader."""
        places = [word for number in range(partitions) for word in ("-t", f"{topic}:{number}:-1")]
        with contextlib.suppress(subprocess.CalledProcessError):
            return {int(number): int(offset) for number, offset in re.findall(r"\[(\d+)\] offset (\d+)", self.kcat("-Q", *places))}
        return {}

    def leader(self, topic, partition):
        """The number of the node that a partition's records go to."""
        topics = json.loads(self.kcat("-L", "-J", "-t", topic))["topics"]
        return next(it["leader"] for it in topics[0]["partitions"] if it["partition"] == partition)

    def free(self):
        for node in self.nodes:
            node.end(signal.SIGKILL)
            node.proxy.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Proxied:
    """The same brokers, by the way on which answers can be lost."""

    def __init__(self, kafka):
        self.kafka, self.nodes = kafka, kafka.nodes

    def url(self, topic):
        return f"kafka://{self.kafka.proxied}/{topic}"

    def ends(self, topic, partitions):
        return self.kafka.ends(topic, partitions)


def obey(kafka, line):
    verb, argument = line.split()
    if verb == "proxy":
        kafka.set_proxies(argument)
    else:
        {"stop": kafka.stop_node, "kill": kafka.kill_node, "start": kafka.start_node}[verb](int(argument))


def main(arguments):
    if len(arguments) != 2 or arguments[0] != "run":
        sys.exit(__doc__)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # a terminal sends them to all; the end of our input is what counts
    kafka = Kafka(int(arguments[1]))
    try:
        kafka.start()
        print(kafka.brokers, kafka.proxied, flush=True)
        for line in sys.stdin:
            obey(kafka, line)
            print("ok", flush=True)
    finally:
        kafka.free()


if __name__ == "__main__":
    main(sys.argv[1:])
