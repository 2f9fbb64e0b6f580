"""The commands of docs/kubernetes.md, on a real API server."""

from __future__ import annotations

import json
from pathlib import Path

from labctl.make import setup
from labctl.make.installed import RUNTIME_VERSION
from tests.kubernetes import objects
from tests.kubernetes.cluster import PAGE, Cluster

NAME = "tests/kubernetes/test_page.py::test_the_commands_of_the_page"
PARTS = {"dapr-operator", "dapr-sentry", "dapr-sidecar-injector", "dapr-placement-server", "dapr-scheduler-server"}


def test_dapr_is_there_as_the_page_installs_it(cluster: Cluster) -> None:
    (release,) = json.loads(cluster.type("helm list --namespace dapr-system --output json", cluster.config))
    assert (release["name"], release["status"]) == ("dapr", "deployed")
    found = cluster.get("deployments,statefulsets", "-n", objects.SYSTEM)
    assert {one["metadata"]["name"] for one in found} == PARTS
    for part in found:
        assert part["status"]["readyReplicas"] == part["spec"]["replicas"]
        (container,) = part["spec"]["template"]["spec"]["containers"]
        assert container["image"].endswith(f":{RUNTIME_VERSION}")
        if part["metadata"]["name"] == "dapr-sidecar-injector":
            settings = {one["name"]: one.get("value") for one in container["env"]}
            assert settings["SIDECAR_DROP_ALL_CAPABILITIES"] == "true"
            assert settings["SIDECAR_IMAGE"].endswith(f"/daprd:{RUNTIME_VERSION}")


def test_the_commands_of_the_page(cluster: Cluster, tmp_path: Path) -> None:
    setup.ensure_secrets()
    cluster.apply(objects.ATTACHMENTS)
    # One of the commands changes the namespace in it.
    config = tmp_path / "kubeconfig.yaml"
    config.write_text(cluster.config.read_text())
    blocks = [block for block in PAGE.blocks if block.words == NAME]
    assert len(blocks) == 7
    for block in blocks:
        cluster.type(block.text, config)
    assert cluster.kubectl("get", "namespace", "dapr-labs").returncode == 1
    assert cluster.kubectl("delete", "persistentvolume", "attachments").returncode == 0
