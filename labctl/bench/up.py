"""./lab bench up: how much longer `./lab up invocation` takes than the bare `dapr run -f` that it drives.

    | row | timed | infrastructure |
    |---|---|---|
    | `dapr_run` | the limit: bare `dapr run -f` of the same apps, until all are ready | Redis and control plane run |
    | `lab_up` | the command `./lab up invocation --detach`, from its start to its end | the same ones run |

The start is warm: runtime, environments and disk caches are there. Both rows use the same running Redis and
control plane, as bare `dapr run` needs them. Ready means the same in both: the sidecar is healthy, and the app reports
that it is ready. The rows are measured in turn, in several rounds. A figure is the median.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from statistics import median

from rich.console import Console

from labctl import runfile
from labctl.bench.report import Result, Target, row_of
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.runfile import App
from labctl.stack import ROOT, Stack
from labctl.up import infrastructure, lifecycle, processes, readiness, remembered

LIMIT = "dapr_run"
ROUNDS = 5
TIMES_BARE = 1.2
_POLL = 0.05  # seconds; finer than the 0.1 of ./lab up, so that coarse waiting does not favour ./lab up


def measure(stack: Stack, console: Console, _seconds: float, _full: bool) -> Result:
    """Time each way to start in turn. `seconds` has no meaning here."""
    steps = Steps(console)
    apps = runfile.select(runfile.read_apps(stack), ["invocation"])
    ways: dict[str, Callable[[], float]] = {
        LIMIT: lambda: _bare(stack, apps),
        "lab_up": lambda: _lab_up(stack),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    # The first start may have to make something, and is not measured.
    lifecycle.up(stack, apps, console)
    for number in range(1, ROUNDS + 1):
        with steps.step(f"round {number} of {ROUNDS}", total=len(ways)) as advance:
            for name, start in ways.items():
                # Redis and the control plane keep running.
                above = [one.name for one in processes.find(stack) if one.name not in infrastructure.names(stack)]
                processes.stop(stack, names=above)
                took[name].append(start())
                advance()
    return result(took)


def _bare(stack: Stack, apps: Sequence[App]) -> float:
    """Return the seconds from `dapr run -f` to all apps ready."""
    runtime = remembered.find_runtime(stack)
    file = runfile.write_copy(stack, apps, name="bare.yaml")
    command = [str(runtime.cli), "run", "--run-file", str(file)]
    environment = {"NAMESPACE": "default"} | runtime.environment
    waiting = list(apps)

    def all_ready() -> bool:
        waiting[:] = [app for app in waiting if not readiness.is_ready(app)]
        return not waiting

    begin = time.monotonic()
    processes.spawn(stack, "run", command, env=environment, cwd=ROOT, log=stack.logs / "dapr-run.log")
    if not processes.wait_until(all_ready, readiness.READY_WITHIN, _POLL):
        raise LabError(f"Bare `dapr run -f` did not bring up {waiting[0].app_id}; see {stack.logs / 'dapr-run.log'}.")
    return time.monotonic() - begin


def _lab_up(stack: Stack) -> float:
    """Return the seconds that the command takes, with its own start."""
    address = {"LAB_STACK_NAME": stack.name, "LAB_PORT_OFFSET": str(stack.offset)}
    begin = time.monotonic()
    done = subprocess.run(
        [str(ROOT / "lab"), "up", "invocation", "--detach"],
        env=os.environ | address,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - begin
    if done.returncode:
        raise LabError(f"./lab up failed: {done.stderr.strip()[-600:]}")
    return seconds


def result(took: dict[str, list[float]]) -> Result:
    """Return the rows and target of these starts, in seconds by row."""
    middle = {name: median(seconds) for name, seconds in took.items()}
    rows = [
        # With so few starts the 99th percentile is the slowest one.
        row_of(
            name,
            1,
            middle[name] * 1000,
            max(seconds) * 1000,
            middle[name] / middle[LIMIT],
            seconds_to_ready=middle[name],
        )
        for name, seconds in took.items()
    ]
    targets = [Target("./lab up to bare dapr run -f", TIMES_BARE, middle["lab_up"] / middle[LIMIT], at_most=True)]
    return Result(f"median of {ROUNDS} rounds; ratio: to dapr_run", rows, targets)
