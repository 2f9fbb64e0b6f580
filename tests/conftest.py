"""Options of ./lab test: `--full` adds the long tests, `--lab NAME` leaves out the tests of other labs.

`--screenshots` draws the console's pictures in docs/img again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.side_by_side import SideBySide, move_stacks

move_stacks()

# How the names of the variables begin by which a reader's own model is chosen and paid.
MODEL_CHOICE = ("MODEL_", "GEMINI_API_KEY", "OPENAI_API_KEY")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="the long tests too")
    parser.addoption("--screenshots", action="store_true", help="draw the console's pictures in docs/img again")
    parser.addoption("--lab", action="append", default=[], help="only tests of this lab, and those of no lab")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lab(name): belongs to this lab")
    config.addinivalue_line("markers", "full: long; runs with --full only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--lab")
    keep, leave = [], []
    for item in items:
        lab = item.get_closest_marker("lab")
        other = bool(wanted and lab and lab.args[0] not in wanted)
        long = item.get_closest_marker("full") is not None and not config.getoption("--full")
        (leave if other or long else keep).append(item)
    if leave:
        config.hook.pytest_deselected(items=leave)
        items[:] = keep


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SideBySide:
    return SideBySide(config, log)


@pytest.fixture(autouse=True, scope="session")
def _no_model_but_the_tests_own() -> Iterator[None]:
    """No reader's key is used up: what runs is offline, also with a key in secrets.json, unless a test says else."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith(MODEL_CHOICE)]:
            environment.delenv(name)
        environment.setenv("MODEL_ENGINE", "offline")
        yield


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """A server that a test forgot to stop would take a core from all tests after it."""
    before = set(threading.enumerate())
    yield
    # The event loop of the browser's driver keeps its threads for the whole session.
    for thread in {one for one in threading.enumerate() if not one.name.startswith("asyncio_")} - before:
        thread.join(5)
        assert not thread.is_alive(), f"the test has left a thread: {thread.name}"
