"""
The chart as `helm template` renders it: held against Kubernetes' own schemas, against itself, and
against the program that it runs.
"""

import copy
import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/penstock"
HELM = os.environ["HELM"]
PROGRAM = Path(os.environ.get("PENSTOCK", ROOT / "build/penstock"))
SECRETS = "/run/secrets/penstock"
# The oldest that Chart.yaml takes, and two that are in use.
KUBERNETES = ["1.25", "1.31", "1.35"]

PEER = {"podSelector": {"matchLabels": {"app": "shop"}}}
EMBEDDED = {"secret": {"name": "shop"}}
CLUSTER = {"profile": "cluster", "secret": {"name": "shop", "keys": {"config": "penstock.conf"}}}
FULL = {
    "imagePullSecrets": [{"name": "registry"}],
    "image": {"repository": "registry.example/penstock", "digest": "sha256:" + "0" * 64},
    "settings": {"sale.retention": "48h", "gate.queue_target": "20ms", "journal.kafka.partitions": 24},
    "trustedProxies": ["10.0.0.0/8", "2001:db8::/32"],
    "gate": {"replicas": 3, "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "sale", "operator": "Exists"}], "podAnnotations": {"a": "b"},
             "affinity": {"nodeAffinity": {}}},
    "drain": {"replicas": 2, "nodeSelector": {"disk": "ssd"}, "podAnnotations": {"a": "b"}},
    "service": {"type": "LoadBalancer", "port": 8080, "annotations": {"a": "b"}},
    "networkPolicy": {"public": [PEER], "operator": [PEER], "services": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "persistence": {"storageClass": "local", "size": "20Gi"},
}  # fmt: skip
CASES = {
    "embedded": EMBEDDED,
    "embedded-full": {**EMBEDDED, **FULL},
    "embedded-postgresql": {"secret": CLUSTER["secret"], "persistence": {"enabled": False}},
    "embedded-bare": {**EMBEDDED, "networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False}},
    "cluster": CLUSTER,
    "cluster-full": {**CLUSTER, **FULL},
}


def helm(*arguments, values=None):
    return subprocess.run([HELM, *arguments, *(["--values", "-"] if values is not None else [])],
                          input=json.dumps(values) if values is not None else None, capture_output=True, text=True, timeout=120)  # fmt: skip


def template(values, kubernetes=KUBERNETES[-1]):
    return helm("template", "shop", str(CHART), "--namespace", "drops", "--kube-version", kubernetes, values=values)


def render(values, kubernetes=KUBERNETES[-1]):
    done = template(values, kubernetes)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.fixture(params=CASES)
def objects(request):
    return render(CASES[request.param])


def of(objects, *kinds):
    return [each for each in objects if each["kind"] in kinds]


def workloads(objects):
    return of(objects, "StatefulSet", "Deployment")


def environment(container):
    return {each["name"]: each["value"] for each in container["env"]}


def selects(labels, workload):
    return labels.items() <= workload["spec"]["template"]["metadata"]["labels"].items()


def test_helm_finds_nothing_to_say():
    done = helm("lint", "--strict", str(CHART), "--kube-version", KUBERNETES[-1], values=EMBEDDED)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("case", CASES)
def test_each_object_is_what_kubernetes_says_that_it_is(case, kubernetes):
    objects = [each for each in render(CASES[case], kubernetes) if not each["apiVersion"].startswith("monitoring.coreos.com/")]
    for each in objects:
        kubernetes_validate.validate(each, kubernetes, strict=True)
    broken = copy.deepcopy(workloads(objects)[0])
    broken["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, kubernetes, strict=True)


def test_no_pod_has_more_than_it_needs(objects):
    for workload in workloads(objects):
        pod = workload["spec"]["template"]["spec"]
        assert pod["enableServiceLinks"] is False and pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" in (ROOT / "deploy/docker/Dockerfile").read_text()
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
        assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]
        volumes = {volume["name"] for volume in pod["volumes"]} | {
            claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])
        }
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_the_embedded_profile_is_one_pod_whatever_is_asked_for():
    (only,) = workloads(render({**EMBEDDED, **FULL}))
    assert (only["kind"], only["spec"]["replicas"]) == ("StatefulSet", 1)


def test_a_stop_leaves_time_for_what_is_in_flight(objects):
    for workload in workloads(objects):
        pod = workload["spec"]["template"]["spec"]
        before = int(pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])[1])
        assert pod["terminationGracePeriodSeconds"] >= before + 8 + 2  # gate.stop_timeout


def test_what_selects_pods_selects_those_that_are_meant(objects):
    for each in workloads(objects):
        own = each["spec"]["selector"]["matchLabels"]
        assert [other for other in workloads(objects) if selects(own, other)] == [each]
    parts = {each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: each for each in workloads(objects)}
    for each in of(objects, "PodDisruptionBudget"):
        assert selects(each["spec"]["selector"]["matchLabels"], parts[each["metadata"]["name"].rpartition("-")[2]])
    for each in of(objects, "NetworkPolicy"):
        assert selects(each["spec"]["podSelector"]["matchLabels"], parts[each["metadata"]["name"].rpartition("-")[2]])
    for each in of(objects, "Service"):
        assert selects(each["spec"]["selector"], parts["gate"])


