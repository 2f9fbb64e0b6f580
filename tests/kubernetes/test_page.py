"""The commands of docs/kubernetes.md, on a real API server."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl.make import setup
from labctl.make.installed import RUNTIME_VERSION
from tests.kubernetes import objects
from tests.kubernetes.cluster import PAGE, Cluster

NAME = "tests/kubernetes/test_page.py::test_the_commands_of_the_page"
PRODUCTION = "tests/kubernetes/test_page.py::test_the_commands_for_production"
# A reference to a Secret, in an object as JSON.
SECRET = re.compile(r'"secret(?:KeyRef)?": {[^{}]*"(?:name|secretName)": "([^"]+)"')
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


@pytest.fixture
def reader(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """Yield a kubeconfig of its own, because the page changes the namespace in it. Have what the page's reader has."""
    setup.ensure_secrets()
    cluster.apply(objects.ATTACHMENTS)
    config = tmp_path / "kubeconfig.yaml"
    shutil.copy(cluster.config, config)
    yield config
    assert cluster.kubectl("delete", "persistentvolume", "attachments").returncode == 0


def test_the_commands_of_the_page(cluster: Cluster, reader: Path) -> None:
    blocks = [block.text for block in PAGE.blocks if block.words == NAME]
    assert len(blocks) == 8
    for text in blocks:
        if "--force-conflicts -k" in text:
            again = cluster.kubectl("apply", "--server-side", "-k", "kubernetes/overlays/local")
            assert (again.returncode, ".spec.minReplicas" in again.stderr) == (1, True), again.stderr
        cluster.type(text, reader)
        if "$chart/crds" in text:
            # A new operator does this as it starts.
            cluster.lead_to_conversion()
            assert cluster.get("subscriptions.v1alpha1.dapr.io", "-n", "dapr-labs") != []
    assert cluster.kubectl("get", "namespace", "dapr-labs").returncode == 1


def test_the_commands_for_production(cluster: Cluster, reader: Path) -> None:
    secrets = next(block.text for block in PAGE.blocks if block.words == NAME)
    (production,) = [block.text for block in PAGE.blocks if block.words == PRODUCTION]
    own = dict.fromkeys(("REDIS_PASSWORD", "POSTGRES_CONNECTION", "KAFKA_USER", "KAFKA_PASSWORD"), "mine")
    try:
        cluster.type(secrets, reader)
        cluster.type(production, reader, **own)
        # Otherwise a pod may not be there yet whose Secrets are looked at below.
        cluster.type("kubectl wait --for=condition=Available deployments --all --timeout=240s", reader)
        there = {one["metadata"]["name"] for one in cluster.get("secrets", "-n", "dapr-labs")}
        wanted = set(SECRET.findall(json.dumps(cluster.get("pods,components", "-n", "dapr-labs"))))
        assert wanted >= {"redis", "postgres", "kafka", "dapr-api-token", "app-api-token", "attachments-key"}
        assert wanted - there == set()
    finally:
        cluster.type("kubectl delete -k kubernetes/overlays/production", reader)
