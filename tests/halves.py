"""./lab test runs the tests in two halves side by side, as most of their time is spent waiting for what Dapr does.

Which half a test is in does not change with the order or the speed of things, so that one seed is always one order.
`./lab test -n 0` runs them one after the other.
"""

from __future__ import annotations

import os

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import NodeManager

# After Ctrl-C each half takes down what runs on its stacks.
NodeManager.EXIT_TIMEOUT = 60

# About half of the time; the other half is all the rest.
ONE_HALF = ("tests/runtime/pizza/", "tests/docs/", "tests/house/test_lint.py")

# Each half has stacks of its own, whose ports collide with none of the other's (tests/house/test_ports.py).
APART = 6050


class Halves(LoadScopeScheduling):
    """Gives each of two workers one half of the tests, in the order of the seed."""

    def _split_scope(self, nodeid: str) -> str:
        return "one" if nodeid.startswith(ONE_HALF) else "other"


def move_stacks() -> None:
    """Moves the stacks of this process off those of the other half. labctl reads it when it is imported."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = int(os.environ.get("LAB_TEST_OFFSET", "10000"))
    os.environ["LAB_TEST_OFFSET"] = str(first + worker * APART)
