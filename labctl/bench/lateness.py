"""./lab bench jobs --plot: how late a thousand jobs fire that are all due at one moment.

One row is the sidecar's jobs API with an app that only notes the time. The other is the service, which stores each run
before it answers.
"""

from __future__ import annotations

from math import ceil

import httpx
from rich.console import Console

from labctl import runfile
from labctl.bench import load, svg
from labctl.bench.baselines import with_baselines
from labctl.bench.batches import SLOWEST, Bare, Service, fire
from labctl.bench.svg import Dot
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.up import lifecycle

FILE = "job-lateness.svg"
AT_ONCE, WARM_UP = 1_000, 200

_EVERY = 5  # per cent


def measure(stack: Stack, console: Console) -> str:
    """Measure the lateness of a batch at the sidecar and of one at the service, and return the picture."""
    steps = Steps(console)
    program = load.ensure(steps)
    apps = with_baselines(stack, "jobs")
    lifecycle.up(stack, apps, console)
    ways = (Bare(runfile.find(apps, "bare-jobs")), Service(runfile.find(apps, "scheduler-test-py")))
    late: dict[str, list[float]] = {}
    with httpx.Client(timeout=30) as http:
        for way in ways:
            with steps.step(f"{AT_ONCE:,} jobs due at once: {way.name}"):
                rate = fire(program, http, way, WARM_UP, SLOWEST).scheduled.per_second
                late[way.name] = fire(program, http, way, AT_ONCE, rate).late_ms
    return draw({name: quantiles(values) for name, values in late.items()})


def quantiles(late_ms: list[float]) -> list[int]:
    """Return within how many milliseconds 0, 5, 10, … 100 % of the jobs had fired."""
    ordered = sorted(late_ms)
    return [round(ordered[ceil(len(ordered) * share / 100) - 1 if share else 0]) for share in range(0, 101, _EVERY)]


def draw(found: dict[str, list[int]]) -> str:
    """Return the picture: for each way the share of the jobs that had fired, over the time since they were due."""
    names = {"bare": "an app that only notes the time", "app": "scheduler-test-py, which stores each run"}
    rows = {
        names[way]: [
            Dot(ms, "fired", f"{_EVERY * number} % within {ms} ms", number * _EVERY / 100)
            for number, ms in enumerate(values)
        ]
        for way, values in found.items()
    }
    title = f"How late {AT_ONCE:,} jobs fire that are due at one moment: a dot for every {_EVERY} %"
    return svg.draw(title, rows, "ms", found, height=120)


def read(measured: dict[str, list[int]]) -> dict[str, list[int]]:
    """Return the figures that a picture was drawn from."""
    return measured
