"""./lab bench invocation: the cost of a call from caller to callee, each way, and of the ways around it.

    | row | request to | stands for |
    |---|---|---|
    | `direct` | callee's app port | no Dapr at all |
    | `raw_sidecar` | the invoke URL of caller's sidecar | the limit: what any caller behind a sidecar could reach |
    | `caller_url` … `caller_grpc` | caller's `/call-greet/Ada?via=…` | the service of this lab, one row for each way |
    | `pooled_httpx` | `/call-greet/Ada` of bench/baselines/pooled_caller.py | caller with one pooled httpx client |
    | `pooled_httpx_aiohttp` | the same, with CLIENT=httpx-aiohttp | that client over aiohttp's connections |
    | `taught` | `/call-greet/Ada` of bench/baselines/taught_caller.py | a new HTTP client for each request |

All rows run on one stack. Each row's time is cut into short slices and the rows take turns, so that a machine that
slows down slows down for all. A figure is the median of the slices. The sidecars are those of `./lab up`, with
its resiliency policy and API log. The baselines' sidecars have no resiliency policy, which can only help them.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from statistics import median, quantiles

from rich.console import Console

from labctl.bench import load
from labctl.bench.baselines import with_baselines
from labctl.bench.load import Load
from labctl.bench.report import Result, Target, figures_table, row_of
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.up import lifecycle, remembered

CONNECTIONS = (1, 16)
LIMIT, TAUGHT = "raw_sidecar", "taught"
SLICE = 0.5  # seconds
FEWEST_ROUNDS = 3
OF_RAW_SIDECAR = 0.6
TIMES_TAUGHT = 20.0

_WARM_UP = 0.5  # seconds; connections are made and Python's caches filled


@dataclass(frozen=True)
class Figures:
    """The medians of a row's slices at one number of connections.

    spread: the distance between the quartiles of the slices' rates, as a share of the median.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    spread: float

    @classmethod
    def of(cls, runs: list[Load]) -> Figures:
        """Return the medians of at least two slices."""
        rates = [run.requests_per_second for run in runs]
        lower, middle, upper = quantiles(rates, n=4, method="inclusive")
        latencies = median(run.p50_ms for run in runs), median(run.p99_ms for run in runs)
        return cls(middle, *latencies, (upper - lower) / middle)


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
    with steps.step("the load generator alone"):
        ceiling = load.ceiling(program, stack, max(CONNECTIONS), SLICE * FEWEST_ROUNDS)
    runtime = remembered.find_runtime(stack)
    versions = {"dapr": runtime.version(), "python": platform.python_version(), "load_generator": load.version(program)}
    return result({key: Figures.of(measured) for key, measured in runs.items()}, ceiling, versions)


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


def result(figures: dict[tuple[str, int], Figures], ceiling: Load, versions: dict[str, str]) -> Result:
    """Return the table, rows and targets of these figures, by row and number of connections."""
    columns = ("conn.", "req/s", "spread", "p50 ms", "p99 ms", "of raw", "taught")
    table = figures_table("of raw: of the raw sidecar; taught: times the taught way", "row", columns)
    rows: list[dict[str, object]] = []
    for connections in CONNECTIONS:
        limit = figures[LIMIT, connections].requests_per_second
        taught = figures[TAUGHT, connections].requests_per_second
        for name in (name for name, count in figures if count == connections):
            one = figures[name, connections]
            rate = one.requests_per_second
            cells = [f"{rate:,.0f}", f"{one.spread:.0%}", f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}"]
            table.add_row(name, str(connections), *cells, f"{rate / limit:.2f}", f"{rate / taught:.1f}")
            rows.append(row_of(name, connections, one.p50_ms, one.p99_ms, rate / limit, requests_per_second=rate))
        table.add_section()
    most = max(CONNECTIONS)
    ours = figures["caller_url", most].requests_per_second
    targets = [
        Target(f"caller_url to raw_sidecar at {most}", OF_RAW_SIDECAR, ours / figures[LIMIT, most].requests_per_second),
        Target(f"caller_url to taught at {most}", TIMES_TAUGHT, ours / figures[TAUGHT, most].requests_per_second),
    ]
    fastest = max(one.requests_per_second for one in figures.values())
    alone = ceiling.requests_per_second
    note = f"The load generator alone: {alone:,.0f} requests/s against a server that does nothing, "
    note += f"{alone / fastest:.1f} times the fastest row."
    return Result(table, rows, targets, versions, [note])
