"""Each overlay on a real API server: it is applied, each pod gets its sidecar, the components are those of the labs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl.make.installed import RUNTIME_VERSION
from labctl.runfile import NO_HEALTH_CHECK_ON_KAFKA
from labctl.stack import ROOT
from labctl.up.processes import wait_until
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.conftest import Overlay

NAMESPACE = "dapr-labs"
APPS: list[dict[str, Any]] = yaml.safe_load((ROOT / "dapr.yaml").read_text())["apps"]
# The folders of an overlay's components. A later one replaces components of the same name.
OVERLAYS = {
    "local": ("components",),
    "develop": ("components",),
    "production": ("components", "variants/kafka-postgres"),
}
# Stores of secrets in a file, which have no place in a cluster: `kubernetes` is there without a component.
ON_A_LAPTOP = {"secretstore", "pizzasecretstore"}
ADDRESSES = {"redisHost", "brokers", "connectionString", "host", "port", "url", "path", "rootPath", "secretsFile"}
# Another type, and no file.
IN_KUBERNETES = {"tasksecretstore": ("secretstores.kubernetes", {"multiValued"})}
SIGN_IN = {"authType", "saslMechanism", "saslUsername", "saslPassword", "enableTLS", "redisPassword"}


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest, applied: Overlay) -> Iterator[str]:
    """Apply an overlay, and yield its name."""
    with applied(request.param):
        yield request.param


def test_an_overlay_is_applied_without_a_warning_and_again_without_a_change(cluster: Cluster, overlay: str) -> None:
    before = {
        one["metadata"]["uid"]: one["metadata"]["generation"] for one in cluster.get("deployments", "-n", NAMESPACE)
    }
    done = cluster.kubectl("apply", "--server-side", "-k", f"kubernetes/overlays/{overlay}")
    assert (done.returncode, done.stderr) == (0, "")
    after = {
        one["metadata"]["uid"]: one["metadata"]["generation"] for one in cluster.get("deployments", "-n", NAMESPACE)
    }
    assert after == before


def test_every_deployment_gets_ready_and_scales_to_its_least(cluster: Cluster, overlay: str) -> None:
    least = {"local": 2, "develop": 1, "production": 3}[overlay]

    def ready() -> dict[str, int]:
        found = cluster.get("deployments", "-n", NAMESPACE)
        return {one["metadata"]["name"]: one["status"].get("readyReplicas", 0) for one in found}

    expected = {app["appID"]: least for app in APPS} | ({} if overlay == "production" else {"redis": 1})
    assert wait_until(lambda: ready() == expected, 240, 1), ready()


def test_only_in_develop_an_app_can_write_its_files(cluster: Cluster, overlay: str) -> None:
    pods = [one["spec"]["template"]["spec"] for one in cluster.get("deployments", "-n", NAMESPACE)]
    rights = [one["containers"][0]["securityContext"]["readOnlyRootFilesystem"] for one in pods]
    # Redis keeps its own.
    assert rights.count(False) == (len(APPS) if overlay == "develop" else 0)


@pytest.mark.parametrize("app", APPS, ids=lambda app: app["appID"])
def test_the_injector_adds_the_sidecar_of_the_app(cluster: Cluster, overlay: str, app: dict[str, Any]) -> None:
    pods = cluster.get("pods", "-n", NAMESPACE, "-l", f"app={app['appID']}")
    assert pods
    for pod in pods:
        # A native sidecar: it starts before the app and ends after it.
        (sidecar,) = [one for one in pod["spec"]["initContainers"] if one["name"] == "daprd"]
        assert sidecar["restartPolicy"] == "Always"
        flags = dict(zip(sidecar["args"], sidecar["args"][1:], strict=False))
        assert sidecar["image"].endswith(f"/daprd:{RUNTIME_VERSION}")
        assert sidecar["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert flags["--app-id"] == app["appID"]
        assert flags["--app-port"] == str(app["appPort"])
        assert flags["--app-protocol"] == app.get("appProtocol", "http")
        assert flags["--config"] == app["appID"]
        on_kafka = overlay == "production" and app["appID"] in NO_HEALTH_CHECK_ON_KAFKA
        is_checked = app.get("enableAppHealthCheck", False) and not on_kafka
        assert ("--enable-app-health-check" in sidecar["args"]) == is_checked
        assert flags.get("--app-max-concurrency", "-1") == str(app.get("appMaxConcurrency", -1))
        assert sidecar["resources"]["limits"] == {"cpu": "1", "memory": "256Mi"}
        assert sidecar["resources"]["requests"] == {"cpu": "100m", "memory": "128Mi"}
        secrets = {
            one["name"]: one["valueFrom"]["secretKeyRef"]["name"] for one in sidecar["env"] if "TOKEN" in one["name"]
        }
        tokens = {"DAPR_API_TOKEN": "dapr-api-token", "APP_API_TOKEN": "app-api-token"}
        assert secrets == (tokens if overlay == "production" else {})


@pytest.mark.parametrize("app", APPS, ids=lambda app: app["appID"])
def test_the_operator_gives_an_app_the_service_of_its_sidecar(
    cluster: Cluster, overlay: str, app: dict[str, Any]
) -> None:
    name = f"{app['appID']}-dapr"
    assert wait_until(lambda: cluster.kubectl("get", "service", name, "-n", NAMESPACE).returncode == 0, 60)
    (service,) = cluster.get("services", "-n", NAMESPACE, f"--field-selector=metadata.name={name}")
    ports = {port["name"]: port["targetPort"] for port in service["spec"]["ports"]}
    assert ports["dapr-internal"] == 50002
    assert service["spec"]["selector"] == {"app": app["appID"]}


def test_the_components_are_those_of_a_laptop_but_for_addresses_and_secrets(cluster: Cluster, overlay: str) -> None:
    documents = [one for folder in OVERLAYS[overlay] for one in read(ROOT / folder)]
    # The topic of an outbox begins with the namespace.
    moved = json.loads(json.dumps(documents).replace("defaulttask-api", f"{NAMESPACE}task-api"))
    expected = {one["metadata"]["name"]: one for one in moved if one["kind"] == "Component"}
    found = {one["metadata"]["name"]: one for one in cluster.get("components", "-n", NAMESPACE)}
    assert set(found) == set(expected) - ON_A_LAPTOP
    for name, component in found.items():
        kind, dropped = IN_KUBERNETES.get(name, (expected[name]["spec"]["type"], set[str]()))
        assert (component["spec"]["type"], component["scopes"]) == (kind, expected[name]["scopes"])
        assert settings(component) == {
            key: value for key, value in settings(expected[name]).items() if key not in dropped
        }


@pytest.mark.parametrize("kind", ["Subscription", "Resiliency"])
def test_subscriptions_and_resiliency_are_those_of_a_laptop(cluster: Cluster, overlay: str, kind: str) -> None:
    documents = [one for folder in OVERLAYS[overlay] for one in read(ROOT / folder)]
    expected = {one["metadata"]["name"]: one for one in documents if one["kind"] == kind}
    resource = {"Subscription": "subscriptions.v2alpha1.dapr.io", "Resiliency": "resiliencies"}[kind]
    found = {one["metadata"]["name"]: one for one in cluster.get(resource, "-n", NAMESPACE)}
    assert {name: (one["spec"], one["scopes"]) for name, one in found.items()} == {
        name: (one["spec"], one["scopes"]) for name, one in expected.items()
    }


def test_no_secret_is_in_an_object_and_no_pod_refers_to_a_laptop(cluster: Cluster, overlay: str) -> None:
    rendered = cluster.kubectl("kustomize", f"kubernetes/overlays/{overlay}").stdout
    documents = [one for one in yaml.safe_load_all(rendered) if one]
    assert "Secret" not in {one["kind"] for one in documents}
    assert [
        word
        for word in ("localhost", "127.0.0.1", "namespace: default", "defaulttask-", "dapr:dapr")
        if word in rendered
    ] == []
    passwords = [
        item
        for one in documents
        if one["kind"] == "Component"
        for item in one["spec"].get("metadata", ())
        if any(word in item["name"].lower() for word in ("password", "connectionstring", "key")) and "value" in item
    ]
    assert passwords == []


def test_configurations_have_the_access_control_of_secure_mode(cluster: Cluster, overlay: str) -> None:
    found = {one["metadata"]["name"]: one["spec"] for one in cluster.get("configurations", "-n", NAMESPACE)}
    common = yaml.safe_load((ROOT / "config/config.yaml").read_text())["spec"]
    doors = {path.stem: yaml.safe_load(path.read_text())["spec"] for path in (ROOT / "config/secure").glob("*.yaml")}
    assert set(found) == {app["appID"] for app in APPS} == set(doors) - {"default"}
    for name, spec in found.items():
        mine = json.loads(json.dumps(doors[name]).replace('"namespace": "default"', f'"namespace": "{NAMESPACE}"'))
        assert spec["accessControl"] == mine["accessControl"]
        assert spec["api"] == mine.get("api", doors["default"]["api"])
        assert {key: spec[key] for key in ("metrics", "workflow", "logging")} == {
            key: common[key] for key in ("metrics", "workflow", "logging")
        }
        assert spec["accessControl"]["defaultAction"] == "deny"


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the documents of a folder."""
    return [one for path in sorted(folder.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text())]


def settings(component: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the settings, without addresses and sign-in, or that they are secrets."""
    metadata = component["spec"].get("metadata", ())
    left = [one for one in metadata if one["name"] not in ADDRESSES | SIGN_IN]
    return {one["name"]: one.get("value", "a secret") for one in left}
