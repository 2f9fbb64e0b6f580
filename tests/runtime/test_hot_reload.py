"""Hot reload of a sidecar's resources, as docs/concepts.md describes it: added, changed, out of scope, broken."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from labctl.make.runtime import ensure
from labctl.progress import Steps
from labctl.stack import TEST_OFFSET, Stack
from labctl.up import processes
from labctl.up.processes import wait_until

STACK = Stack("reload", TEST_OFFSET)
# At the end of the plan's ranges, where no lab and no other test has its own.
HTTP, GRPC, INTERNAL, METRICS = (port + TEST_OFFSET for port in (3598, 4598, 5598, 6598))
SIDECAR = f"http://127.0.0.1:{HTTP}/v1.0"
MEMORY, NOWHERE = "state.in-memory", "state.nothing"


@dataclass(frozen=True)
class Watched:
    """A sidecar and the folder that it watches."""

    folder: Path
    log: Path
    process: subprocess.Popen[bytes]

    def write(self, kind: str, name: str, spec: Mapping[str, object], *scopes: str) -> None:
        """Write a resource file. JSON is YAML too."""
        version = "v2alpha1" if kind == "Subscription" else "v1alpha1"
        document = {"apiVersion": f"dapr.io/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        written = self.folder.parent / name
        written.write_text(json.dumps(document | {"scopes": scopes or ["reload"]}))
        written.replace(self.folder / f"{name}.yaml")

    def store(self, name: str, type_: str = MEMORY, *scopes: str, **more: object) -> None:
        """Write a state store."""
        self.write("Component", name, {"type": type_, "version": "v1", "metadata": []} | more, *scopes)

    def has(self, part: str, *names: str) -> bool:
        """Return whether the sidecar reports exactly these components, topics or policies."""
        key = {"components": "name", "subscriptions": "topic", "resiliencies": "name"}[part]
        try:
            reported = httpx.get(f"{SIDECAR}/metadata").json().get(part, [])
        except httpx.HTTPError:
            return False
        return {one[key] for one in reported} == set(names)


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Watched]:
    """A sidecar without an app and without a control plane, with one state store."""
    folder, log = tmp_path / "resources", STACK.logs / "reload.daprd.log"
    folder.mkdir()
    log.unlink(missing_ok=True)
    ports = ["--dapr-http-port", HTTP, "--dapr-grpc-port", GRPC, "--dapr-internal-grpc-port", INTERNAL]
    command = [ensure(Steps(Console(stderr=True)), own=True).binary("daprd"), "--app-id", "reload", *ports]
    command += ["--metrics-port", METRICS, "--resources-path", folder, "--dapr-listen-addresses", "127.0.0.1"]
    process = processes.spawn(STACK, "run", [str(part) for part in command], env={}, cwd=tmp_path, log=log)
    watched = Watched(folder, log, process)
    watched.store("first")
    try:
        assert wait_until(lambda: watched.has("components", "first"), 30)
        yield watched
    finally:
        processes.stop(STACK)


def test_components_are_added_changed_and_removed_without_a_restart(sidecar: Watched) -> None:
    saved = httpx.post(f"{SIDECAR}/state/first", json=[{"key": "note", "value": "hi"}])
    assert saved.status_code == 204
    sidecar.store("second")
    assert wait_until(lambda: sidecar.has("components", "first", "second"), 10)
    assert httpx.get(f"{SIDECAR}/state/first/note").json() == "hi", "the first one was left alone"
    sidecar.store("first", metadata=[{"name": "keyPrefix", "value": "none"}])
    changed = "Closing existing Component to reload: first"
    assert wait_until(lambda: changed in sidecar.log.read_text(), 10)
    assert wait_until(lambda: httpx.get(f"{SIDECAR}/state/first/note").status_code == 204, 10), "opened again, empty"
    sidecar.store("first", MEMORY, "another-app")
    assert wait_until(lambda: sidecar.has("components", "second"), 10)
    (sidecar.folder / "second.yaml").write_text("spec: [")
    assert wait_until(lambda: sidecar.has("components"), 10), "a file that is no YAML is a removed one"
    assert "level=fatal" not in sidecar.log.read_text()


def test_subscriptions_are_reloaded_and_a_policy_restarts_the_runtime_in_its_process(sidecar: Watched) -> None:
    sidecar.write("Component", "broker", {"type": "pubsub.in-memory", "version": "v1", "metadata": []})
    sidecar.write("Subscription", "orders", {"pubsubname": "broker", "topic": "orders", "routes": {"default": "/"}})
    assert wait_until(lambda: sidecar.has("subscriptions", "orders"), 10)
    retries = {"once": {"policy": "constant", "duration": "1s", "maxRetries": 1}}
    policy = {"policies": {"retries": retries}, "targets": {"apps": {"callee-app": {"retry": "once"}}}}
    sidecar.write("Resiliency", "policy", policy)
    assert wait_until(lambda: sidecar.has("resiliencies", "policy"), 20)
    assert "triggering SIGHUP reload" in sidecar.log.read_text()
    assert sidecar.process.poll() is None


def test_an_actor_store_is_not_reloaded(sidecar: Watched) -> None:
    sidecar.store("actors", metadata=[{"name": "actorStateStore", "value": "true"}])
    refused = "Aborting to hot-reload a state store component that is used as an actor state store: actors"
    assert wait_until(lambda: refused in sidecar.log.read_text(), 10)
    assert sidecar.has("components", "first")


def test_a_component_that_cannot_start_ends_the_sidecar_unless_errors_are_ignored(sidecar: Watched) -> None:
    sidecar.store("second", NOWHERE, ignoreErrors=True)
    assert wait_until(lambda: "Ignoring error processing component" in sidecar.log.read_text(), 10)
    assert sidecar.has("components", "first")
    sidecar.store("third", NOWHERE)
    assert wait_until(lambda: sidecar.process.poll() is not None, 20)
    assert "couldn't find state store state.nothing/v1" in sidecar.log.read_text()
