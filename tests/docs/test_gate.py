"""No page has a command that no test runs, but for a handful with a reason."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from labctl.stack import ROOT
from tests.docs.pages import SEEN, SHELL, Block, Page, pages

NOT_RUN_AT_MOST = 9
# What a reader does not type.
OTHERS = {"console-session", "dockerfile", "http", "ini", "mermaid", "proto", "python", "starlark", "toml", "yaml"}
PAGES = [pytest.param(page, id=str(page.path)) for page in pages()]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: Page) -> None:
    known = SHELL | SEEN | OTHERS
    assert [f"line {one.line}: {one.language!r}" for one in page.blocks if one.language not in known] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_run_or_says_why_not(page: Page) -> None:
    forgotten = [one.line for one in page.blocks if one.is_run and not page.is_executed]
    assert forgotten == [], "each needs <!-- run by: tests/…::test_… --> or <!-- not run: why --> before it"
    no_command = [one for one in page.blocks if not one.is_command and not one.is_after_ctrl_c]
    shown = [one for one in no_command if one.directive not in ("", "quote")]
    assert [one.line for one in shown] == [], "a comment for a block that is no command"


@pytest.mark.parametrize("page", PAGES)
def test_what_another_test_runs_exists(page: Page) -> None:
    for block in page.blocks:
        if block.directive == "run by":
            path, _, name = block.words.partition("::")
            assert name in _tests(ROOT / path), f"{page.path}:{block.line}: there is no test {block.words}"


def test_only_a_handful_is_not_run_and_each_has_a_reason() -> None:
    left_out = [(page, block) for page in pages() for block in page.blocks if block.directive == "not run"]
    assert [f"{page.path}:{block.line}" for page, block in left_out if len(block.words.split()) < 4] == []
    assert len(left_out) <= NOT_RUN_AT_MOST, [f"{page.path}:{block.line}" for page, block in left_out]


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.path)) for page in pages() if page.lab])
def test_a_lab_is_not_left_running(page: Page) -> None:
    """What a page starts in the first terminal it also ends, by ./lab down, by dapr stop or by Ctrl-C."""
    ended = [one for one in page.blocks if one.is_after_ctrl_c or _ends(one)]
    started = [one for one in page.blocks if one.until or (one.is_run and "./lab up" in one.text)]
    assert len(ended) >= len(started)


def _ends(block: Block) -> bool:
    return block.is_run and ("./lab down" in block.text or "./lab dapr stop" in block.text)


@cache
def _tests(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
