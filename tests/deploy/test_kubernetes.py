"""The chart and the plain manifests: rendered, valid by Kubernetes' own schemas, and as available and closed as the documentation says."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]

from scimsrv.listeners import check_exposure
from scimsrv.settings import load_settings
from tests.deploy.tools import DEPLOY, found, render, run, validate

_URL: Final = {"publicUrl": "https://scim.example.com"}

#: Values that an operator may give.
_VALUES: Final[dict[str, dict[str, Any]]] = {
    "plain": _URL,
    "everything": _URL
    | {
        "image": {"repository": "registry.example.com/scimsrv", "digest": "sha256:" + "a" * 64},
        "imagePullSecrets": [{"name": "registry"}],
        "settings": {"workers": 2, "isolation": "rls", "admin": False, "drain_seconds": 20},
        "ingress": {"enabled": True, "className": "nginx", "host": "scim.example.com", "tlsSecret": "scim-tls", "annotations": {"a": "b"}},
        "networkPolicy": {
            "from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
            "metricsFrom": [{"podSelector": {}}],
            "database": {"port": 6432, "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]},
        },
        "monitoring": {"serviceMonitor": True, "prometheusRule": True, "labels": {"release": "prometheus"}},
        "tracing": {"endpoint": "http://collector.traces:4318"},
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "podAnnotations": {"a": "b"},
    },
    "nothing that can be left out": _URL
    | {"autoscaling": {"enabled": False}, "migration": {"enabled": False}, "networkPolicy": {"enabled": False}},
}


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[dict[str, Any]]]:
    """What the chart makes of each of these values."""
    return {name: render(values) for name, values in _VALUES.items()}


@pytest.fixture(scope="module")
def plain() -> list[dict[str, Any]]:
    """The committed manifests."""
    found: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kustomize" / "base" / "scimsrv.yaml").read_text()))
    return found


def _one(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [one for one in objects if one["kind"] == kind]
    return found


def test_traces_find_their_way(rendered: dict[str, list[dict[str, Any]]]) -> None:
    """Where traces are sent is told to the servers and permitted; without such a place neither is there."""
    for name, endpoint in (("everything", "http://collector.traces:4318"), ("nothing that can be left out", None)):
        (container,) = _one(rendered[name], "Deployment")["spec"]["template"]["spec"]["containers"]
        assert {one["name"]: one.get("value") for one in container["env"]}.get("OTEL_EXPORTER_OTLP_ENDPOINT") == endpoint
    policy = _one(rendered["everything"], "NetworkPolicy")
    assert [4318] in [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["egress"]]


def test_manifests_are_valid(rendered: dict[str, list[dict[str, Any]]], plain: list[dict[str, Any]]) -> None:
    """Kubernetes' schemas accept what the chart makes of everything that can be set, and the plain manifests; not a misspelled field."""
    assert validate(yaml.safe_dump_all([*plain, *rendered["everything"]])) == ""
    wrong = json.loads(json.dumps(_one(plain, "Deployment")))
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 45
    assert "terminationGracePeriod" in validate(yaml.safe_dump(wrong), "1.37")


@pytest.mark.parametrize("name", _VALUES)
def test_chart(rendered: dict[str, list[dict[str, Any]]], name: str) -> None:
    """Helm lints the chart strictly; what it makes has settings of a server that starts, and that ends in the time that it is given."""
    values, objects = _VALUES[name], rendered[name]
    assert render(values, "--lint") == []
    pod = _one(objects, "Deployment")["spec"]["template"]["spec"]
    given = {one["name"]: one["value"] for one in pod["containers"][0]["env"] if "value" in one and not one["name"].endswith("_FILE")}
    settings = load_settings({"database_url": "postgresql://x", "host": "0.0.0.0"}, given)
    check_exposure(settings)
    assert settings.drain_seconds + pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] < pod["terminationGracePeriodSeconds"]
    kinds = {one["kind"] for one in objects}
    assert ("HorizontalPodAutoscaler" in kinds) is values.get("autoscaling", {}).get("enabled", True)
    assert ("Ingress" in kinds) is ("ingress" in values)
    assert ("ServiceMonitor" in kinds) is ("monitoring" in values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "publicUrl is needed"),
        ({"publicUrl": "http://scim.example.com"}, "publicUrl"),
        (_URL | {"replicas": 1}, "replicas"),
        (_URL | {"settings": {"database_url": "postgresql://user:secret@host/db"}}, "database_url"),
        (_URL | {"replica": 3}, "replica"),
        (_URL | {"ingress": {"enabled": True, "host": "scim.example.com"}}, "tlsSecret is needed"),
    ],
)
def test_chart_refuses(values: dict[str, Any], said: str) -> None:
    """Values that are missing, misspelled or unsafe are refused by name."""
    with pytest.raises(RuntimeError, match=said):
        render(values)


