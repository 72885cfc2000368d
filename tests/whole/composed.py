"""The cluster of compose.yaml without containers: each service is the real program with the
command, settings, secrets and environment that it has there.

What a container has and a process has not is replaced: names and the network 10.77.0.0/24 by
addresses of loopback (127.77.0.0/24), ports by free ones, and /run/secrets by the folder that
deploy/docker/prepare fills. A service is started when those that it depends on are healthy, by the
checks of compose.yaml.
"""

import json
import re
import socket
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import yaml
from kafka import Kafka
from ports import free_port
from postgres import Postgres

import openapi
from penstock import PROGRAM, ROOT, buyer_token, plain_environment, request, wait_until

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (DEPLOY / "docker/Dockerfile").read_text()
IMAGE_ENVIRONMENT = dict(re.findall(r"\b(PENSTOCK_\w+)=(\S+)", DOCKERFILE))
# What says where a broker is and whom it belongs to; the test's broker has its own.
BROKERS_PLACES = re.compile(
    "KAFKA_(NODE_ID|PROCESS_ROLES|CONTROLLER_.*|LISTENERS|ADVERTISED_LISTENERS|LISTENER_SECURITY_.*|LOG_DIRS|HEAP_OPTS)"
)


def checked(*command, cwd=ROOT, environment=None):
    # promtool's rules alone take 10 s of CPU.
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def replaced(text, *pairs):
    """The settings as they are shipped, but for places; each must be there."""
    for old, new in pairs:
        assert old in text, f"{old!r} is not there any more"
        text = text.replace(old, str(new))
    return text


def prepare(folder):
    checked(DEPLOY / "docker/prepare", folder)
    return folder


def mounted(service, value, secrets):
    """/run/secrets/NAME: the file that the service's container has there."""
    name = value.removeprefix("/run/secrets/")
    if name == value:
        return value
    folders = re.findall(r"^secrets-(\w+):/run/secrets:ro$", "\n".join(SERVICES[service]["volumes"]), re.MULTILINE)
    assert len(folders) == 1, folders
    return secrets / folders[0] / name


class Process:
    def __init__(self, command, folder, environment=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.command, self.folder, self.environment, self.log_path = command, folder, environment, folder / "log"
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in self.command],
                cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def log(self):
        return self.log_path.read_text(errors="replace")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(15)

    def wait_healthy(self, what):
        def look():
            assert self.process.poll() is None, self.log()
            return self.is_healthy()

        wait_until(look, 30, f"{what}'s health")
        return self


