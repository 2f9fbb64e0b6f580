"""Page 4's table of requests is the table that the workflow service's tests hold."""

from __future__ import annotations

import ast
from pathlib import Path

from labctl.stack import ROOT
from tests.house.repository import table

TESTED = Path("pizza_services/workflow_service/tests/test_standing.py")
PAGE = Path("docs/labs/4-pizza.md")
COLUMNS = ("the order", "start", "show", "pause", "resume", "cancel", "cancel, force", "validate", "watchdog")
ROWS = {
    "NEW": "not started",
    "CLAIMED": "a start failed before its workflow began",
    "NOT_BEGUN": "scheduled, before its first turn",
    "RUNNING": "running",
    "PAUSED": "paused",
    "ENDING": "decided, last status not yet published",
    "RESTARTING": "failed, the watchdog restarts it",
    "BROKEN_OFF": "ended half-way, not compensated",
    "COMPENSATING": "being compensated from outside",
    "ENDED": "delivered, or compensated",
    "LOST": "the engine cannot load its workflow",
    "DELETED": "deleted at pizza-order",
}
CELLS = {"E": "503", "UNKNOWN": "404", "BROKEN": "half done", "unwatch": "ends"}


def held() -> dict[str, list[str]]:
    """Return the rows of the tested table."""
    for node in ast.parse((ROOT / TESTED).read_text()).body:
        if isinstance(node, ast.Assign) and [ast.unparse(one) for one in node.targets] == ["TABLE"]:
            rows: dict[str, str] = ast.literal_eval(node.value)
            return {standing: cells.split() for standing, cells in rows.items()}
    raise AssertionError(f"{TESTED} has no TABLE")


def test_the_page_has_the_tested_table() -> None:
    rows = held()
    wanted = [[name, *(CELLS.get(cell, cell) for cell in rows[standing])] for standing, name in ROWS.items()]
    assert table((ROOT / PAGE).read_text(), COLUMNS) == wanted
