"""Fifty replicas of each app: how long that takes, and how many objects there are then."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from labctl.stack import ROOT
from labctl.up.processes import wait_until
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.conftest import Overlay

NAMESPACE = "dapr-labs"
APPS = [app["appID"] for app in yaml.safe_load((ROOT / "dapr.yaml").read_text())["apps"]]
REPLICAS = 50
COUNTED = ("pods", "replicasets", "services", "endpointslices", "events")


@pytest.mark.timeout(1200)
def test_each_app_scales_to_fifty_replicas(
    cluster: Cluster, applied: Overlay, record_property: Callable[[str, Any], None]
) -> None:
    with applied("production"):
        assert wait_until(lambda: ready(cluster) == dict.fromkeys(APPS, 3), 240, 1), ready(cluster)
        for app in APPS:
            begin = time.monotonic()
            patch = json.dumps({"spec": {"minReplicas": REPLICAS}})
            assert cluster.kubectl("patch", "hpa", app, "-n", NAMESPACE, f"--patch={patch}").returncode == 0
            assert wait_until(lambda app=app: ready(cluster)[app] == REPLICAS, 180, 0.5), ready(cluster)
            record_property(f"{app}, from 3 to {REPLICAS} replicas", f"{time.monotonic() - begin:.0f} s")
        pods = cluster.get("pods", "-n", NAMESPACE)
        sidecars = [one for pod in pods for one in pod["spec"]["initContainers"] if one["name"] == "daprd"]
        assert len(sidecars) == len(pods) == REPLICAS * len(APPS)
        counts = {kind: len(cluster.get(kind, "-n", NAMESPACE)) for kind in COUNTED}
        record_property(
            f"objects with {len(pods)} pods", ", ".join(f"{count} {kind}" for kind, count in counts.items())
        )


def ready(cluster: Cluster) -> dict[str, int]:
    """Return the number of ready replicas of each Deployment."""
    found = cluster.get("deployments", "-n", NAMESPACE)
    return {one["metadata"]["name"]: one["status"].get("readyReplicas", 0) for one in found}
