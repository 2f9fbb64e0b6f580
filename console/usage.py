"""How much CPU time and memory the processes of the stack use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from labctl.up.processes import Found


@dataclass(frozen=True)
class Usage:
    """What a process and its children use. cpu: per cent of one core since the last look. memory: in MB."""

    pid: int
    cpu: int
    memory: int


async def measure(found: Iterable[Found]) -> dict[str, Usage]:
    """Return the usage of these processes, by kind: `app`, `sidecar`. One that has ended is left out."""
    return await asyncio.to_thread(_measure, list(found))


def _measure(found: list[Found]) -> dict[str, Usage]:
    usages: dict[str, Usage] = {}
    for one in found:
        try:
            family = [one.process, *one.process.children(recursive=True)]
            cpu = sum(process.cpu_percent(None) for process in family)
            memory = sum(process.memory_info().rss for process in family)
            usages[one.kind] = Usage(one.pid, round(cpu), round(memory / 1_000_000))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return usages
