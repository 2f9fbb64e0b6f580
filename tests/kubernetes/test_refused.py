"""What the API server refuses, so that a mistake is seen when it is made and not in a pod's log."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster

SPEC: dict[str, Any] = {"type": "state.redis", "version": "v1", "metadata": []}


def component(**fields: Any) -> dict[str, Any]:
    """Return a component of Dapr's namespace."""
    metadata = {"name": "wrong", "namespace": "dapr-system"}
    return {"apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": metadata, "spec": SPEC} | fields


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (component(spec={"version": "v1", "metadata": []}), "spec.type: Required value"),
        (component(spec=SPEC | {"version": 1}), "spec.version: Invalid value"),
        (component(spec=SPEC | {"metadata": "redisHost"}), "spec.metadata: Invalid value"),
        (component(spec=SPEC | {"metadata": [{"value": "redis"}]}), "spec.metadata[0].name: Required value"),
        (component(spec=SPEC | {"ignoreErrors": "perhaps"}), "spec.ignoreErrors: Invalid value"),
        (component(scopes="task-api"), "scopes: Invalid value"),
        (component(spec=SPEC | {"metadatas": []}), "unknown field"),
        (component(kind="Subscription", apiVersion="dapr.io/v2alpha1", spec={"topic": "orders"}), "spec.pubsubname"),
        (component(kind="Resiliency", spec={"policies": {"retries": {"a": {"maxRetries": "3"}}}}), "maxRetries"),
        (component(kind="Configuration", spec={"accessControl": "deny"}), "spec.accessControl: Invalid value"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_resource_of_dapr_is_refused(cluster: Cluster, document: dict[str, Any], reason: str) -> None:
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", documents=[document])
    assert done.returncode == 1
    assert reason in done.stderr


def test_a_right_component_is_taken_whatever_its_type(cluster: Cluster) -> None:
    """The API server knows no component types: a wrong one is seen when a sidecar loads it."""
    document = component(spec=SPEC | {"type": "state.no-such-store"})
    assert cluster.kubectl("create", "--dry-run=server", "-f", "-", documents=[document]).returncode == 0
