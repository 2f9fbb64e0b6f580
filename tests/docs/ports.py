"""The stack of the pages' tests, and its ports in place of those that the pages name.

It shares no port with the stack that a user runs, nor with the one of tests/runtime: all three may run at once.
"""

from __future__ import annotations

import re

from labctl.runfile import CONSOLE, MAIL, WEBHOOK
from labctl.stack import TEST_OFFSET, Stack, broker_ports, infrastructure_ports

APART = 1200
OFFSET = TEST_OFFSET + APART
STACK = Stack("docs", OFFSET)
# App ports of the whole plan, 8000 to 8041; each has its sidecar's 35xx, 45xx, 55xx and 65xx.
_APPS = range(8000, 8042)
_PLAN = {app - shift for app in _APPS for shift in (0, 4500, 3500, 2500, 1500)} | {CONSOLE, MAIL, WEBHOOK}


def planned(offset: int) -> set[int]:
    """Return every port that a stack with this offset may use, now or with later labs."""
    infrastructure = {*infrastructure_ports(offset).values(), *infrastructure_ports(offset, secure=True).values()}
    return {port + offset for port in _PLAN} | infrastructure | {*broker_ports(offset).values()}


def _there(secure: bool) -> dict[int, int]:
    below = infrastructure_ports(0, secure)
    moved = infrastructure_ports(OFFSET, secure)
    return {port: port + OFFSET for port in _PLAN} | {below[name]: moved[name] for name in below}


def to_stack(text: str, *, secure: bool = False) -> str:
    """Return a page's command for the stack of the tests: its ports and its state folder."""
    return _replace(text, _there(secure)).replace("stacks/default", f"stacks/{STACK.state.name}")


def from_stack(text: str, *, secure: bool = False) -> str:
    """Return the output of a command there, as a reader would see it."""
    return _replace(text, {there: here for here, there in _there(secure).items()}).replace(
        f"stacks/{STACK.state.name}", "stacks/default"
    )


def _replace(text: str, ports: dict[int, int]) -> str:
    # Only where a port is meant (also in a table, alone in its cell): a time in milliseconds may be the same number.
    meant = r"(localhost:|127\.0\.0\.1:|\bports? |port\"?[:=] ?|PORT[:=] ?|  )(\d{4,5})\b(?!\.)"
    return re.sub(meant, lambda found: found[1] + str(ports.get(int(found[2]), found[2])), text)