def test_each_port_that_is_named_is_there(objects):
    ports = {}
    for each in workloads(objects):
        part = each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        container = each["spec"]["template"]["spec"]["containers"][0]
        ports[part] = {port["name"] for port in container["ports"]}
        for probe in "startupProbe", "livenessProbe", "readinessProbe":
            assert container[probe]["httpGet"]["port"] in ports[part]
    services = {each["metadata"]["labels"]["app.kubernetes.io/component"]: each for each in of(objects, "Service")}
    for each in services.values():
        assert all(port["targetPort"] in ports["gate"] for port in each["spec"]["ports"])
    for each in of(objects, "NetworkPolicy"):
        named = {port["port"] for rule in each["spec"]["ingress"] for port in rule["ports"]}
        assert named <= ports[each["metadata"]["name"].rpartition("-")[2]]
    for each in of(objects, "ServiceMonitor"):
        service = services[each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]]
        assert each["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert {end["port"] for end in each["spec"]["endpoints"]} <= {port["name"] for port in service["spec"]["ports"]}
        assert service["metadata"]["labels"][each["spec"]["jobLabel"]] == "penstock"  # the job that the alerts ask for
    for each in of(objects, "PodMonitor"):
        assert {end["port"] for end in each["spec"]["podMetricsEndpoints"]} <= ports["drain"]
        assert each["spec"]["podMetricsEndpoints"][0]["relabelings"] == [{"targetLabel": "job", "replacement": "penstock-drain"}]


def test_operators_are_let_in_only_where_they_are_named():
    def rules(values):
        return [rule for each in of(render(values), "NetworkPolicy") for rule in each["spec"]["ingress"]]

    assert [rule["ports"] for rule in rules(CLUSTER)] == [[{"port": "public"}]]
    named = {rule["ports"][0]["port"]: rule.get("from") for rule in rules({**CLUSTER, "networkPolicy": {"operator": [PEER]}})}
    assert named == {"public": None, "operator": [PEER], "monitor": [PEER]}


def test_the_embedded_profile_calls_nobody():
    (policy,) = of(render(EMBEDDED), "NetworkPolicy")
    assert policy["spec"]["egress"] == [] and "Egress" in policy["spec"]["policyTypes"]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({}, "secret.name"),
        ({**EMBEDDED, "profile": "both"}, "profile"),
        ({**EMBEDDED, "nonsense": 1}, "nonsense"),
        ({**EMBEDDED, "gate": {"replicas": 0}}, "replicas"),
        ({**EMBEDDED, "settings": {"Gate-Listen": "x"}}, "settings"),
        ({**EMBEDDED, "networkPolicy": {"operator": [{}, {"pods": {}}]}}, "operator"),
        ({"profile": "cluster", "secret": {"name": "shop"}}, "secret.keys.config"),
    ],
)
def test_values_that_are_wrong_are_refused(wrong, said):
    done = template(wrong)
    assert done.returncode != 0 and said in done.stderr


def program_environment(container, secrets):
    secrets.mkdir(exist_ok=True)
    (secrets / "operator_token").write_text("the-operators-own-token-of-the-chart")
    (secrets / "jwt_key").write_text("the tests' own secret of more than 32 bytes")
    (secrets / "penstock.conf").write_text(
        "stock.url = redis://redis:6379/0\njournal.url = kafka://kafka:9092/penstock\nledger.url = postgresql://postgres/penstock\n"
    )
    for file in secrets.iterdir():
        file.chmod(0o440)
    return {"PATH": os.environ["PATH"], **{name: value.replace(SECRETS, str(secrets)) for name, value in environment(container).items()}}


def test_the_program_takes_what_the_containers_are_given(objects, tmp_path):
    for workload in workloads(objects):
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        given = program_environment(container, tmp_path / "secrets")
        done = subprocess.run([PROGRAM, "config"], cwd=tmp_path, env=given, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        wanted = {"public": "gate.listen", "operator": "operator.listen", "monitor": "drain.listen"}
        for name, port in ports.items():
            assert f"{wanted[name]} = 0.0.0.0:{port}\n" in done.stdout
        if "PENSTOCK_SALE_RETENTION" in given:
            assert "sale.retention = 48h\n" in done.stdout
        assert ("gate.trusted_proxies = 10.0.0.0/8" in done.stdout) == ("PENSTOCK_GATE_TRUSTED_PROXIES" in given)


def test_a_gate_with_that_environment_answers_its_probes(tmp_path):
    (workload,) = workloads(render(EMBEDDED))
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    given, ready = program_environment(container, tmp_path / "secrets"), tmp_path / "ready"
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [PROGRAM, *container["args"], "--gate.listen=127.0.0.1:0", "--operator.listen=127.0.0.1:0", f"--ready-file={ready}"],
            cwd=tmp_path, env=given, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while not ready.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        assert ready.exists(), (tmp_path / "log").read_text()
        public = dict(line.split() for line in ready.read_text().splitlines())["public"]
        for probe in "startupProbe", "livenessProbe", "readinessProbe":
            # The kubelet asks by the pod's address.
            asked = urllib.request.Request(public + container[probe]["httpGet"]["path"], headers={"Host": "10.244.1.7:8080"})
            with urllib.request.urlopen(asked, timeout=30) as answer:
                assert answer.status == 200
    finally:
        process.terminate()
        process.wait(60)
