"""The commands of docs/kubernetes.md, on a real API server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from labctl.make import cluster as programs
from labctl.make import setup
from labctl.stack import ROOT
from tests.docs.pages import Page
from tests.kubernetes import objects
from tests.kubernetes.cluster import Cluster

NAME = "tests/kubernetes/test_page.py::test_the_commands_of_the_page"


def test_the_commands_of_the_page(cluster: Cluster, tmp_path: Path) -> None:
    setup.ensure_secrets()
    cluster.apply(objects.VOLUME)
    config = tmp_path / "kubeconfig.yaml"
    config.write_text(cluster.config.read_text())
    path = f"{programs.KUBERNETES.folder}:{os.environ['PATH']}"
    blocks = [block for block in Page(Path("docs/kubernetes.md")).blocks if block.words == NAME]
    assert len(blocks) == 6
    for block in blocks:
        command = ["bash", "-euo", "pipefail", "-c", block.text]
        environment = os.environ | {"KUBECONFIG": str(config), "PATH": path}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, "Warning" in done.stderr) == (0, False), f"{block.text}\n{done.stdout}{done.stderr}"
    assert cluster.kubectl("get", "namespace", "dapr-labs").returncode == 1
    assert cluster.kubectl("delete", "persistentvolume", "attachments").returncode == 0
