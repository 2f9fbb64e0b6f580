"""The result of a bench: a table and its targets for the reader, and rows, machine and versions as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Target:
    """A promised ratio, and the one that this run measured."""

    what: str
    wanted: float
    measured: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the promise held."""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


@dataclass(frozen=True)
class Result:
    """A finished bench.

    rows: as `row_of` makes them.
    """

    table: Table
    rows: list[dict[str, Any]]
    targets: list[Target]
    versions: dict[str, str]
    notes: list[str] = field(default_factory=list[str])


def row_of(
    name: str, connections: int, p50_ms: float, p99_ms: float, ratio: float, **rate_or_time: float
) -> dict[str, Any]:
    """Return a row in the JSON form of all benches: `{"name", "connections", …, "p50_ms", "p99_ms", "ratio_to_limit"}`.

    rate_or_time: the measured quantity, named with its unit, such as requests_per_second.
    """
    figures = rate_or_time | {"p50_ms": p50_ms, "p99_ms": p99_ms, "ratio_to_limit": ratio}
    return {"name": name, "connections": connections} | {key: significant(value) for key, value in figures.items()}


def figures_table(caption: str, first: str, figures: Sequence[str]) -> Table:
    """Return an empty table in the form of all benches: names on the left, figures to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column(first, no_wrap=True)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def say_targets(console: Console, targets: Sequence[Target]) -> bool:
    """Print each target and whether it was met. Return whether all were."""
    for target in targets:
        mark = "[green]met[/]   " if target.met else "[bold red]missed[/]"
        sign = "at most" if target.at_most else "at least"
        console.print(f"{mark} {target.what}: {target.measured:.3g} (target: {sign} {target.wanted:g})")
    return all(target.met for target in targets)


def write(path: Path, result: Result) -> None:
    """Write `{"machine", "versions", "rows"}`, the same for every bench."""
    document = {"machine": machine(), "versions": result.versions, "rows": result.rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """Return the machine that it was measured on."""
    memory = round(psutil.virtual_memory().total / 2**30, 1)
    return {"cpu": _cpu(), "cores": os.cpu_count(), "memory_gib": memory, "system": platform.platform(terse=True)}


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in _lines(info) if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def p50_p99(values: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile. A single value is both."""
    if len(values) == 1:
        return values[0], values[0]
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


def significant(value: float, digits: int = 4) -> float:
    """Return a figure without digits that were not measured."""
    return float(f"{value:.{digits}g}")
