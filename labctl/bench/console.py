"""./lab bench console: what traces and the console cost the sidecars of a call from caller to callee.

    | row | sidecars send their spans to | apps |
    |---|---|---|
    | `no_spans` | nothing: the limit | |
    | `spans_discarded` | a receiver that reads and forgets them | |
    | `console` | the console of `./lab up --console`, with no page open | |
    | `own_spans` | the console | send spans of their own too (`TRACING=true`) |

Each row gets the same calls at a fixed rate, in several rounds. `sidecar_cpu_ms` is the CPU time of both sidecars for
a call, `app_cpu_ms` that of both apps, and `receiver_cpu_ms` that of the receiver. The ratio is that of sidecar_cpu_ms
to no_spans. What sending costs a sidecar is Dapr's own part: compare `spans_discarded` with `no_spans`. The console's
part is the CPU time that its process takes from the cores of the sidecars. The target bounds it.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from rich.console import Console

from labctl import runfile
from labctl.bench import load
from labctl.bench.baselines import FOLDER
from labctl.bench.load import Load
from labctl.bench.report import Result, Target, row_of
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.runfile import ZIPKIN, App
from labctl.stack import Stack
from labctl.up import control, lifecycle, processes, remembered, web_console

LIMIT, DISCARDED, CONSOLE, OWN = "no_spans", "spans_discarded", "console", "own_spans"
ROWS = (LIMIT, DISCARDED, CONSOLE, OWN)
PER_SECOND, CONNECTIONS = 100, 4
ROUNDS = 3
MOST_OF_THE_SIDECARS = 0.05
_WARM_UP = 1.0  # seconds


@dataclass(frozen=True)
class Cost:
    """What a call cost in one slice: milliseconds of CPU time, and latencies."""

    load: Load
    sidecars: float
    apps: float
    receiver: float


def measure(stack: Stack, console: Console, seconds: float, _full: bool) -> Result:
    """Measure each row for `seconds`, one slice in each round."""
    steps = Steps(console)
    program = load.ensure(steps)
    apps = [app for app in runfile.read_apps(stack) if app.app_id in ("callee-app", "caller-app")]
    lifecycle.up(stack, apps, console)
    costs: dict[str, list[Cost]] = {name: [] for name in ROWS}
    with steps.step(f"{len(ROWS)} rows, {ROUNDS} slices each", total=len(ROWS) * ROUNDS) as advance:
        for _ in range(ROUNDS):
            for name in ROWS:
                with _receiver(stack, name), _own_spans(stack, on=name == OWN):
                    for app in apps:
                        # A sidecar asks only at its start whether its spans are received.
                        control.restart(stack, app.app_id)
                    costs[name].append(_slice(stack, program, apps, seconds / ROUNDS))
                advance()
    return result(costs)


@contextmanager
def _receiver(stack: Stack, name: str) -> Generator[None]:
    """Let the row's receiver of spans run during the block."""
    with nullcontext() if name == LIMIT else _discarding(stack) if name == DISCARDED else _console(stack):
        yield


@contextmanager
def _console(stack: Stack) -> Generator[None]:
    web_console.start(stack)
    yield
    processes.stop(stack, names=[web_console.NAME])


@contextmanager
def _discarding(stack: Stack) -> Generator[None]:
    port = ZIPKIN + stack.offset
    command = [sys.executable, str(FOLDER / "discarding_receiver.py"), str(port)]
    processes.spawn(stack, DISCARDED, command, env={}, cwd=FOLDER, log=stack.logs / f"{DISCARDED}.log")
    if not processes.wait_until(lambda: processes.answers(port), 20):
        raise LabError(f"The receiver of spans did not start. See {stack.logs / DISCARDED}.log.")
    yield
    processes.stop(stack, names=[DISCARDED])


@contextmanager
def _own_spans(stack: Stack, *, on: bool) -> Generator[None]:
    """Let apps that are restarted in the block send spans of their own."""
    run = remembered.read(stack)
    run.env = run.env | {"TRACING": "true"} if on else {}
    remembered.write(stack, run)
    yield


def _slice(stack: Stack, program: Path, apps: Sequence[App], seconds: float) -> Cost:
    caller = runfile.find(apps, "caller-app")
    url = f"http://127.0.0.1:{caller.app_port}/call-greet/Ada"
    load.run(program, url, CONNECTIONS, _WARM_UP)
    before = _cpu(stack)
    measured = load.run(program, url, CONNECTIONS, seconds, per_second=PER_SECOND)
    calls = measured.per_second * seconds
    spent = {name: (after - before.get(name, 0)) / calls * 1000 for name, after in _cpu(stack).items()}
    return Cost(measured, spent["sidecar"], spent["app"], spent.get("receiver", 0))


def _cpu(stack: Stack) -> dict[str, float]:
    """Return the seconds of CPU time so far, of all sidecars, of all apps and of the receiver."""
    spent: dict[str, float] = {}
    for one in processes.find(stack):
        kind = "receiver" if one.name in (DISCARDED, CONSOLE) else one.kind
        times = psutil.Process(one.pid).cpu_times()
        spent[kind] = spent.get(kind, 0) + times.user + times.system
    return spent


def result(costs: dict[str, list[Cost]]) -> Result:
    """Return the rows and targets of these costs."""
    middle = {
        name: Cost(
            load.median_of([one.load for one in measured]),
            median(one.sidecars for one in measured),
            median(one.apps for one in measured),
            median(one.receiver for one in measured),
        )
        for name, measured in costs.items()
    }
    rows = [
        row_of(
            name,
            CONNECTIONS,
            one.load.p50_ms,
            one.load.p99_ms,
            one.sidecars / middle[LIMIT].sidecars,
            sidecar_cpu_ms=one.sidecars,
            app_cpu_ms=one.apps,
            receiver_cpu_ms=one.receiver,
        )
        for name, one in middle.items()
    ]
    taken = middle[CONSOLE].receiver / middle[CONSOLE].sidecars
    targets = [Target("CPU time of the console to that of the sidecars", MOST_OF_THE_SIDECARS, taken, at_most=True)]
    return Result(f"{PER_SECOND} calls a second; ratio: of sidecar_cpu_ms to {LIMIT}", rows, targets)
