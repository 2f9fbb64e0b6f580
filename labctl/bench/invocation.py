"""./lab bench invocation: what a call from caller to callee costs, each way, beside the ways around it.

| row | what is asked | what it stands for |
|---|---|---|
| `direct` | callee's app port | no Dapr at all |
| `raw_sidecar` | the invoke URL of caller's sidecar | the limit: what any caller behind a sidecar could reach |
| `caller_url` … `caller_grpc` | caller's `/call-greet/Ada?via=…` | the service of this lab, one row for each way |
| `taught` | `/call-greet/Ada` of bench/baselines/taught_caller.py | a new HTTP client for each request |

All of it runs at once on one site, and every row is measured in each round, so that a machine which gets slower gets
slower for all. A figure is the median of the rounds. The sidecars are those of `./lab up`, with its resiliency policy
and API log; the baseline's sidecar has no resiliency policy, which if anything helps it.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from labctl import lifecycle, runfile
from labctl.bench import load
from labctl.bench.load import Load
from labctl.bench.report import Result, Target, figures_table, significant
from labctl.progress import Steps
from labctl.site import ROOT, Site

CONNECTIONS = (1, 16)
LIMIT, TAUGHT = "raw_sidecar", "taught"
ROUNDS = 3
OF_RAW_SIDECAR = 0.6
TIMES_TAUGHT = 20.0

BASELINES = ROOT / "bench" / "baselines" / "dapr.yaml"
_WARM_UP = 0.5  # seconds; connections are made and Python's caches filled


@dataclass(frozen=True)
class Figures:
    """The medians of a row at one number of connections; spread: of the rates, their range by their median."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    spread: float

    @classmethod
    def of(cls, runs: list[Load]) -> Figures:
        """The medians of the rounds."""
        rates = [run.requests_per_second for run in runs]
        middle = median(rates)
        latencies = median(run.p50_ms for run in runs), median(run.p99_ms for run in runs)
        return cls(middle, *latencies, (max(rates) - min(rates)) / middle)


def measure(site: Site, console: Console, seconds: float) -> Result:
    """Brings everything up, measures each row for `seconds` in each round, and says what came out."""
    steps = Steps(console)
    apps = runfile.select(runfile.read_apps(site), ["invocation"])
    program = load.ensure(steps)
    lifecycle.up(site, [*apps, *runfile.read_apps(site, BASELINES)], console)
    urls = row_urls(site)
    with steps.step("warm-up", total=len(urls)) as advance:
        for url in urls.values():
            load.run(program, url, max(CONNECTIONS), _WARM_UP)
            advance()
    runs: dict[tuple[str, int], list[Load]] = {(name, count): [] for name in urls for count in CONNECTIONS}
    for number in range(1, ROUNDS + 1):
        with steps.step(f"round {number} of {ROUNDS}", total=len(runs)) as advance:
            for (name, connections), measured in runs.items():
                measured.append(load.run(program, urls[name], connections, seconds))
                advance()
    with steps.step("the load generator alone"):
        ceiling = load.ceiling(program, site, max(CONNECTIONS), min(seconds, 2))
    return _result(site, program, {key: Figures.of(measured) for key, measured in runs.items()}, ceiling)


def row_urls(site: Site) -> dict[str, str]:
    """Row name → URL, in the order of the table."""
    apps = runfile.read_apps(site)
    callee, caller = runfile.find(apps, "callee-app"), runfile.find(apps, "caller-app")
    taught = runfile.find(runfile.read_apps(site, BASELINES), "taught-caller")
    host = "http://127.0.0.1"
    call = f"{host}:{caller.app_port}/call-greet/Ada"
    ways = {f"caller_{via}": f"{call}?via={via}" for via in ("url", "header", "sdk", "grpc")}
    return {
        "direct": f"{host}:{callee.app_port}/greet/Ada",
        LIMIT: f"{host}:{caller.http_port}/v1.0/invoke/callee-app/method/greet/Ada",
        **ways,
        TAUGHT: f"{host}:{taught.app_port}/call-greet/Ada",
    }


def _result(site: Site, program: Path, figures: dict[tuple[str, int], Figures], ceiling: Load) -> Result:
    columns = ("conn.", "requests/s", "±", "p50 ms", "p99 ms", "of raw", "by taught")
    table = figures_table(f"median of {ROUNDS} rounds", "row", columns)
    rows: list[dict[str, object]] = []
    for connections in CONNECTIONS:
        limit = figures[LIMIT, connections].requests_per_second
        taught = figures[TAUGHT, connections].requests_per_second
        for name in (name for name, count in figures if count == connections):
            one = figures[name, connections]
            rate = one.requests_per_second
            cells = [f"{rate:,.0f}", f"{one.spread / 2:.0%}", f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}"]
            table.add_row(name, str(connections), *cells, f"{rate / limit:.2f}", f"{rate / taught:.1f}")
            rows.append(
                {
                    "name": name,
                    "connections": connections,
                    "requests_per_second": significant(rate),
                    "p50_ms": significant(one.p50_ms),
                    "p99_ms": significant(one.p99_ms),
                    "ratio_to_limit": significant(rate / limit),
                }
            )
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
    runtime = lifecycle.find_runtime(site)
    versions = {"dapr": runtime.version(), "python": platform.python_version(), "load_generator": load.version(program)}
    return Result(table, rows, targets, versions, [note])
