"""The Tiltfile's commands for one lab, carried out on the real runtime."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from labctl.stack import TEST_OFFSET, Stack
from labctl.up import infrastructure, lifecycle, processes
from tests.runtime.lab_shell import Foreground, LabShell
from tests.tilt import tilt

STACK = Stack("tilt", TEST_OFFSET)
BELOW = infrastructure.names(STACK)


@pytest.fixture
def shell() -> Iterator[LabShell]:
    # The other tests' stack has these same ports; it is brought up again by the next test that needs it.
    lifecycle.down(Stack("test", TEST_OFFSET))
    yield LabShell(STACK)
    lifecycle.down(STACK)


def greeting() -> str:
    """Return the answer of caller-app, through both sidecars."""
    return httpx.get(f"http://127.0.0.1:{8002 + STACK.offset}/call-greet/Ada", timeout=30).json()["message"]


def pids(app_id: str) -> set[int]:
    """Return the processes of an app: itself and its sidecar."""
    return {one.pid for one in processes.find(STACK) if one.name == app_id}


def end(served: Foreground) -> None:
    """End a command as Tilt does: SIGTERM to its group, and 30 s until it would be killed."""
    os.killpg(served.process.pid, signal.SIGTERM)
    served.process.wait(30)


@pytest.mark.lab("invocation")
def test_the_invocation_lab_comes_up_reloads_an_app_and_leaves_nothing(shell: LabShell) -> None:
    resources = tilt.run("invocation")
    lab, *arguments = resources.pop("setup")["cmd"]
    assert lab == "./lab"
    assert shell.run(*arguments).returncode == 0
    with ExitStack() as serving:

        def serve(name: str) -> Foreground:
            served = serving.enter_context(shell.foreground(*resources[name]["serve_cmd"][1:]))
            assert served.wait_for(f"{name} serves on" if name in BELOW else f"{name} is ready", 90), served.text()
            return served

        up = {name: serve(name) for name in resources}
        assert "Ada" in greeting()

        callee, caller = pids("callee-app"), pids("caller-app")
        # As after a changed file.
        end(up["callee-app"])
        up["callee-app"] = serve("callee-app")
        assert len(pids("callee-app")) == 2
        assert pids("callee-app").isdisjoint(callee)
        assert pids("caller-app") == caller
        assert "Ada" in greeting()

        for name in reversed(up):
            end(up[name])
        shell.assert_nothing_left()
