"""./lab test runs the tests in three groups side by side, because they mostly wait for Dapr.

The group of a test does not depend on order or speed, so one seed is always one order. `./lab test -n 0` runs all
tests one after the other.
"""

from __future__ import annotations

import os

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import NodeManager

# After Ctrl-C each group stops the processes of its stacks.
NodeManager.EXIT_TIMEOUT = 60

# About a third of the time each; all other tests are the last third.
GROUPS = {
    "pizza, patterns, labctl and copies": (
        "tests/runtime/pizza/",
        "tests/runtime/patterns/",
        "tests/runtime/images/",
        "tests/runtime/console/test_console_look.py",
        "tests/runtime/console/test_labs_page.py",
        "tests/runtime/console/test_map.py",
        "tests/runtime/console/test_workflows_page.py",
        "tests/labctl/",
        "tests/house/test_copied_out.py",
    ),
    "chat, pages and Tilt": (
        "tests/runtime/chat/",
        "tests/runtime/traces/",
        "tests/runtime/console/test_console_secrets.py",
        "tests/runtime/console/test_events_page.py",
        "tests/docs/",
        "tests/tilt/",
        "tests/house/test_lint.py",
        "tests/house/test_kit.py",
    ),
}
COUNT = len(GROUPS) + 1

# Each group has its own stacks, and no two of them share a port (tests/house/test_ports.py).
APART = 4300


class SideBySide(LoadScopeScheduling):
    """Give each worker one group of the tests, in the order of the seed."""

    def _split_scope(self, nodeid: str) -> str:
        return next((name for name, starts in GROUPS.items() if nodeid.startswith(starts)), "rest")


def move_stacks() -> None:
    """Move the stacks of this process off those of the other groups. labctl reads the variable when it is imported."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = int(os.environ.get("LAB_TEST_OFFSET", "10000"))
    os.environ["LAB_TEST_OFFSET"] = str(first + worker * APART)
