"""The recorded commands of one lab, carried out on the real runtime until each probe passes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from labctl.stack import TEST_OFFSET, Stack, infrastructure_ports
from labctl.up import lifecycle, logfiles, processes
from tests.tilt import tilt
from tests.tilt.tilt import Resource

STACK = Stack("tilt", TEST_OFFSET)
READY_WITHIN = 120
GRACE = 30  # seconds between Tilt's SIGTERM and its SIGKILL


def port_of(port: int) -> int:
    """Return the port of this stack for a port of the plan."""
    names = {number: name for name, number in infrastructure_ports(0).items()}
    return STACK.ports[names[port]] if port in names else port + STACK.offset


def passes(probe: dict[str, Any]) -> bool:
    """Return whether a probe of the Tiltfile passes at this stack."""
    if connection := probe.get("tcp_socket"):
        return processes.answers(port_of(connection["port"]))
    request = probe["http_get"]
    return processes.http_status(port_of(request["port"]), request["path"]) == 200


class TiltUp:
    """`tilt up` for some resources: their commands, as Tilt runs them."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.serving: dict[str, subprocess.Popen[bytes]] = {}
        self.ready: set[str] = set()

    def start(self, resources: Mapping[str, Resource]) -> None:
        """Run their commands, and wait until all their probes pass."""
        for name, one in resources.items():
            if "cmd" in one:
                assert self._popen(name, one["cmd"]).wait(READY_WITHIN) == 0, self._tail(name)
            else:
                self.serving[name] = self._popen(name, one["serve_cmd"])
        for name in resources.keys() & self.serving.keys():
            probe = partial(passes, resources[name]["readiness_probe"])
            assert processes.wait_until(probe, READY_WITHIN), self._tail(name)
        self.ready |= resources.keys()

    def end(self, name: str) -> None:
        """Send SIGTERM to a command's group, and SIGKILL if it has not ended in time."""
        process = self.serving.pop(name)
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _popen(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        environment = os.environ | {"LAB_STACK_NAME": STACK.name, "LAB_PORT_OFFSET": str(STACK.offset)}
        with (self.logs / f"{name}.log").open("ab") as log:
            # As Tilt does: in its own process group, in the Tiltfile's folder.
            return subprocess.Popen(
                command, cwd=tilt.ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def _tail(self, name: str) -> str:
        return f"{name} is not ready:{logfiles.tail(self.logs / f'{name}.log')}"


def greeting() -> str:
    """Return the answer of caller-app, through both sidecars."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port_of(8002)}/call-greet/Ada", timeout=30) as answer:
        return json.load(answer)["message"]


def pids(app_id: str) -> set[int]:
    """Return the processes of an app: itself and its sidecar."""
    return {one.pid for one in processes.find(STACK) if one.name == app_id}


@pytest.fixture
def tilt_up(tmp_path: Path) -> Iterator[TiltUp]:
    # The other tests' stack has these same ports; it is brought up again by the next test that needs it.
    lifecycle.down(Stack("test", TEST_OFFSET))
    up = TiltUp(tmp_path)
    yield up
    for name in reversed(up.serving):
        os.killpg(up.serving[name].pid, signal.SIGKILL)
    lifecycle.down(STACK)


@pytest.mark.lab("invocation")
def test_the_invocation_lab_comes_up_reloads_an_app_and_leaves_nothing(tilt_up: TiltUp) -> None:
    resources = tilt.run("invocation")
    while waiting := {name: one for name, one in resources.items() if name not in tilt_up.ready}:
        tilt_up.start(
            {name: one for name, one in waiting.items() if tilt_up.ready.issuperset(one.get("resource_deps", []))}
        )
    assert list(tilt_up.serving) == ["redis", "placement", "scheduler", "callee-app", "caller-app", "callee-grpc-app"]
    assert greeting() == "Hello, Ada from callee-app!"

    callee, caller = pids("callee-app"), pids("caller-app")
    # As after a changed file.
    tilt_up.end("callee-app")
    tilt_up.start({"callee-app": resources["callee-app"]})
    assert len(pids("callee-app")) == 2
    assert pids("callee-app").isdisjoint(callee)
    assert pids("caller-app") == caller
    assert greeting() == "Hello, Ada from callee-app!"

    for name in reversed(list(tilt_up.serving)):
        tilt_up.end(name)
    assert [f"{one.kind} {one.name} (pid {one.pid})" for one in processes.find(STACK)] == []
