"""The result of a bench: a table and its targets for the reader, and rows, machine and versions as JSON."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
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
    """A finished bench. rows: as `row_of` makes them. caption: what their ratios are."""

    caption: str
    rows: list[dict[str, Any]]
    targets: list[Target]


def row_of(
    name: str, connections: int, p50_ms: float, p99_ms: float, ratio: float, **rate_or_time: float
) -> dict[str, Any]:
    """Return a row in the JSON form of all benches: `{"name", "connections", …, "p50_ms", "p99_ms", "ratio_to_limit"}`.

    rate_or_time: the measured quantity, named with its unit, such as requests_per_second.
    """
    figures = rate_or_time | {"p50_ms": p50_ms, "p99_ms": p99_ms, "ratio_to_limit": ratio}
    return {"name": name, "connections": connections} | {key: significant(value) for key, value in figures.items()}


def row_of_turns(name: str, count: int, took: Sequence[float], ratio: float, **rate: float) -> dict[str, Any]:
    """Return the row of turns, `count` at a time, by the seconds that each took."""
    p50, p99 = p50_p99([seconds * 1000 for seconds in took])
    return row_of(name, count, p50, p99, ratio, **rate)


def table(result: Result) -> Table:
    """Return the rows as a table: names on the left, figures to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=result.caption, caption_justify="left")
    keys = dict.fromkeys(key for row in result.rows for key in row)
    for key in keys:
        table.add_column(key.replace("_", " "), justify="left" if key == "name" else "right", no_wrap=True)
    for row in result.rows:
        table.add_row(row["name"], *(f"{row[key]:,g}" if key in row else "" for key in keys if key != "name"))
    return table


def say_targets(console: Console, targets: Sequence[Target]) -> bool:
    """Print each target and whether it was met. Return whether all were."""
    for target in targets:
        mark = "[green]met[/]   " if target.met else "[bold red]missed[/]"
        sign = "at most" if target.at_most else "at least"
        console.print(f"{mark} {target.what}: {target.measured:.3g} (target: {sign} {target.wanted:g})")
    return all(target.met for target in targets)


def write(path: Path, rows: list[dict[str, Any]], dapr: str) -> None:
    """Write `{"machine", "versions", "rows"}`, the same for every bench."""
    versions = {"dapr": dapr, "python": platform.python_version()}
    document = {"machine": machine(), "versions": versions, "rows": rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """Return the machine that it was measured on."""
    memory = round(psutil.virtual_memory().total / 2**30, 1)
    return {"cpu": _cpu(), "cores": os.cpu_count(), "memory_gib": memory, "system": platform.platform(terse=True)}


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def p50_p99(values: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile. A single value is both."""
    if len(values) == 1:
        return values[0], values[0]
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


def significant(value: float, digits: int = 4) -> float:
    """Return a figure without digits that were not measured."""
    return float(f"{value:.{digits}g}")