class Redis(Process):
    """With the settings and users of deploy/redis."""

    def __init__(self, folder, secrets):
        self.port = free_port()
        folder.mkdir(parents=True)
        text = (DEPLOY / "redis/redis.conf").read_text()
        settings = folder / "redis.conf"
        settings.write_text(
            replaced(text, ("bind * -::*", "bind 127.0.0.1"), ("port 6379", f"port {self.port}"), ("dir /data", f"dir {folder}"))
        )
        command = SERVICES["redis"]["command"]
        assert command[1:3] == ["/usr/local/etc/redis/redis.conf", "--aclfile"]
        super().__init__([command[0], settings, command[2], mounted("redis", command[3], secrets)], folder)

    def ask(self, *words, user="health", password="health"):
        command = ["redis-cli", "-p", str(self.port), "--user", user, "--pass", password, "--no-auth-warning", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()

    def is_healthy(self):
        kind, command = SERVICES["redis"]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        return subprocess.run(replaced(command, ("redis-cli ", f"redis-cli -p {self.port} ")), shell=True, timeout=10).returncode == 0


def cluster_id(secrets):
    """What the broker's command of compose.yaml exports, by its own words."""
    shell, option, script = SERVICES["kafka"]["command"]
    script = script.replace("$$", "$")
    path = mounted("kafka", re.search(r"/run/secrets/\w+", script).group(0), secrets)
    words = replaced(script, ("/run/secrets/cluster_id", path), ("exec /etc/kafka/docker/run", "exec printenv CLUSTER_ID"))
    return checked(shell, option, words).strip()


def make_postgres():
    """With the switches of compose.yaml; who may log in is not tried."""
    service = SERVICES["postgres"]
    assert service["command"][0] == "postgres"
    server = Postgres(**dict(word.removeprefix("-c").split("=", 1) for word in service["command"][1:]))
    server.start()
    server.sql(f"CREATE DATABASE {service['environment']['POSTGRES_DB']}")
    return server


def make_kafka(cluster):
    """With the broker's settings of compose.yaml."""
    named = {name: value for name, value in SERVICES["kafka"]["environment"].items() if name.startswith("KAFKA_")}
    settings = {name[6:].lower(): value for name, value in named.items() if not BROKERS_PLACES.fullmatch(name)}
    for tries_left in (2, 1, 0):
        broker = Kafka(**settings)
        broker.CLUSTER = cluster
        try:
            return broker.start()
        except AssertionError:  # it takes seconds to come, and one of its ports may be another's by then
            broker.free()
            if not tries_left:
                raise


class Penstock(Process):
    """A gate or a drain."""

    def __init__(self, name, folder, secrets):
        service = SERVICES[name]
        networks = service["networks"]
        fixed = networks["front"]["ipv4_address"] if isinstance(networks, dict) else "10.77.0.99"
        self.address = fixed.replace("10.77.", "127.77.")
        self.health = service["healthcheck"]["test"]
        self.places = {}
        environment = plain_environment()
        for variable, value in {**IMAGE_ENVIRONMENT, **service["environment"]}.items():
            if variable.endswith("_LISTEN"):
                self.places[variable] = value = f"{self.address}:{free_port(self.address)}"
            environment[variable] = str(mounted(name, value, secrets)).replace("10.77.", "127.77.")
        super().__init__([PROGRAM, *service.get("command", ["serve"])], folder, environment)
        self.public = f"http://{self.places['PENSTOCK_GATE_LISTEN']}"
        self.operator = f"http://{self.places['PENSTOCK_OPERATOR_LISTEN']}"
        openapi.listeners.update({self.public: "public", self.operator: "operator"})
        self.monitor = f"http://{self.places.get('PENSTOCK_DRAIN_LISTEN')}"
        self.token = (secrets / "own/operator_token").read_text().strip()

    def run(self, *arguments):
        """A command inside the container."""
        return subprocess.run(
            [str(PROGRAM), *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60
        )

    def is_healthy(self):
        assert self.health[:2] == ["CMD", "penstock"]
        return self.run(*self.health[2:]).returncode == 0

    def operate(self, method, path, body=None):
        body = "" if body is None and method == "POST" else body
        return request(self.operator, method, path, body, {"Authorization": f"Bearer {self.token}"})

    def metrics(self):
        base = self.operator if self.command[1] == "serve" else self.monitor
        with urllib.request.urlopen(f"{base}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def metric(self, series):
        return float(re.search(rf"^{re.escape(series)} (\S+)$", self.metrics(), re.MULTILINE).group(1))


class Nginx(Process):
    """deploy/nginx/cluster.conf before the two gates, at the address that they trust."""

    def __init__(self, folder, gates):
        folder.mkdir(parents=True)
        self.address = SERVICES["nginx"]["networks"]["front"]["ipv4_address"].replace("10.77.", "127.77.")
        self.port = free_port(self.address)
        assert SERVICES["nginx"]["command"] == ["nginx", "-c", "/etc/nginx/penstock/cluster.conf"]
        text = replaced(
            (DEPLOY / "nginx/cluster.conf").read_text(),
            ("daemon off;", "daemon off;\nmaster_process off;"),
            ("/tmp/", f"{folder}/"),
            ("/etc/nginx/penstock/penstock.inc", DEPLOY / "nginx/penstock.inc"),
            # From loopback everything would come from 127.0.0.1; X-Test-Client is the address of a
            # client that comes over the network.
            (
                "listen 8080 backlog",
                f"proxy_bind {self.address};\n\t\tset_real_ip_from 127.0.0.0/8;\n\t\treal_ip_header X-Test-Client;\n"
                f"\t\tlisten {self.address}:{self.port} backlog",
            ),
            *((f"server {name}:8080 ", f"server {gate.places['PENSTOCK_GATE_LISTEN']} ") for name, gate in gates.items()),
        )
        settings = folder / "nginx.conf"
        settings.write_text(text)
        super().__init__(["/usr/sbin/nginx", "-c", settings, "-p", folder], folder)

    @property
    def public(self):
        return f"http://{self.address}:{self.port}"

    def is_healthy(self):
        try:
            with socket.create_connection((self.address, self.port), timeout=3):
                return True
        except OSError:
            return False


class Prometheus(Process):
    """With the settings, alerts and targets of compose.yaml, but that it looks once a second."""

    def __init__(self, folder, cluster):
        folder.mkdir(parents=True)
        self.port = free_port()
        text = (DEPLOY / "prometheus/prometheus.yml").read_text()
        (folder / "prometheus.yml").write_text(replaced(text, ("_interval: 5s", "_interval: 1s")))
        (folder / "alerts.yml").write_text((DEPLOY / "prometheus/alerts.yml").read_text())
        text = (DEPLOY / "prometheus/targets/cluster.yml").read_text()
        pairs = [(f"{name}:8081", gate.operator.removeprefix("http://")) for name, gate in cluster.gates.items()]
        (folder / "targets.yml").write_text(replaced(text, *pairs, ("drain:8082", cluster["drain"].monitor.removeprefix("http://"))))
        words = [replaced(word, ("/etc/prometheus", folder)) if "/etc/" in word else word for word in SERVICES["prometheus"]["command"]]
        super().__init__(
            ["prometheus", *words, f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"], folder
        )

    def get(self, path, **query):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}?{urlencode(query, doseq=True)}", timeout=30) as answer:
            return answer.read().decode()

    def is_healthy(self):
        assert SERVICES["prometheus"]["healthcheck"]["test"][-1].endswith("/-/ready")
        try:
            return "Ready" in self.get("/-/ready")
        except OSError:
            return False

    def series(self, expression, seconds):
        """Its series over the last seconds, each a list of numbers."""
        now = time.time()
        answer = json.loads(self.get("/api/v1/query_range", query=expression, start=now - seconds, end=now, step=1))
        return [[float(value) for _, value in series["values"]] for series in answer["data"]["result"]]

    def exemplars(self, selector):
        """The traces that it keeps beside these series, of the last five minutes."""
        answer = json.loads(self.get("/api/v1/query_exemplars", query=selector, start=time.time() - 300, end=time.time() + 60))
        return [exemplar["labels"]["trace_id"] for series in answer["data"] for exemplar in series["exemplars"]]

    def label_values(self, definition):
        """What Grafana makes of label_values(SELECTOR, LABEL)."""
        selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", definition).groups()
        return json.loads(self.get(f"/api/v1/label/{label}/values", **{"match[]": selector}))["data"]


class Composed:
    def __init__(self, folder):
        self.folder, self.secrets = folder, prepare(folder / "secrets")
        self.jwt_key = (self.secrets / "own/jwt_key").read_text().strip()
        self.kafka = self.postgres = None
        self.processes = {}

    # Each is known as soon as it is there: whatever fails beside it, free() ends it.

    def start_kafka(self, cluster):
        self.kafka = make_kafka(cluster)

    def start_postgres(self):
        self.postgres = make_postgres()

    def start(self):
        cluster = cluster_id(self.secrets)
        with ThreadPoolExecutor(2) as pool:
            started = [pool.submit(self.start_kafka, cluster), pool.submit(self.start_postgres)]
            self.processes["redis"] = Redis(self.folder / "redis", self.secrets)
            self.processes["redis"].wait_healthy("redis")
        for each in started:
            each.result()
        self.write_settings()
        healthy = {"redis", "kafka", "postgres"}
        for name in ("gate-1", "gate-2", "drain", "nginx"):
            assert set(SERVICES[name]["depends_on"]) - {"secrets"} <= healthy, name
            if name == "nginx":
                self.processes[name] = Nginx(self.folder / name, self.gates)
            else:
                self.processes[name] = Penstock(name, self.folder / name, self.secrets)
            self.processes[name].wait_healthy(name)
            healthy.add(name)
        return self

    def write_settings(self):
        """penstock.conf as deploy/docker/prepare has made it, but for where the services are."""
        for folder in ("gates", "drain"):
            path = self.secrets / folder / "penstock.conf"
            text = replaced(
                path.read_text(),
                ("@redis:6379/", f"@127.0.0.1:{self.processes['redis'].port}/"),
                ("kafka://kafka:9092/", f"kafka://{self.kafka.brokers}/"),
                ("@postgres/", f"@127.0.0.1:{self.postgres.port}/"),
            )
            path.unlink()
            path.write_text(text)

    @property
    def gates(self):
        return {name: self.processes[name] for name in ("gate-1", "gate-2")}

    def __getitem__(self, name):
        return self.processes[name]

    def buy(self, buyer, sale="drop", source=None, **headers):
        """Through nginx."""
        headers = {name.replace("_", "-"): text for name, text in headers.items()}
        headers = {"Authorization": f"Bearer {buyer_token(buyer, key=self.jwt_key)}", **headers}
        return request(self["nginx"].public, "POST", f"/v1/sales/{sale}/orders", {}, headers, source=source)

    def make_sale(self, sale="drop", units=100, **terms):
        gate = self["gate-1"]
        assert gate.operate("POST", "/v1/items", {"sku": sale, "name": sale, "on_hand": units}).status == 201
        body = {"id": sale, "name": sale, "lots": [{"sku": sale, "units": units}], "price": {"amount": 100, "currency": "EUR"}, **terms}
        assert gate.operate("POST", "/v1/sales", {"rate": None, **body}).status == 201
        assert gate.operate("POST", f"/v1/sales/{sale}/open").status == 200
        for each in self.gates.values():
            wait_until(lambda: request(each.public, "GET", f"/v1/sales/{sale}").json.get("state") == "open", 10, "the sale")

    def audit(self):
        """From a gate's container, as an operator does it."""
        return self["gate-1"].run("audit")

    def free(self):
        for process in reversed(self.processes.values()):
            process.kill()
        for server in (self.kafka, self.postgres):
            if server:
                server.free()
