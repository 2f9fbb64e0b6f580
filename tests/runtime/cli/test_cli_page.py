"""The commands of docs/cli.md for which the CLI reads the scheduler's etcd, always at localhost:2379.

So they run on the ports of the plan, with all that the page does before them. tests/docs runs the rest of the page.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labctl import runfile
from labctl.stack import Stack
from labctl.up import lifecycle, processes
from tests.docs import checkout
from tests.docs.pages import SEEN, Block, Page, Step
from tests.docs.test_pages import Reader

PAGE = Page(Path("docs/cli.md"))
LEFT_OUT = ("Only on Kubernetes", "Exercises")
PORTS = (8000, 3500, 4500)  # of test-app


def steps() -> list[Step]:
    """Return the page's steps and, in their places, those that it leaves to this test."""
    blocks = [block for block in PAGE.blocks if section(block) not in LEFT_OUT]
    following = [*blocks[1:], None]
    return [
        Step(block, after if after and after.language in SEEN and not after.directive else None)
        for block, after in zip(blocks, following, strict=True)
        if block.is_run or block.directive == "run by"
    ]


def section(block: Block) -> str:
    """Return the heading of the block's section."""
    before = PAGE.text.splitlines()[: block.line]
    return next((line.removeprefix("## ") for line in reversed(before) if line.startswith("## ")), "")


@pytest.mark.lab("jobs")
def test_the_commands_that_need_the_port_of_the_schedulers_store(no_other_stack: None, tmp_path: Path) -> None:
    stack = Stack("cli")
    shutil.rmtree(stack.state, ignore_errors=True)
    ports = [*PORTS, *stack.ports.values(), *runfile.find(runfile.read_apps(stack), "scheduler-test-py").ports.values()]
    if held := [port for port in ports if processes.holder(port)]:
        pytest.skip(f"needs the ports of the plan, and something (a ./lab up?) holds {held[0]}")
    reader = Reader(PAGE, checkout.copy(tmp_path / "labs"), tmp_path / "terminals", stack)
    try:
        for step in steps():
            reader.does(step)
    finally:
        reader.leaves()
        lifecycle.down(stack)
