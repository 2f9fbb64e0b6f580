"""Every file of components/ loads in a real daprd, for every app that it is scoped to, without an error in its log."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from rich.console import Console

from labctl import runfile
from labctl.make import setup
from labctl.make.runtime import Runtime, ensure
from labctl.progress import Steps
from labctl.stack import ROOT, TEST_OFFSET, Stack
from labctl.up import infrastructure, lifecycle, processes
from labctl.up.processes import wait_until

STACK = Stack("components", TEST_OFFSET)
FILES = {path: list(yaml.safe_load_all(path.read_text())) for path in sorted((ROOT / "components").glob("*.yaml"))}
APP_IDS = sorted({app_id for documents in FILES.values() for one in documents for app_id in one.get("scopes", [])})
# The sidecar under test takes ports at the end of the plan's ranges.
HTTP, GRPC, INTERNAL, METRICS = (port + TEST_OFFSET for port in (3599, 4599, 5599, 6599))


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    lifecycle.down(Stack("test", TEST_OFFSET))
    steps = Steps(Console(stderr=True))
    runtime = ensure(steps, own=True)
    setup.ensure_secrets()
    for name in infrastructure.names(STACK):
        infrastructure.start(STACK, name, runtime)
    yield runtime
    processes.stop(STACK)


def start(
    runtime: Runtime, app_id: str, folder: Path, cwd: Path, *more: object
) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a daprd with the resources of a folder; return its process and its log."""
    log = STACK.logs / f"{app_id}.daprd.log"
    log.unlink(missing_ok=True)
    ports = ["--dapr-http-port", HTTP, "--dapr-grpc-port", GRPC, "--dapr-internal-grpc-port", INTERNAL]
    command = [runtime.binary("daprd"), "--app-id", app_id, *ports, "--metrics-port", METRICS]
    command += ["--resources-path", folder, "--dapr-listen-addresses", "127.0.0.1", *more]
    return processes.spawn(STACK, "run", [str(part) for part in command], env={}, cwd=cwd, log=log), log


@pytest.mark.parametrize("app_id", APP_IDS)
def test_components_load(runtime: Runtime, app_id: str):
    folder = runfile.stack_resources(STACK, [ROOT / "components"], "components.yaml")
    control = ["--placement-host-address", f"127.0.0.1:{STACK.ports['placement']}"]
    control += ["--scheduler-host-address", f"127.0.0.1:{STACK.ports['scheduler']}"]
    # The CLI starts it in the app's folder, which the paths in components/ are relative to.
    folders = {app.app_id: app.folder for app in runfile.read_apps(STACK)}
    config = runfile.stack_config(STACK)
    process, log = start(runtime, app_id, folder, folders[app_id], *control, "--config", config)
    try:
        assert wait_until(lambda: process.poll() is not None or processes.http_status(HTTP, "/v1.0/healthz") == 204, 30)
        text = log.read_text()
        assert process.poll() is None, text[-2000:]
        metadata = httpx.get(f"http://127.0.0.1:{HTTP}/v1.0/metadata").json()
        assert {one["name"] for one in metadata.get("components", [])} == components_of(app_id)
        assert [line for line in text.splitlines() if "level=error" in line or "level=fatal" in line] == []
    finally:
        processes.stop(STACK, names=[app_id])


def components_of(app_id: str) -> set[str]:
    documents = [one for documents in FILES.values() for one in documents if app_id in one["scopes"]]
    return {one["metadata"]["name"] for one in documents if one["kind"] == "Component"}


def test_a_broken_component_is_seen(runtime: Runtime, tmp_path: Path):
    """The check above can fail: a component of an unknown type stops its daprd with an error."""
    broken = {"apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": "broken"}}
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(broken | {"spec": {"type": "state.nothing", "version": "v1"}}))
    process, log = start(runtime, "broken", tmp_path, ROOT)
    try:
        assert wait_until(lambda: process.poll() is not None, 30)
        assert "level=fatal" in log.read_text()
    finally:
        processes.stop(STACK, names=["broken"])
