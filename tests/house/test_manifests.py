"""Every Deployment: its Dapr annotations, its probes, its limits, how it scales, and no more rights than it needs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.house.repository import ROOT, manifests, services

DEPLOYMENTS = [
    pytest.param(document, id=f"{folder}-{document['metadata']['name']}")
    for folder in services()
    for document in manifests(folder)
    if document["kind"] == "Deployment"
]
OTHERS = [document for folder in services() for document in manifests(folder) if document["kind"] != "Deployment"]
# `dapr.io/app-port` and `app-protocol` are held against dapr.yaml by test_ports.py.
TOLD = ("app-id", "app-port", "app-protocol", "enable-api-logging", "sidecar-cpu-limit", "sidecar-memory-limit")


def of_kind(kind: str, name: str) -> list[dict[str, Any]]:
    """Return the `spec` of each manifest of that kind and name."""
    return [one["spec"] for one in OTHERS if one["kind"] == kind and one["metadata"]["name"] == name]


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_dapr_is_told_what_it_has_to_know(deployment: dict[str, Any]) -> None:
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["dapr.io/enabled"] == "true"
    assert [name for name in TOLD if not annotations.get(f"dapr.io/{name}")] == []
    assert [name for name, value in annotations.items() if not isinstance(value, str)] == []


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_the_selector_finds_its_pods(deployment: dict[str, Any]) -> None:
    specification = deployment["spec"]
    assert specification["selector"]["matchLabels"].items() <= specification["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_there_are_two_of_it_and_more_under_load(deployment: dict[str, Any]) -> None:
    name = deployment["metadata"]["name"]
    (scaler,) = of_kind("HorizontalPodAutoscaler", name)
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 10)
    assert "replicas" not in deployment["spec"], "it would undo what the autoscaler does, each time it is applied"


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_one_of_it_at_most_is_away_while_nodes_are_drained(deployment: dict[str, Any]) -> None:
    (budget,) = of_kind("PodDisruptionBudget", deployment["metadata"]["name"])
    assert budget == {"maxUnavailable": 1, "selector": deployment["spec"]["selector"]}


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_it_has_a_configuration_of_its_own(deployment: dict[str, Any]) -> None:
    name = deployment["spec"]["template"]["metadata"]["annotations"]["dapr.io/config"]
    assert name == deployment["metadata"]["name"]
    assert yaml.safe_load((ROOT / f"config/secure/{name}.yaml").read_text())["metadata"]["name"] == name


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_container_has_probes_limits_and_few_rights(deployment: dict[str, Any]) -> None:
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        assert {"readinessProbe", "livenessProbe"} <= set(container)
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
        assert not container["image"].endswith(":latest")
        assert ":" in container["image"]
        rights = container["securityContext"]
        assert (rights["runAsNonRoot"], rights["allowPrivilegeEscalation"]) == (True, False)


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_web_app_is_asked_for_its_own_routes(deployment: dict[str, Any]) -> None:
    if deployment["spec"]["template"]["metadata"]["annotations"]["dapr.io/app-protocol"] == "grpc":
        return
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