def test_availability(plain: list[dict[str, Any]]) -> None:
    """Two pods at least, none taken away before another is ready, spread, asked on the listener of metrics, ended with patience."""
    deployment = _one(plain, "Deployment")["spec"]
    assert _one(plain, "HorizontalPodAutoscaler")["spec"]["minReplicas"] >= 2
    assert "replicas" not in deployment  # else every upgrade would undo what the autoscaler did
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert _one(plain, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    pod = deployment["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 45
    assert {one["topologyKey"] for one in pod["topologySpreadConstraints"]} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    server = pod["containers"][0]
    probes = {
        name: (server[f"{name}Probe"]["httpGet"]["path"], server[f"{name}Probe"]["httpGet"]["port"])
        for name in ("startup", "liveness", "readiness")
    }
    assert probes == {"startup": ("/startupz", "metrics"), "liveness": ("/livez", "metrics"), "readiness": ("/readyz", "metrics")}


def test_closed(plain: list[dict[str, Any]]) -> None:
    """No pod runs as root, writes to its image, has a capability, a token or a secret in its text; the admin port is open to nobody."""
    for kind in ("Deployment", "Job"):
        pod = _one(plain, kind)["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False  # the Service's variables begin like settings
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip
            assert not [one for one in container["env"] if "URL" in one["name"] and "postgres" in str(one.get("value", ""))]
    policy = _one(plain, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == [8080, 9090]
    services = [one for one in plain if one["kind"] == "Service"]
    assert [[port["name"] for port in one["spec"]["ports"]] for one in services] == [["http"], ["metrics"]]


def test_plain_manifests_are_those_of_the_chart() -> None:
    """deploy/kustomize, and the rules in the chart, are what `make manifests` makes of the chart and deploy/mixin."""
    python = DEPLOY.parent / ".venv-deploy" / "bin" / "python"
    if not python.exists():
        pytest.skip("helm-python-sdk is not installed")
    done = subprocess.run([python, DEPLOY / "render.py", "--check"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"run `make manifests`: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("folder", ["base", "monitoring", "example"])
def test_kustomize(folder: str) -> None:
    """kustomize builds each folder; the example's address and image arrive."""
    path = DEPLOY / "kustomize" / folder
    done = run("kubectl", "kustomize", path) if "kubectl" in found("kubectl") else run("kustomize", "build", path)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert built
    if folder == "example":
        server = _one(built, "Deployment")["spec"]["template"]["spec"]["containers"][0]
        assert server["image"] == "registry.example.com/scimsrv:0.1.0"
        assert {one["name"]: one.get("value") for one in server["env"]}["SCIMSRV_PUBLIC_URL"] == "https://scim.example.org"
        assert {one["metadata"]["namespace"] for one in built} == {"scimsrv"}


def test_rules(tmp_path: Path) -> None:
    """promtool accepts the rules that the Prometheus operator is given."""
    objects = yaml.safe_load_all((DEPLOY / "kustomize" / "monitoring" / "monitoring.yaml").read_text())
    rules = [one for one in objects if one["kind"] == "PrometheusRule"]
    assert len(rules) == len([one for one in (DEPLOY / "mixin").glob("*.yaml") if one.stem in ("alerts", "rules")])
    for number, rule in enumerate(rules):
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.safe_dump(rule["spec"]))
        done = run("promtool", "check", "rules", file)
        assert done.returncode == 0, done.stdout + done.stderr
