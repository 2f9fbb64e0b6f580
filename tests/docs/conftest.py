"""What the tests of the pages share: everything is set up once, and nothing of their stack is left in the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from rich.console import Console

from labctl import runfile
from labctl.make import setup
from labctl.progress import Steps
from labctl.up import lifecycle, processes, web_console
from tests.docs.ports import OFFSET, STACK, planned


@pytest.fixture(scope="session")
def set_up() -> None:
    """Runtime, Redis and environments are there, so that no page shows their making."""
    steps = Steps(Console(stderr=True))
    setup.set_up(STACK, runfile.read_apps(STACK), steps, own_runtime=True)
    web_console.make(steps)


@pytest.fixture
def nothing_left(set_up: None) -> Iterator[None]:
    """The stack is as on a reader's first day. What a test leaves of it is ended; a test that left any has failed."""
    assert left() == [], "another run of these tests is under way"
    for kept in ("redis", "scheduler"):
        shutil.rmtree(STACK.state / kept, ignore_errors=True)
    yield
    found = left()
    lifecycle.down(STACK)
    assert found == []


def left() -> list[str]:
    """Return the processes of the stack, and its ports that are in use."""
    running = [f"{one.name} (pid {one.pid})" for one in processes.find(STACK)]
    return running + [f"port {port}" for port in sorted(planned(OFFSET)) if processes.answers(port)]
