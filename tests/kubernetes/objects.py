"""The objects of a cluster that are not of the labs: simulated nodes, and what Dapr's Helm chart makes."""

from __future__ import annotations

from typing import Any

SYSTEM = "dapr-system"
# Storage is the part of a cluster's administrator.
VOLUME: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "attachments"},
    "spec": {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
        "hostPath": {"path": "/attachments"},
    },
}
_NODES, _ZONES = 10, 3
_ROOM = {"cpu": "32", "memory": "128Gi", "pods": "110"}


def one(version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return an object. One with a namespace belongs to Dapr."""
    place = {} if kind in {"Namespace", "Node", "MutatingWebhookConfiguration"} else {"namespace": SYSTEM}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name} | place, **fields}


def nodes() -> list[dict[str, Any]]:
    """Return nodes in several zones, for kwok."""
    found = [one("v1", "Node", f"node-{number}") for number in range(_NODES)]
    for number, node in enumerate(found):
        labels = {"kubernetes.io/hostname": f"node-{number}", "topology.kubernetes.io/zone": f"zone-{number % _ZONES}"}
        node["metadata"]["labels"] = labels
        node["status"] = {"capacity": _ROOM, "allocatable": _ROOM}
    return found


def service(name: str) -> dict[str, Any]:
    """Return a Service that leads the API server out of the cluster, to a webhook on this machine."""
    return one("v1", "Service", name, spec={"type": "ExternalName", "externalName": "localhost"})


def injection(port: int) -> dict[str, Any]:
    """Return the registration of the sidecar injector, as in the chart, but that a pod without it is refused."""
    reference = {"namespace": SYSTEM, "name": "dapr-sidecar-injector", "path": "/mutate", "port": port}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    webhook = {
        "name": "sidecar-injector.dapr.io",
        "reinvocationPolicy": "IfNeeded",
        # The injector writes the true one.
        "clientConfig": {"service": reference, "caBundle": ""},
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    version = "admissionregistration.k8s.io/v1"
    return one(version, "MutatingWebhookConfiguration", "dapr-sidecar-injector", webhooks=[webhook])
