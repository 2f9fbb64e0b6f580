"""./lab bench jobs: how late jobs fire that are all due at once, and the cost of jobs that only wait.

    | row | work | stands for |
    |---|---|---|
    | `schedule_bare` | one-shot jobs posted to a sidecar, 16 at a time | the limit |
    | `schedule_app` | the same, through the app's `/schedule-job/…` | the service of this lab |
    | `fire_bare` | these fire, all due at one moment, at bench/baselines/bare_jobs.py | the limit |
    | `fire_app` | the same, at the service, which has stored each run before it answers | the service of this lab |
    | `pending_N` | 200 jobs fire at the service while N others wait that are due tomorrow | how cost grows |

In the rows that schedule, p50 and p99 are those of a request. In those that fire, they are the time from the due moment
to the callback, and jobs a second are counted to the last callback. `scheduler_mib` is the scheduler's memory. Bare
rounds and the app's take turns, and each figure is the rounds' median. The scheduler starts without jobs, and writes
each one to disk (etcd).
"""

from __future__ import annotations

from typing import Any

import httpx
import psutil
from rich.console import Console

from labctl import runfile
from labctl.bench import load
from labctl.bench.baselines import with_baselines
from labctl.bench.batches import CONNECTIONS, SLOWEST, Bare, Batch, Service, fire
from labctl.bench.report import Result, Target, row_of, significant
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.up import lifecycle, processes

AT_ONCE = 1_000
SECONDS_A_ROUND = 2.0  # of --seconds, whose default makes three rounds
PENDING, PENDING_FULL = (1, 1_000), (1, 1_000, 50_000)
BESIDE_PENDING = 200
P99_AT_MOST_MS = 1_000.0
OF_BARE = 0.38  # measured 0.43 to 0.47, from 0.2 when the order of each job was stored; aim: 0.5


def measure(stack: Stack, console: Console, seconds: float, full: bool) -> Result:
    """Measure all rows, in a round for every 2 of the `seconds`. With `full` also beside 50,000 waiting jobs."""
    steps = Steps(console)
    rounds = max(1, round(seconds / SECONDS_A_ROUND))
    program = load.ensure(steps)
    apps = with_baselines(stack, "jobs")
    lifecycle.up(stack, apps, console)
    bare, app = Bare(runfile.find(apps, "bare-jobs")), Service(runfile.find(apps, "scheduler-test-py"))
    batches: dict[str, list[Batch]] = {bare.name: [], app.name: []}
    grown: dict[int, tuple[Batch, float]] = {}
    with httpx.Client(timeout=30) as http:
        with steps.step("warm-up"):
            rates = {
                way.name: fire(program, http, way, BESIDE_PENDING, SLOWEST).scheduled.per_second for way in (bare, app)
            }
        waiting = 0
        for count in PENDING_FULL if full else PENDING:
            with steps.step(f"{BESIDE_PENDING} jobs fire while {count:,} wait"):
                load.post(
                    program, f"{bare.url}/wait-{{uuid}}", min(count, CONNECTIONS), count - waiting, bare.order("24h")
                )
                waiting = count
                grown[count] = (fire(program, http, app, BESIDE_PENDING, rates[app.name]), _scheduler_mib(stack))
        with steps.step(f"{AT_ONCE:,} jobs due at once, {rounds} rounds", total=2 * rounds) as advance:
            for _ in range(rounds):
                for way in (bare, app):
                    batches[way.name].append(fire(program, http, way, AT_ONCE, rates[way.name]))
                    advance()
    return result(batches, grown)


def _scheduler_mib(stack: Stack) -> float:
    pid = next(one.pid for one in processes.find(stack) if one.name == "scheduler")
    return psutil.Process(pid).memory_info().rss / 2**20


def result(batches: dict[str, list[Batch]], grown: dict[int, tuple[Batch, float]]) -> Result:
    """Return the rows and targets of these batches, and of those beside waiting jobs, by their number.

    grown: each with the scheduler's memory in MiB.
    """
    scheduled = {name: load.median_of([one.scheduled for one in done]) for name, done in batches.items()}
    fired = {name: load.median_of([one.fired for one in done]) for name, done in batches.items()}
    rows = [
        _row(f"{what}_{name}", one, one.per_second / measured["bare"].per_second)
        for what, measured in (("schedule", scheduled), ("fire", fired))
        for name, one in measured.items()
    ]
    first = next(iter(grown.values()))[0].fired.p50_ms
    for count, (batch, mib) in grown.items():
        row = _row(f"pending_{count}", batch.fired, batch.fired.p50_ms / first)
        rows.append(row | {"scheduler_mib": significant(mib)})
    share = scheduled["app"].per_second / scheduled["bare"].per_second
    targets = [
        Target("scheduling a job through the app to the bare call", OF_BARE, share),
        Target(f"p99 ms of lateness, {AT_ONCE:,} jobs due at once", P99_AT_MOST_MS, fired["app"].p99_ms, at_most=True),
    ]
    return Result("ratio: of the bare row; pending: of the p50 of the first", rows, targets)


def _row(name: str, measured: load.Load, ratio: float) -> dict[str, Any]:
    return row_of(name, CONNECTIONS, measured.p50_ms, measured.p99_ms, ratio, jobs_per_second=measured.per_second)
