"""Each figure of docs/scaling.md is measured (docs/scaling.json, by ./lab bench scaling) or computed from such."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labctl.stack import ROOT
from tests.house.repository import table

PAGE, MEASURED = ROOT / "docs" / "scaling.md", ROOT / "docs" / "scaling.json"
NAMES = {"greeting": "a greeting", "event": "an event", "turn": "a chat message", "order_1": "an order"}
COST = (
    "one unit of work",
    "CPU ms",
    "apps",
    "sidecars",
    "Redis",
    "placement, scheduler",
    "MiB of an app",
    "MiB of a sidecar",
)
REPLICAS = ("replicas of each pizza service", "orders/s on this machine", "CPU ms of an order", "to one replica")
NODES = ("a second", "1 node", "10 nodes", "100 nodes", "one Redis carries", "one scheduler carries")
# What the page says of a node, and how much of it may be used on average.
CORES, USED = 8, 0.6


@pytest.fixture
def rows() -> dict[str, dict[str, Any]]:
    """Return the measured rows by name."""
    return {row["name"]: row for row in json.loads(MEASURED.read_text())["rows"]}


def shown(value: float) -> str:
    """Return two digits of a figure, as the page has them."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def test_what_one_unit_of_work_takes(rows: dict[str, dict[str, Any]]) -> None:
    wanted = [
        [
            NAMES[name],
            *(shown(rows[name][f"{part}ms"]) for part in ("cpu_", "app_", "sidecar_", "redis_")),
            shown(rows[name]["placement_ms"] + rows[name]["scheduler_ms"]),
            *(shown(rows[name][f"{part}_mib"]) for part in ("app", "sidecar")),
        ]
        for name in NAMES
    ]
    assert table(PAGE.read_text(), COST) == wanted


def test_what_replicas_change(rows: dict[str, dict[str, Any]]) -> None:
    wanted = [
        [str(count), shown(row["per_second"]), shown(row["cpu_ms"]), shown(row["cpu_ms"] / rows["order_1"]["cpu_ms"])]
        for count, row in ((count, rows[f"order_{count}"]) for count in (1, 2, 4))
    ]
    assert table(PAGE.read_text(), REPLICAS) == wanted


def test_what_nodes_carry(rows: dict[str, dict[str, Any]]) -> None:
    def carries(cores: int, milliseconds: float) -> str:
        return shown(cores * USED * 1000 / milliseconds) if milliseconds >= 0.05 else "not a limit"

    wanted = [
        [
            f"{NAMES[name].split(' ', 1)[1]}s",
            *(carries(CORES * nodes, rows[name]["app_ms"] + rows[name]["sidecar_ms"]) for nodes in (1, 10, 100)),
            carries(1, rows[name]["redis_ms"]),
            carries(CORES, rows[name]["scheduler_ms"]),
        ]
        for name in NAMES
    ]
    assert table(PAGE.read_text(), NODES) == wanted
