"""./lab bench scaling: the CPU time and the memory behind docs/scaling.md, for one unit of work of each kind.

    | row | one unit of work |
    |---|---|
    | `greeting` | GET /call-greet/Ada: caller, two sidecars, callee |
    | `event` | an event of bench/baselines/bare_blocks.py, published and handled, one at a time |
    | `turn` | a message to chat-service, until its reply |
    | `order_N` | a pizza order, approved and delivered, with N replicas of each pizza service |

`cpu_ms` is the CPU time that all processes of the labs take for it. The next columns are its parts: apps, sidecars,
Redis, placement and scheduler. `app_mib` and `sidecar_mib` are the memory of one process, the median of all. One
lab runs at a time, with one Redis and one control plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median
from typing import Any

import httpx
import psutil
from rich.console import Console

from labctl import runfile
from labctl.bench import chat, pizza
from labctl.bench.baselines import FOLDER, RUN_FILE
from labctl.bench.customers import Rate, Turn, at_once
from labctl.bench.report import Result, Target, row_of_turns, significant
from labctl.errors import LabError
from labctl.progress import Steps
from labctl.replicas import replica
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import lifecycle, processes

AT_ONCE = 16
REPLICAS = (1, 2, 4)
NEEDED = ("caller-app", "callee-app", "bare-blocks", "chat-service", "agent-memory-service")
PIZZA = ("pizza-workflow", "pizza-order", "pizza-storefront", "pizza-kitchen", "pizza-delivery")
PARTS = ("app", "sidecar", "redis", "placement", "scheduler")
_MOVED = (0, 30, 35, 40)  # how far the ports of each replica of a pizza service are from its own: free ones
_SETTINGS = {"STEP_SECONDS": "0", "MODEL_ENGINE": "offline"}
MOST_FOR_REPLICAS = 2.0  # measured 1.69 on two cores: idle replicas take CPU time too, and orders share it
_PATIENCE = 180  # seconds for one unit of work


@dataclass(frozen=True)
class Row:
    """The apps of a row, the number of replicas of each, a unit of work, and how many units are in flight."""

    apps: Sequence[App]
    turn: Turn
    replicas: int = 1
    at_once: int = AT_ONCE


@dataclass(frozen=True)
class Cost:
    """What one unit of work took: CPU time of each part in milliseconds, and MiB of one process of each kind."""

    rate: Rate
    cpu_ms: dict[str, float]
    mib: dict[str, float]


def measure(stack: Stack, console: Console, seconds: float, _full: bool) -> Result:
    """Measure each row for `seconds`, after a warm-up."""
    steps = Steps(console)
    costs: dict[str, Cost] = {}
    for name, row in _rows(stack).items():
        with steps.step(name):
            costs[name] = _cost(stack, row, seconds)
    return result(costs)


def _rows(stack: Stack) -> dict[str, Row]:
    apps = [*runfile.read_apps(stack), *runfile.read_apps(stack, RUN_FILE)]
    caller, callee, blocks, talk, memory, *pizzas = (runfile.find(apps, name) for name in (*NEEDED, *PIZZA))
    greet, publish = f"{caller.url}/call-greet/Ada", f"{blocks.url}/measure/event_handled?seconds=0"
    rows = {
        "greeting": Row([caller, callee], lambda http, _, __: _ok(http.get(greet))),
        "event": Row([blocks], lambda http, _, __: _ok(http.post(publish)), at_once=1),
        "turn": Row([talk, memory], lambda http, name, _: chat.say(http, talk.url, name)),
    }
    return rows | {f"order_{count}": Row(pizzas, _orders(pizzas[0], count), count) for count in REPLICAS}


def _orders(workflow: App, count: int) -> Turn:
    """Return the turn of a customer who orders at the next replica of the workflow app."""
    urls = cycle(replica(workflow, by).url for by in _MOVED[:count])

    def turn(http: httpx.Client, _: str, at_a_time: int) -> None:
        pizza.deliver(http, next(urls), at_a_time)

    return turn


def _ok(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise LabError(f"{answer.url} failed, so there is no figure: {answer.status_code} {answer.text[:200]}")


def _cost(stack: Stack, row: Row, seconds: float) -> Cost:
    quiet = Console(quiet=True)
    # bare-blocks asks Redis itself.
    env = _SETTINGS | {"REDIS_PORT": str(stack.ports["redis"])}
    lifecycle.up(stack, row.apps, quiet, resources=[FOLDER / "components"], env=env)
    for by in _MOVED[1 : row.replicas]:
        lifecycle.add(stack, [replica(app, by) for app in row.apps], f"replicas-{by}")
    at_once(row.turn, row.at_once, 1, _PATIENCE)
    before = _seconds(stack)
    rate = at_once(row.turn, row.at_once, seconds, _PATIENCE)
    after, mib = _seconds(stack), _mib(stack)
    lifecycle.down(stack)
    return Cost(rate, {part: (after[part] - before[part]) * 1000 / len(rate.took) for part in PARTS}, mib)


def _of_part(stack: Stack) -> dict[str, list[psutil.Process]]:
    found: dict[str, list[psutil.Process]] = {part: [] for part in PARTS}
    for one in processes.find(stack):
        part = one.name if one.kind == "infrastructure" else one.kind
        if part in found:
            found[part].append(psutil.Process(one.pid))
    return found


def _seconds(stack: Stack) -> dict[str, float]:
    """Return the seconds of CPU time so far of each part."""
    times = {part: [one.cpu_times() for one in all_] for part, all_ in _of_part(stack).items()}
    return {part: sum(one.user + one.system for one in all_) for part, all_ in times.items()}


def _mib(stack: Stack) -> dict[str, float]:
    """Return the median memory of a process of each part, in MiB."""
    return {part: median(one.memory_info().rss for one in all_) / 2**20 for part, all_ in _of_part(stack).items()}


def result(costs: dict[str, Cost]) -> Result:
    """Return the rows of these costs, and the target for replicas."""
    total = {name: sum(cost.cpu_ms.values()) for name, cost in costs.items()}
    rows = [_row(name, cost, total[name] / total["greeting"]) for name, cost in costs.items()]
    most = f"order_{REPLICAS[-1]}"
    return Result(
        "ratio: of the CPU time to that of a greeting",
        rows,
        [Target(f"CPU time of an order with {REPLICAS[-1]} replicas to that with one", MOST_FOR_REPLICAS,
                total[most] / total["order_1"], at_most=True)],
    )  # fmt: skip


def _row(name: str, cost: Cost, ratio: float) -> dict[str, Any]:
    row = row_of_turns(name, cost.rate.count, cost.rate.took, ratio, per_second=cost.rate.per_second)
    figures = {"cpu_ms": sum(cost.cpu_ms.values())} | {f"{part}_ms": spent for part, spent in cost.cpu_ms.items()}
    figures |= {f"{part}_mib": cost.mib[part] for part in ("app", "sidecar")}
    return row | {key: significant(value) for key, value in figures.items()}
