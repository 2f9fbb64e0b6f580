"""The objects of a cluster that are not of the labs: simulated nodes, storage, and the way to Dapr outside of it."""

from __future__ import annotations

from typing import Any

SYSTEM = "dapr-system"
_NODES, _ZONES = 10, 3
_ROOM = {"cpu": "32", "memory": "128Gi", "pods": "110"}


def one(version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return an object. One with a namespace belongs to Dapr."""
    place = {} if kind in {"Node", "PersistentVolume", "MutatingWebhookConfiguration"} else {"namespace": SYSTEM}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name} | place, **fields}


def nodes() -> list[dict[str, Any]]:
    """Return nodes in several zones, for kwok, with the labels that a kubelet gives itself."""
    found = [one("v1", "Node", f"node-{number}") for number in range(_NODES)]
    for number, node in enumerate(found):
        own = {"kubernetes.io/hostname": f"node-{number}", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        node["metadata"]["labels"] = own | {"topology.kubernetes.io/zone": f"zone-{number % _ZONES}"}
        node["status"] = {"capacity": _ROOM, "allocatable": _ROOM}
    return found


def volume(name: str, size: str) -> dict[str, Any]:
    """Return a volume. Storage is the part of a cluster's administrator."""
    room = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce", "ReadWriteMany"]}
    return one("v1", "PersistentVolume", name, spec={**room, "hostPath": {"path": f"/{name}"}})


def service(name: str) -> dict[str, Any]:
    """Return a Service that leads the API server out of the cluster, to a webhook on this machine."""
    return one("v1", "Service", name, spec={"type": "ExternalName", "externalName": "localhost"})


def injection(port: int) -> dict[str, Any]:
    """Return what differs from the chart's registration of the sidecar injector: its port, and no pod without it."""
    reference = {"namespace": SYSTEM, "name": "dapr-sidecar-injector", "path": "/mutate", "port": port}
    webhook = {
        "name": "sidecar-injector.dapr.io",
        "clientConfig": {"service": reference},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    version = "admissionregistration.k8s.io/v1"
    return one(version, "MutatingWebhookConfiguration", "dapr-sidecar-injector", webhooks=[webhook])


ATTACHMENTS = volume("attachments", "1Gi")
