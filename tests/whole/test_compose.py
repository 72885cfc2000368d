"""
compose.yaml, the image and the rest of deploy/, held against what they speak of: no container
engine is needed, so every name is looked up here.
"""

import ipaddress
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ports import free_port
from composed import COMPOSE, DEPLOY, DOCKERFILE, SERVICES, IMAGE_ENVIRONMENT, Redis, checked, cluster_id, mounted, prepare, replaced

from penstock import PROGRAM, ROOT, plain_environment

PROFILES = ("embedded", "cluster", "observability")
TARGETS = {name: yaml.safe_load((DEPLOY / f"prometheus/targets/{name}.yml").read_text()) for name in ("embedded", "cluster", "local")}

in_each_service = pytest.mark.parametrize("name", sorted(SERVICES))
in_each_that_stays = pytest.mark.parametrize("name", sorted(set(SERVICES) - {"secrets"}))


def tool(name):
    return pytest.mark.skipif(not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"), reason=f"{name} is not installed")


def is_ours(name):
    return SERVICES[name].get("image") == "penstock:local"


OURS = sorted(name for name in SERVICES if is_ours(name))


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    """What deploy/docker/prepare makes."""
    return prepare(tmp_path_factory.mktemp("prepared") / "secrets")


# --- compose.yaml ---


def test_the_compose_file_is_one():
    checker = Path(sys.executable).with_name("check-jsonschema")
    checked(checker, "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_nothing_but_one_command_is_needed():
    """`docker compose up -d` in a fresh clone: the whole cluster with what watches it."""
    lines = [line for line in (ROOT / ".env").read_text().splitlines() if not line.startswith("#")]
    assert lines == ["COMPOSE_PROFILES=cluster,observability"]
    assert ".env" in checked("git", "ls-files", "--cached", "--others", "--exclude-standard").split(), "it comes with the clone"
    text = (ROOT / "compose.yaml").read_text()
    assert re.findall(r"(?<!\$)\$\{?(\w+)(:-\w+)?", text) == [("PENSTOCK_TARGETS", ":-cluster")], "nothing must be said for it"
    for name, service in SERVICES.items():
        assert service.get("pull_policy") == ("build" if is_ours(name) else None), name


def test_the_secrets_are_made_by_a_service_that_ends():
    service = SERVICES["secrets"]
    assert set(service["profiles"]) == set(PROFILES) and service["restart"] == "no" and service["network_mode"] == "none"
    assert service["cap_drop"] == ["ALL"] and service["read_only"] and "no-new-privileges:true" in service["security_opt"]
    script, folder = service["command"]
    assert "./deploy:/deploy:ro" in service["volumes"] and os.access(ROOT / script.removeprefix("/"), os.X_OK)
    made = {volume.partition(":")[0]: volume.partition(":")[2] for volume in service["volumes"] if volume.startswith("secrets-")}
    assert made == {name: f"{folder}/{name.removeprefix('secrets-')}" for name in COMPOSE["volumes"] if name.startswith("secrets-")}
    readers = {}
    for name, each in SERVICES.items():
        for volume in each.get("volumes", []):
            if volume.startswith("secrets-") and name != "secrets":
                assert volume.endswith(":/run/secrets:ro") and each["depends_on"]["secrets"], name
                readers.setdefault(volume.partition(":")[0], set()).add(name)
    assert readers.pop("secrets-gates") == {"gate-1", "gate-2", "penstock"}
    assert readers == {f"secrets-{name}": {name} for name in ("drain", "redis", "kafka", "postgres", "grafana")}, "own is nobody's"


@in_each_that_stays
def test_a_service_has_its_profile_and_is_confined(name):
    service = SERVICES[name]
    assert service["profiles"] and set(service["profiles"]) <= set(PROFILES)
    assert service["cap_drop"] == ["ALL"] and "no-new-privileges:true" in service["security_opt"]
    assert service["mem_limit"] and service["pids_limit"]
    # Kafka's image writes its settings into its own folder.
    assert service.get("read_only") or service["image"].startswith("apache/kafka:")
    assert service["user"].partition(":")[0] not in ("", "0", "root")
    assert "healthcheck" in service, "what runs is asked how it is"


@in_each_service
def test_an_image_is_pinned(name):
    tag = SERVICES[name]["image"].partition(":")[2]
    assert tag == "local" and "build" in SERVICES[name] or re.search(r"\d+\.\d+\.\d+|\d+\.\d+-", tag), tag


def test_the_image_is_built_upon_the_one_that_compose_names():
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"$DEBIAN"}
    assert re.findall(r"^ARG DEBIAN=(\S+)$", DOCKERFILE, re.MULTILINE) == [COMPOSE["x-images"]["debian"]]
    assert COMPOSE["x-penstock"]["build"]["args"] == {"DEBIAN": COMPOSE["x-images"]["debian"]}


# The least releases without a hole that is known to be open to who only reaches the service.
LEAST = {"redis": (7, 4, 6), "postgres": (15, 15), "nginx": (1, 28), "grafana": (11, 6, 4), "debian": (12, 12)}


@pytest.mark.parametrize("name", LEAST)
def test_an_image_has_no_hole_that_was_mended_long_ago(name):
    version = re.search(r":v?(\d+(?:\.\d+)+)", COMPOSE["x-images"][name]).group(1)
    assert tuple(map(int, version.split("."))) >= LEAST[name]


def test_every_image_is_named_in_one_place():
    images = {service["image"] for service in SERVICES.values()} - {"penstock:local"}
    assert images == set(COMPOSE["x-images"].values())
    text = (DEPLOY.parent / "compose.yaml").read_text()
    assert all(text.count(image) == 1 for image in images)


@in_each_service
def test_what_a_service_waits_for_is_there(name):
    for other, terms in SERVICES[name].get("depends_on", {}).items():
        assert set(SERVICES[name]["profiles"]) <= set(SERVICES[other]["profiles"]), f"{other} is in another profile"
        assert terms == {"condition": "service_completed_successfully" if other == "secrets" else "service_healthy"}, other


@in_each_service
def test_what_a_service_mounts_is_there(name):
    service = SERVICES[name]
    for volume in service.get("volumes", []):
        source = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", volume).partition(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume
    networks = service.get("networks", {})
    assert (networks or "network_mode" in service) and set(networks) <= set(COMPOSE["networks"])


def test_nothing_is_declared_in_vain():
    used = [volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert set(COMPOSE["volumes"]) <= set(used)
    assert set(COMPOSE["networks"]) == {network for service in SERVICES.values() for network in service.get("networks", [])}
    assert {profile for service in SERVICES.values() for profile in service["profiles"]} == set(PROFILES)


def test_a_profile_takes_each_port_once():
    for profile in ("embedded", "cluster"):
        taken = []
        for service in SERVICES.values():
            if {profile, "observability"} & set(service["profiles"]):
                for port in service.get("ports", []):
                    address, outside, _ = port.split(":")
                    assert address == "127.0.0.1", port
                    taken.append(outside)
        assert len(taken) == len(set(taken)), taken


def test_fixed_addresses_fit_together():
    net = ipaddress.ip_network(COMPOSE["networks"]["front"]["ipam"]["config"][0]["subnet"])
    fixed = {
        name: service["networks"]["front"]["ipv4_address"]
        for name, service in SERVICES.items()
        if isinstance(service.get("networks"), dict) and "front" in service["networks"]
    }
    assert all(ipaddress.ip_address(address) in net for address in fixed.values())
    assert len(set(fixed.values())) == len(fixed)
    assert SERVICES["nginx"]["extra_hosts"] == {name: fixed[name] for name in ("gate-1", "gate-2")}
    for name in ("gate-1", "gate-2"):
        assert SERVICES[name]["environment"]["PENSTOCK_GATE_TRUSTED_PROXIES"] == fixed["nginx"]


def test_no_password_is_in_an_environment(secrets):
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|KEY(?!_ALG)|SECRET", variable):
                assert variable.endswith("_FILE") and value.startswith("/run/secrets/"), f"{name}: {variable}"
                assert mounted(name, value, secrets).is_file()
            assert not re.search(r"://[^/\s]*:[^/\s]*@", str(value)), f"{name}: {variable}"


def test_what_keeps_things_is_reached_by_nobody_outside():
    assert COMPOSE["networks"]["back"]["internal"] is True
    for name in ("redis", "kafka", "postgres"):
        assert SERVICES[name]["networks"] == ["back"] and "ports" not in SERVICES[name]


# --- The program's part ---


def in_force(environment):
    """What `penstock config` prints; it stops at a name or a value that it does not know."""
    text = checked(PROGRAM, "config", environment={**plain_environment(), **environment})
    return dict(re.findall(r"^(?:# )?([a-z]+\.[a-z_.]+) (.+)$", text, re.MULTILINE))


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_service_are_the_programs(name, secrets):
    """The program takes its whole environment, and each name of it has an effect."""
    environment = {**IMAGE_ENVIRONMENT, **SERVICES[name]["environment"]}
    environment = {variable: str(mounted(name, value, secrets)) for variable, value in environment.items()}
    there = in_force(environment)
    for variable in set(environment) - {"PENSTOCK_CONFIG"}:
        wanted = variable.removeprefix("PENSTOCK_").removesuffix("_FILE").lower()
        values = [value for setting, value in there.items() if setting.replace(".", "_") == wanted]
        assert len(values) == 1 and values != ["(not set)"], variable


@pytest.mark.parametrize("name", OURS)
def test_the_program_is_asked_how_it_is(name):
    command = SERVICES[name]["healthcheck"]["test"]
    assert command == ["CMD", "penstock", "health", *(["--drain"] if name == "drain" else [])]


@pytest.mark.parametrize("name", OURS)
def test_a_stop_has_the_time_it_needs(name):
    text = checked(PROGRAM, "config", environment=plain_environment())
    patience = int(re.search(r"^gate\.stop_timeout = (\d+)s$", text, re.MULTILINE).group(1))
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= patience + 5


@pytest.mark.parametrize("name", OURS)
def test_the_programs_command_is_one(name):
    for command in (*SERVICES[name].get("command", ["serve"]), "health"):
        checked(PROGRAM, command, "--help", environment=plain_environment())


def test_secrets_are_made_once_and_read_by_the_program(secrets):
    before = {str(path.relative_to(secrets)): path.read_bytes() for path in secrets.rglob("*") if path.is_file()}
    own = {Path(name).name: text.decode().strip() for name, text in before.items() if name.startswith("own/")}
    assert {name: len(text) for name, text in own.items()} == {
        **dict.fromkeys(("operator_token", "jwt_key", "postgres_password", "redis_password", "grafana_password"), 64), "cluster_id": 22
    }  # fmt: skip
    assert len(set(own.values())) == len(own)
    checked(DEPLOY / "docker/prepare", secrets)
    assert {str(path.relative_to(secrets)): path.read_bytes() for path in secrets.rglob("*") if path.is_file()} == before
    assert re.fullmatch(r"A[A-Za-z0-9_-]{20}A", cluster_id(secrets)) and cluster_id(secrets) == own["cluster_id"]
    # Each service has what is its own, and nothing else of it.
    for folder, named in {
        "gates": {"operator_token", "jwt_key", "redis_password", "postgres_password"},
        "drain": {"redis_password", "postgres_password"},
        "redis": set(),
        "kafka": {"cluster_id"},
        "postgres": {"postgres_password"},
        "grafana": {"grafana_password"},
    }.items():
        text = "".join(content.decode() for name, content in before.items() if name.startswith(f"{folder}/"))
        assert {name for name, secret in own.items() if secret in text} == named, folder
    # The settings are as the program takes them, and it shows no password of theirs.
    environment = plain_environment()
    for variable, value in SERVICES["gate-1"]["environment"].items():
        if value.startswith("/run/secrets/"):
            environment[variable] = str(mounted("gate-1", value, secrets))
    shown = checked(PROGRAM, "config", environment=environment)
    for text in ("redis:6379/0", "kafka://kafka:9092/penstock", "@postgres/penstock"):
        assert text in shown
    for name in ("redis_password", "postgres_password", "operator_token", "jwt_key"):
        assert own[name] not in shown, name


def test_a_secret_that_is_taken_away_is_made_anew_and_the_rest_stays(tmp_path):
    secrets = prepare(tmp_path / "secrets")
    first = {path.name: path.read_text() for path in (secrets / "own").iterdir()}
    users = (secrets / "redis/users.acl").read_text()
    (secrets / "own/redis_password").unlink()
    prepare(secrets)
    second = {path.name: path.read_text() for path in (secrets / "own").iterdir()}
    assert {name for name in first if first[name] != second[name]} == {"redis_password"}
    assert (secrets / "redis/users.acl").read_text() != users
    for folder in ("gates", "drain"):
        assert second["redis_password"] in (secrets / folder / "penstock.conf").read_text()


def test_addresses_are_those_of_services(secrets):
    text = (secrets / "gates/penstock.conf").read_text()
    hosts = dict(re.findall(r"^(\w+)\.url = \w+://(?:[^@\n]*@)?([a-z-]+)", text, re.MULTILINE))
    assert hosts == {"stock": "redis", "journal": "kafka", "ledger": "postgres"}
    for name in ("gate-1", "gate-2", "drain"):
        assert "back" in SERVICES[name]["networks"]


def test_one_broker_is_told_of_as_one():
    """
    The program makes the topic: what it asks for is what one broker has, and what that broker lacks
    in copies it makes up for by syncing.
    """
    broker = SERVICES["kafka"]["environment"]
    assert broker["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == broker["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == "false"
    assert broker["KAFKA_MIN_INSYNC_REPLICAS"] == broker["KAFKA_LOG_FLUSH_INTERVAL_MESSAGES"] == "1"
    assert f"1@kafka:{broker['KAFKA_LISTENERS'].rpartition(':')[2]}" == broker["KAFKA_CONTROLLER_QUORUM_VOTERS"]
    for name in ("gate-1", "gate-2", "drain"):
        for setting in ("REPLICATION", "MIN_INSYNC"):
            assert SERVICES[name]["environment"][f"PENSTOCK_JOURNAL_KAFKA_{setting}"] == "1"


def test_the_broker_is_the_one_that_the_tests_run():
    versions = set(re.findall(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([\d.]+)<", (ROOT / "tools/services/kafka/pom.xml").read_text()))
    assert {SERVICES["kafka"]["image"]} == {f"apache/kafka:{version}" for version in versions}


# --- The image ---


def packages_of_the_build():
    text = re.search(r"^build_packages=\(\n(.*?)^\)", (ROOT / "tools/setup").read_text(), re.MULTILINE | re.DOTALL).group(1)
    return set(text.split())


# What the build links with, and what of it the image has. libc is in every image.
RUN_TIME = {
    "libsqlite3-dev": "libsqlite3-0",
    "libpq-dev": "libpq5",
    "libhiredis-dev": "libhiredis0.14",
    "librdkafka-dev": "librdkafka1",
    "libjansson-dev": "libjansson4",
    "libssl-dev": "libssl3",
    "libcurl4-openssl-dev": "libcurl4",  # by a relay and by commands over https, when they run
}


def packages_of_the_image():
    return set(re.search(r"--no-install-recommends ([^\\]+)\\", DOCKERFILE).group(1).split())


def test_the_image_has_the_libraries_of_the_build_and_no_more():
    assert {name for name in packages_of_the_build() if re.fullmatch(r"lib.+-dev", name)} - {"libc6-dev"} == set(RUN_TIME)
    assert packages_of_the_image() == set(RUN_TIME.values())


@tool("dpkg-query")
@pytest.mark.skipif("VERSION_ID=\"12\"" not in Path("/etc/os-release").read_text(), reason="the image is Debian 12, this is not")
def test_the_libraries_are_those_that_the_program_asks_for():
    for build, run in RUN_TIME.items():
        assert re.search(rf"\b{re.escape(run)} \(", checked("dpkg-query", "-W", "-f", "${Depends}", build)), build
    in_every_image = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}
    has = "".join(checked("dpkg", "-L", package) for package in RUN_TIME.values())
    for library in set(re.findall(r"NEEDED\s+(\S+)", checked("objdump", "-p", PROGRAM))) - in_every_image:
        assert f"/{library}\n" in has, library


def test_the_image_is_built_by_the_scripts_that_make_runs():
    makefile = (ROOT / "Makefile").read_text()
    ran = re.findall(r"^RUN (tools/\S+) (\w+)", DOCKERFILE, re.MULTILINE)
    assert ran == [("tools/setup", "build"), ("tools/build", "build")]
    for script, _ in ran:
        assert os.access(ROOT / script, os.X_OK) and f"@{script} " in makefile
    user, group = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE).groups()
    assert f"groupadd --gid {group} " in DOCKERFILE and f"useradd --uid {user} --gid {group} " in DOCKERFILE
    for name in OURS:
        assert SERVICES[name]["user"] == f"{user}:{group}"
        if name != "penstock":
            assert f"/var/lib/penstock:uid={user},gid={group},mode=0700" in SERVICES[name]["tmpfs"]
    assert 'CMD ["penstock", "health"]' in DOCKERFILE


def test_what_the_image_copies_is_there_and_let_through():
    let = {line[1:] for line in (DEPLOY / "docker/Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert source == "." or any(source == name or source.startswith(f"{name}/") for name in let), source
    assert all((ROOT / name).exists() for name in let)
    # What the build reads by name.
    for folder in set(re.findall(r"^subdir\('(\w+)'\)", (ROOT / "meson.build").read_text(), re.MULTILINE)):
        assert folder in let or folder == "tests", folder


# --- nginx and Redis ---


@tool("nginx")
def test_the_clusters_nginx_takes_its_settings(tmp_path):
    assert SERVICES["nginx"]["command"] == ["nginx", "-c", "/etc/nginx/penstock/cluster.conf"]
    text = (DEPLOY / "nginx/cluster.conf").read_text()
    gates = re.findall(r"^\t\tserver ([\w-]+):(\d+) ", text, re.MULTILINE)
    assert gates == [("gate-1", "8080"), ("gate-2", "8080")]
    listen = re.search(r"listen (\d+) ", text).group(1)
    assert f"127.0.0.1:8080:{listen}" in SERVICES["nginx"]["ports"]
    text = replaced(
        text,
        ("/tmp/", f"{tmp_path}/"),
        ("/etc/nginx/penstock/penstock.inc", DEPLOY / "nginx/penstock.inc"),
        ("gate-1:", "127.0.0.1:"),
        ("gate-2:", "127.0.0.2:"),
        (f"listen {listen} ", f"listen 127.0.0.1:{free_port()} "),
    )
    settings = tmp_path / "nginx.conf"
    settings.write_text(text)
    assert "[warn]" not in checked("/usr/sbin/nginx", "-t", "-c", settings, "-p", tmp_path)


@pytest.fixture
def redis(tmp_path, secrets):
    server = Redis(tmp_path / "redis", secrets)
    try:
        yield server.wait_healthy("Redis")
    finally:
        server.kill()


@tool("redis-server")
def test_redis_takes_its_settings_and_users(redis, secrets):
    password = (secrets / "own/redis_password").read_text()

    def ask(*words):
        return redis.ask(*words, user="penstock", password=password)

    info = ask("info")
    assert "redis_version:" in info and "maxmemory_policy:noeviction" in info and "aof_enabled:1" in info
    library = "#!lua name=penstock\nredis.register_function('t', function(keys) return redis.call('HSET', keys[1], 'a', '1') end)"
    assert ask("function", "load", library) == "penstock"
    assert ask("function", "load", "replace", library) == "penstock"
    assert ask("fcall", "t", "1", "{ps:1}:o") == "1"
    for words in (
        ("fcall", "t", "1", "other"),
        ("get", "other"),
        ("flushall",),
        ("flushdb",),
        ("keys", "*"),
        ("function", "flush"),
        ("function", "dump"),
        ("config", "set", "maxmemory", "1"),
        ("config", "get", "*"),
        ("ping",),
        ("eval", "return 1", "0"),
        ("shutdown",),
        ("acl", "list"),
    ):
        assert ask(*words).startswith(("NOPERM", "ERR")), words
    assert ask("function", "delete", "penstock") == "OK"  # the library of a version that no gate is left of
    assert redis.ask("get", "{ps:1}:o").startswith("NOPERM")
    assert redis.ask("info").startswith("NOPERM")
    nobody = subprocess.run(["redis-cli", "-p", str(redis.port), "ping"], capture_output=True, text=True, timeout=10)
    assert "NOAUTH" in nobody.stdout


def test_the_guide_names_the_rights_of_the_users_file():
    def user(text):
        return re.search(r"^user penstock on #\S+ (.+)$", text, re.MULTILINE).group(1)

    assert user((ROOT / "docs/operations.md").read_text()) == user((DEPLOY / "redis/users.acl").read_text())


# --- Prometheus and Grafana ---


def test_whom_prometheus_asks_is_in_the_compose_file():
    for profile in ("embedded", "cluster"):
        asked = set()
        for group in TARGETS[profile]:
            for target in group["targets"]:
                name, port = target.split(":")
                asked.add(name)
                assert profile in SERVICES[name]["profiles"]
                assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"]), name
                drain = name == "drain"
                assert group["labels"] == {"job": "penstock-drain" if drain else "penstock"}
                variable = "PENSTOCK_DRAIN_LISTEN" if drain else "PENSTOCK_OPERATOR_LISTEN"
                listen = SERVICES[name]["environment"].get(variable) or re.search(rf"{variable}=(\S+)", DOCKERFILE).group(1)
                assert listen == f"0.0.0.0:{port}"
        assert asked == {name for name in OURS if profile in SERVICES[name]["profiles"]}
    settings = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    mounts = dict(volume.removesuffix(":ro").rsplit(":", 1)[::-1] for volume in SERVICES["prometheus"]["volumes"])
    read = [*settings["rule_files"], *settings["scrape_configs"][0]["file_sd_configs"][0]["files"], "prometheus.yml"]
    assert {f"/etc/prometheus/{name}" for name in read} == set(mounts) - {"/prometheus"}


def test_grafana_finds_what_it_shows():
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    host, port = re.fullmatch(r"http://([\w-]+):(\d+)", source["url"]).groups()
    assert f"127.0.0.1:{port}:{port}" in SERVICES[host]["ports"]
    path = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/penstock.yml").read_text())["providers"][0]["options"]["path"]
    assert f"./deploy/grafana/dashboards:{path}:ro" in SERVICES["grafana"]["volumes"]


def alert_rules():
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"]]


def panels():
    return [panel for path in (DEPLOY / "grafana/dashboards").glob("*.json") for panel in json.loads(path.read_text())["panels"]]


def expressions():
    """(where, expression) of every alert and panel."""
    for rule in alert_rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def metric_names(text):
    """Words that begin as our metrics do."""
    return set(re.findall(r"\b(?:penstock|process)_[a-z_]+\b", text))


ASKED = sorted(set().union(*(metric_names(text) for _, text in expressions())))


def sources(folder="src"):
    return "".join(path.read_text() for path in sorted((ROOT / folder).rglob("*.c")))


@tool("promtool")
def test_the_alerts_fire_when_they_should(tmp_path):
    for name in ("prometheus.yml", "alerts.yml", "alerts_test.yml"):
        shutil.copy(DEPLOY / "prometheus" / name, tmp_path)
    shutil.copy(DEPLOY / "prometheus/targets/cluster.yml", tmp_path / "targets.yml")
    checked("promtool", "check", "config", "prometheus.yml", cwd=tmp_path)
    checked("promtool", "test", "rules", "alerts_test.yml", cwd=tmp_path)


def in_source(metric, text):
    return any(f'"{metric.removesuffix(suffix)}"' in text for suffix in ("", "_bucket", "_sum", "_count"))


OF_THE_GUIDE = metric_names((ROOT / "docs/operations.md").read_text())


@pytest.mark.parametrize("metric", sorted({*ASKED, *(name for name in OF_THE_GUIDE if not name.endswith("_"))}))
def test_a_metric_that_is_asked_for_is_made(metric):
    text = sources()
    assert in_source(metric, text)


# What a gate shows only where its stock is shared; a drain shows its own, and a relay.
NOT_OF_ONE_GATE = re.compile(r"penstock_(drain_|relay_|rebuild_|stock_call_|stock_batch_|stock_late_)")


def test_a_server_shows_what_is_asked_for(server):
    there = metric_names(server.operate("GET", "/metrics").body.decode())
    assert len(ASKED) > 30
    assert {name for name in ASKED if not NOT_OF_ONE_GATE.match(name)} <= there


LABELS = sorted({pair for _, text in expressions() for pair in re.findall(r'(\b(?:end|outcome|reason|step|state|promise)="[^"$]+")', text)})


@pytest.mark.parametrize("label", LABELS)
def test_a_label_that_is_asked_for_is_made(label):
    text, (name, value) = sources(), label.rstrip('"').split('="')
    assert f'{name}=\\"{value}\\"' in text or f'"{value}"' in text


@pytest.mark.parametrize("where, text", list(expressions()))
def test_an_expression_is_whole(where, text):
    bare = re.sub(r'"[^"]*"', '""', text)
    for left, right in ("()", "[]", "{}"):
        assert bare.count(left) == bare.count(right), where
    # A counter's own value says nothing but "never".
    for name in re.findall(r"\b(penstock_\w+_total)\b", bare):
        assert re.search(rf"(?:rate|increase)\({name}|{name}(?:{{[^}}]*}})? > 0|sum\({name}", bare), where


def test_every_alert_is_told_and_tested_by_its_name():
    names = [rule["alert"] for rule in alert_rules()]
    assert len(names) == len(set(names))
    for rule in alert_rules():
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"], rule["alert"]
    tests = yaml.safe_load((DEPLOY / "prometheus/alerts_test.yml").read_text())["tests"]
    assert {rule["alertname"] for test in tests for rule in test["alert_rule_test"]} <= set(names)
    fired = {rule["alertname"] for test in tests for rule in test["alert_rule_test"] if rule["exp_alerts"]}
    assert {rule["alert"] for rule in alert_rules() if rule["labels"]["severity"] == "critical"} <= fired


def test_panels_have_their_own_places():
    taken = set()
    shown = panels()
    assert len({panel["id"] for panel in shown}) == len(shown)
    for panel in shown:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, panel["title"]
                taken.add((x, y))


# --- The unit ---


@tool("systemd-analyze")
@pytest.mark.parametrize("name", ["penstock.service", "penstock-drain.service", "penstock-jwks.service", "penstock-jwks.timer", "penstock-relay.service"])
def test_the_units_are_sound(tmp_path, name):
    for unit in (DEPLOY / "systemd").glob("penstock*.*"):
        # The program is not installed here, nor need its manual be.
        lines = unit.read_text().replace("@bindir@/penstock", "/bin/true").splitlines(True)
        (tmp_path / unit.name.removesuffix(".in")).write_text("".join(line for line in lines if not line.startswith("Documentation=")))
    assert f"{name}:" not in checked("systemd-analyze", "verify", tmp_path / name)


def test_the_timers_program_takes_what_its_unit_gives_it():
    """The command as the unit has it, to the point where it wants an address."""
    (line,) = [line for line in (DEPLOY / "systemd/penstock-jwks.service.in").read_text().splitlines() if line.startswith("ExecStart=")]
    words = shlex.split(line.removeprefix("ExecStart=").replace("${JWKS_URL}", "http://login.example/"))
    done = subprocess.run([PROGRAM, *words[1:]], capture_output=True, text=True, timeout=60, env=plain_environment())
    assert done.returncode == 2 and "wanted is https://" in done.stderr


def test_the_relays_program_takes_what_its_unit_gives_it(tmp_path):
    """
    The command as the unit has it, with options or without, to the point where it wants the secret.
    """
    (line,) = [line for line in (DEPLOY / "systemd/penstock-relay.service.in").read_text().splitlines() if line.startswith("ExecStart=")]
    (tmp_path / "penstock.conf").write_text("")
    for options in "", "--operator http://127.0.0.1:1 --name shop --from 2027-01-01T10:00:00Z":
        command = line.removeprefix("ExecStart=").replace("${RELAY_TO}", "http://shop.example/").replace("$RELAY_OPTIONS", options)
        words = shlex.split(command.replace("/etc/penstock", str(tmp_path)))
        done = subprocess.run([PROGRAM, *words[1:]], capture_output=True, text=True, timeout=60, env=plain_environment())
        assert done.returncode == 2 and "relay.secret must be" in done.stderr
