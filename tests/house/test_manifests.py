"""Every Deployment: its Dapr annotations, its probes, its limits, and no more rights than it needs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.house.repository import manifests, services

DEPLOYMENTS = [
    pytest.param(document, id=f"{folder}-{document['metadata']['name']}")
    for folder in services()
    for document in manifests(folder)
    if document["kind"] == "Deployment"
]
# `dapr.io/app-port` and `app-protocol` are held against dapr.yaml by test_ports.py.
TOLD = ("app-id", "app-port", "app-protocol", "enable-api-logging", "sidecar-cpu-limit", "sidecar-memory-limit")


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_dapr_is_told_what_it_has_to_know(deployment: dict[str, Any]) -> None:
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["dapr.io/enabled"] == "true"
    assert [name for name in TOLD if not annotations.get(f"dapr.io/{name}")] == []
    assert [name for name, value in annotations.items() if not isinstance(value, str)] == []


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_there_are_two_of_it_and_the_selector_finds_them(deployment: dict[str, Any]) -> None:
    specification = deployment["spec"]
    assert specification["replicas"] == 2
    assert specification["selector"]["matchLabels"].items() <= specification["template"]["metadata"]["labels"].items()


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
