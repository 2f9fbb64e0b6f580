"""./lab bench invocation: the cost of a call from caller to callee, each way, and of the ways around it.

    | row | request to | stands for |
    |---|---|---|
    | `direct` | callee's app port | no Dapr at all |
    | `raw_sidecar` | the invoke URL of caller's sidecar | the limit: what any caller behind a sidecar could reach |
    | `caller_url` … `caller_grpc` | caller's `/call-greet/Ada?via=…` | the service of this lab, one row for each way |
    | `pooled_httpx` | `/call-greet/Ada` of bench/baselines/taught_caller.py, with CLIENT=httpx | one pooled client |
    | `pooled_httpx_aiohttp` | the same, with CLIENT=httpx-aiohttp | that client over aiohttp's connections |
    | `taught` | `/call-greet/Ada` of bench/baselines/taught_caller.py | a new HTTP client for each request |

All rows run on one stack. Each row's time is cut into short slices and the rows take turns, so that a machine that
slows down slows down for all. A figure is the median of the slices. The sidecars are those of `./lab up`, with
its resiliency policy and API log. The baselines' sidecars have no resiliency policy, which can only help them.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console

from labctl.bench import load
from labctl.bench.baselines import with_baselines
from labctl.bench.load import Load
from labctl.bench.report import Result, Target, row_of
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.up import lifecycle

CONNECTIONS = (1, 16)
LIMIT, TAUGHT = "raw_sidecar", "taught"
SLICE = 0.5  # seconds
FEWEST_ROUNDS = 3
OF_RAW_SIDECAR = 0.6
TIMES_TAUGHT = 20.0

_WARM_UP = 0.5  # seconds; connections are made and Python's caches filled


def measure(stack: Stack, console: Console, seconds: float, _full: bool) -> Result:
    """Start everything, and measure each row for `seconds`, one slice in each round."""
    steps = Steps(console)
    program = load.ensure(steps)
    lifecycle.up(stack, with_baselines(stack, "invocation"), console)
    urls = row_urls(stack)
    with steps.step("warm-up", total=len(urls)) as advance:
        for url in urls.values():
            load.run(program, url, max(CONNECTIONS), _WARM_UP)
            advance()
    runs: dict[tuple[str, int], list[Load]] = {(name, count): [] for name in urls for count in CONNECTIONS}
    rounds = max(FEWEST_ROUNDS, round(seconds / SLICE))
    with steps.step(f"{len(runs)} measurements, {rounds} slices each", total=len(runs) * rounds) as advance:
        for _ in range(rounds):
            for (name, connections), measured in runs.items():
                measured.append(load.run(program, urls[name], connections, min(seconds / rounds, SLICE)))
                advance()
    return result({key: load.median_of(measured) for key, measured in runs.items()})


def row_urls(stack: Stack) -> dict[str, str]:
    """Return row name → URL, in the order of the table."""
    apps = {app.app_id: app for app in with_baselines(stack, "invocation")}
    host, callee, caller = "http://127.0.0.1", apps["callee-app"], apps["caller-app"]

    def call(app_id: str) -> str:
        return f"{host}:{apps[app_id].app_port}/call-greet/Ada"

    return {
        "direct": f"{host}:{callee.app_port}/greet/Ada",
        LIMIT: f"{host}:{caller.http_port}/v1.0/invoke/callee-app/method/greet/Ada",
        **{f"caller_{via}": f"{call('caller-app')}?via={via}" for via in ("url", "header", "sdk", "grpc")},
        "pooled_httpx": call("pooled-caller"),
        "pooled_httpx_aiohttp": call("pooled-aiohttp-caller"),
        TAUGHT: call("taught-caller"),
    }


def result(figures: dict[tuple[str, int], Load]) -> Result:
    """Return the rows and targets of these figures, by row and number of connections."""
    rows: list[dict[str, Any]] = []
    for connections in CONNECTIONS:
        limit = figures[LIMIT, connections].per_second
        for name in (name for name, count in figures if count == connections):
            one = figures[name, connections]
            ratio = one.per_second / limit
            rows.append(row_of(name, connections, one.p50_ms, one.p99_ms, ratio, requests_per_second=one.per_second))
    most = max(CONNECTIONS)
    ours, raw, taught = (figures[name, most].per_second for name in ("caller_url", LIMIT, TAUGHT))
    targets = [
        Target(f"caller_url to raw_sidecar at {most}", OF_RAW_SIDECAR, ours / raw),
        Target(f"caller_url to taught at {most}", TIMES_TAUGHT, ours / taught),
    ]
    return Result("ratio: of the raw sidecar's rate", rows, targets)
