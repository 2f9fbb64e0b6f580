"""./lab bench jobs --plot: how late a thousand jobs fire that are all due at one moment.

One curve is the sidecar's jobs API with an app that only notes the time. The other is the service, which stores each
run before it answers.
"""

from __future__ import annotations

import json
from math import ceil

import httpx
from rich.console import Console

from labctl import runfile
from labctl.bench import load
from labctl.bench.baselines import with_baselines
from labctl.bench.batches import SLOWEST, Bare, Service, fire
from labctl.bench.svg import Picture, place
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.up import lifecycle

FILE = "job-lateness.svg"
AT_ONCE, WARM_UP = 1_000, 200

_TOP, _BOTTOM = 44, 190  # pixels: all jobs, and none
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
    """Return the picture: the share of the jobs that had fired, over the time since they were due."""
    picture = Picture(_BOTTOM + 34, f"How late {AT_ONCE:,} jobs fire that are due at one moment")
    step = 100 * ceil(max(values[-1] for values in found.values()) / 1000)
    highest = step * ceil(max(values[-1] for values in found.values()) / step)
    picture.text(place(0, highest), 16, f"Share of {AT_ONCE:,} jobs that had fired, by time since all were due", "bold")
    for share in (0, 50, 100):
        y = _height(share)
        picture.line((place(0, highest), y), (place(highest, highest), y), "axis")
        picture.text(place(highest, highest), y - 4, f"{share} %", "faint", anchor="end")
    words = {"bare": "an app that only notes the time", "app": "scheduler-test-py, which stores each run"}
    for number, (name, style) in enumerate((("bare", "first"), ("app", "second"))):
        points = [(place(value, highest), _height(index * _EVERY)) for index, value in enumerate(found[name])]
        picture.curve(points, style)
        x = 16.0 + 250 * number
        picture.line((x, 28), (x + 20, 28), style)
        picture.text(x + 26, 32, words[name], "faint")
    picture.axis(_BOTTOM, highest, step, "ms")
    return picture.done(json.dumps(found, separators=(",", ":")))


def _height(share: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * share / 100


def read(measured: str) -> dict[str, list[int]]:
    """Return the figures that a picture was drawn from."""
    return json.loads(measured)
