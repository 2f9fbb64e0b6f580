"""A fixed number of customers in threads. Each one starts its next turn as soon as the last one is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import uuid4

import httpx

from labctl.bench.report import row_of_turns
from labctl.errors import LabError

# Does one turn for a customer with that name, of that number at a time, and returns when it is done.
Turn = Callable[[httpx.Client, str, int], None]


@dataclass(frozen=True)
class Rate:
    """The turns per second of `count` customers at a time, and the seconds that each turn took."""

    count: int
    per_second: float
    took: list[float]


def rates(
    ways: Mapping[str, Turn], plan: Sequence[int], seconds: float, patience: float, advance: Callable[[], None]
) -> dict[str, Rate]:
    """Measure each way with each number of customers, for `seconds` each, and return the rates as WAY_NUMBER.

    plan: the numbers, each as often as it has slices. The ways take turns, and a rate is the median of its slices.
    patience: as `at_once` has it. advance: called after each slice.
    """
    slices: dict[tuple[str, int], list[Rate]] = {}
    for count in plan:
        for way, turn in ways.items():
            slices.setdefault((way, count), []).append(at_once(turn, count, seconds / plan.count(count), patience))
            advance()
    return {
        f"{way}_{count}": Rate(
            count, median(one.per_second for one in measured), [took for one in measured for took in one.took]
        )
        for (way, count), measured in slices.items()
    }


def at_once(turn: Turn, count: int, seconds: float, patience: float) -> Rate:
    """Let `count` customers at a time work for `seconds`, and at least one turn each.

    patience: seconds for one answer. Raise LabError without one.
    """
    # One thread would close an expired connection while another may just have started to read from it.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=count, keepalive_expiry=None)
    # One client for all, made in advance, because making one takes as long as a turn.
    with httpx.Client(timeout=patience, limits=limits) as http, ThreadPoolExecutor(count) as pool:
        begin = time.monotonic()

        def work() -> list[float]:
            name, took = uuid4().hex, list[float]()
            while not took or time.monotonic() - begin < seconds:
                started = time.monotonic()
                try:
                    turn(http, name, count)
                except httpx.TransportError as error:
                    raise LabError(f"No answer from {error.request.url}, so there is no figure: {error!r}") from error
                took.append(time.monotonic() - started)
            return took

        took = [one for worker in [pool.submit(work) for _ in range(count)] for one in worker.result()]
        return Rate(count, len(took) / (time.monotonic() - begin), took)


def rows(rates: Mapping[str, Rate], unit: str) -> list[dict[str, Any]]:
    """Return a row for each rate, as a share of the bare workflow's with as many at a time."""
    limits = {one.count: one.per_second for name, one in rates.items() if name.startswith("bare_")}
    return [
        row_of_turns(name, one.count, one.took, one.per_second / limits[one.count], **{unit: one.per_second})
        for name, one in rates.items()
    ]
