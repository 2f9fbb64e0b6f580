"""The commands of the services' own READMEs: how a service runs alone, and how its generated files are made."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from labctl import runfile
from labctl.make import setup
from labctl.progress import Steps
from labctl.stack import ROLE_VARIABLE, STACK_VARIABLE
from labctl.up import infrastructure, lifecycle, processes, remembered
from tests.docs import checkout
from tests.docs.pages import Block, Page, pages
from tests.docs.ports import OFFSET, STACK, to_stack
from tests.docs.terminals import FirstTerminal, Terminal

pytestmark = pytest.mark.lab("invocation")
RUN = "test_callee_and_caller_run_as_their_readmes_say"
MAKE = "test_what_a_readme_makes_is_what_is_there"


def blocks(page: Page, test: str) -> list[Block]:
    """Return the blocks of a README that say they are run by this test."""
    return [block for block in page.blocks if block.words == f"{Path(__file__).relative_to(checkout.ROOT)}::{test}"]


def readmes(test: str) -> list[Page]:
    """Return the READMEs with such blocks."""
    return [page for page in pages() if blocks(page, test)]


def test_callee_and_caller_run_as_their_readmes_say(nothing_left: None, tmp_path: Path) -> None:
    folder = checkout.copy(tmp_path / "labs")
    runtime = remembered.find_runtime(STACK)
    for name in ("placement", "scheduler"):
        infrastructure.start(STACK, name, runtime)
    environment = checkout.environment(folder) | runtime.environment
    environment["PATH"] = f"{runtime.cli.parent}{os.pathsep}{environment['PATH']}"
    environment |= {STACK_VARIABLE: str(STACK.state), ROLE_VARIABLE: "run"}
    assert len(readmes(RUN)) == 2
    with ExitStack() as stack:
        stack.callback(lifecycle.down, STACK)
        running: list[FirstTerminal] = []
        for page in readmes(RUN):
            for block in blocks(page, RUN):
                service = folder / page.path.parent
                first = FirstTerminal(_to_stack(block.text), service, environment, tmp_path / page.path.parent)
                stack.callback(first.close)
                running.append(first)
        greeting = f"http://127.0.0.1:{8002 + OFFSET}/call-greet/Ada"
        answered = processes.wait_until(lambda: _status(greeting) == 200, 60, interval=0.5)
        assert answered, "\n".join(first.said() for first in running)
        assert "Ada" in httpx.get(greeting).json()["message"]
        for first in running:
            first.press_ctrl_c()
        assert processes.wait_until(lambda: not _apps_left(), 10), _apps_left()


def _to_stack(command: str) -> str:
    # On a machine that runs these labs as well: their names, components, placement and scheduler are not this test's.
    runfile.write_copy(STACK, runfile.read_apps(STACK))
    run = STACK.state / "run"
    (run / "nothing").mkdir(exist_ok=True)
    own = f"dapr run --config {run / 'config.yaml'} --resources-path {run / 'nothing'}"
    for name in ("placement", "scheduler"):
        own += f" --{name}-host-address 127.0.0.1:{STACK.ports[name]}"
    return to_stack(command.strip()).replace("dapr run", own, 1)


def _apps_left() -> list[str]:
    return [f"{one.kind} {one.name}" for one in processes.find(STACK) if one.kind != "infrastructure"]


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=10).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.parametrize("app", [pytest.param(app, id=app.app_id) for app in runfile.read_apps(STACK)])
def test_a_readme_has_the_single_command_of_its_app(app: runfile.App) -> None:
    """The command has the app's port and its sidecar's; the Greeter starts without Dapr there."""
    text = (app.folder / "README.md").read_text()
    ports = f"--app-port {app.app_port - OFFSET} --dapr-http-port {app.http_port - OFFSET}"
    assert app.protocol == "grpc" or f"dapr run --app-id {app.app_id} {ports} " in text


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.path)) for page in readmes(MAKE)])
def test_what_a_readme_makes_is_what_is_there(page: Page, tmp_path: Path) -> None:
    setup.set_up_environments(runfile.read_apps(STACK), Steps(Console(stderr=True)))
    folder = checkout.copy(tmp_path / "labs")
    terminal = Terminal(folder / page.path.parent, checkout.environment(folder), tmp_path / "terminal")
    try:
        for block in blocks(page, MAKE):
            said, status = terminal.type(block.text)
            assert status == 0, f"{page.path}:{block.line}\n{said}"
    finally:
        terminal.close()
    changed = subprocess.run(["git", "diff"], cwd=folder, capture_output=True, text=True, check=True)
    assert changed.stdout == "", "make them anew as the README says, and commit them"
