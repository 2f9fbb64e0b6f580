"""The recorded commands of one lab, carried out on the real runtime until each probe passes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from labctl.stack import TEST_OFFSET, Stack, infrastructure_ports
from labctl.up import lifecycle, processes
from tests.tilt import tilt
from tests.tilt.commands import TiltUp

STACK = Stack("tilt", TEST_OFFSET)


def port_of(port: int) -> int:
    """Return the port of this stack for a port of the plan."""
    names = {number: name for name, number in infrastructure_ports(0).items()}
    return STACK.ports[names[port]] if port in names else port + STACK.offset


def greeting() -> str:
    """Return the answer of caller-app, through both sidecars."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port_of(8002)}/call-greet/Ada", timeout=30) as answer:
        return json.load(answer)["message"]


def pids(app_id: str) -> set[int]:
    """Return the processes of an app: itself and its sidecar."""
    return {one.pid for one in processes.find(STACK) if one.name == app_id}


@pytest.fixture
def free_ports() -> Iterator[None]:
    """The other tests' stack has these same ports; it is brought up again by the next test that needs it."""
    lifecycle.down(Stack("test", TEST_OFFSET))
    yield
    lifecycle.down(STACK)


@pytest.mark.lab("invocation")
@pytest.mark.usefixtures("free_ports")
def test_the_invocation_lab_comes_up_reloads_an_app_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {"LAB_STACK_NAME": STACK.name, "LAB_PORT_OFFSET": str(STACK.offset)}
    with TiltUp(tilt.run("invocation"), environment, port_of, tmp_path / "logs", within=240) as up:
        assert list(up.serving) == ["redis", "placement", "scheduler", "callee-app", "caller-app", "callee-grpc-app"]
        assert greeting() == "Hello, Ada from callee-app!"

        callee, caller = pids("callee-app"), pids("caller-app")
        up.reload("callee-app")
        assert len(pids("callee-app")) == 2
        assert pids("callee-app").isdisjoint(callee)
        assert pids("caller-app") == caller
        assert greeting() == "Hello, Ada from callee-app!"
    left = [f"{one.kind} {one.name} (pid {one.pid})" for one in processes.find(STACK)]
    assert left == []
