"""The load generator fortio. A run is refused when a request failed or a connection was not kept.

It is built once from the pinned Go module bench/load, and costs 0.02 ms of CPU a request. The alternatives: oha and wrk
are no Go modules, and k6 runs a JavaScript engine beside the measured app.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from labctl.errors import LabError
from labctl.make.tools import Tools
from labctl.progress import Steps
from labctl.stack import HOME, ROOT

MODULE = ROOT / "bench" / "load"
_TOOLS = Tools("load generator", MODULE, HOME / "bench")
_REQUEST_TIMEOUT = 30  # seconds; above what the slowest row needs, so that slow never looks like broken
_RESOLUTION = "0.00001"  # seconds: latencies below 0.1 ms are exact to 10 µs, longer ones to some per cent


@dataclass(frozen=True)
class Load:
    """What one run measured: the rate, and latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float


def ensure(steps: Steps) -> Path:
    """Return the load generator's program. Build it first when the pin has changed. Raise LabError."""
    _TOOLS.ensure(steps)
    return _TOOLS.folder / "fortio"


def run(program: Path, url: str, connections: int, seconds: float, *, per_second: float = 0) -> Load:
    """Send requests over that many kept-alive connections, each as soon as the last was answered.

    per_second: a fixed rate over all connections instead.

    Raise LabError when any request failed (no answer, or not 200), or a connection had to be opened again.
    """
    return read(_run(program, url, connections, ["-t", f"{seconds}s"], per_second), connections)


def post(program: Path, url: str, connections: int, count: int, body: dict[str, Any]) -> Load:
    """Post the body `count` times. A `{uuid}` in the URL is different each time. Raise LabError as `run` does.

    A 204 is as good as a 200, because Dapr's own API answers it.
    """
    # fortio's faster client takes a 204, which has no length, as the end of the connection.
    payload = ["-stdclient", "-content-type", "application/json", "-payload", json.dumps(body)]
    return read(_run(program, url, connections, ["-n", str(count), *payload]), connections, {"200", "204"})


def _run(program: Path, url: str, connections: int, how_much: list[str], per_second: float = 0) -> dict[str, Any]:
    command = [
        str(program),
        "load",
        "-quiet",
        "-json",
        "-",
        "-qps",
        f"{per_second:g}",
        "-c",
        str(connections),
        *how_much,
    ]
    command += ["-p", "50,99", "-r", _RESOLUTION, "-timeout", f"{_REQUEST_TIMEOUT}s", "-loglevel", "Critical", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()][-1:] or ["it says nothing"]
        raise LabError(f"The first requests to {url} failed already ({said[0][:200]}).")
    return json.loads(done.stdout)


def read(report: dict[str, Any], connections: int, good: Set[str] = frozenset({"200"})) -> Load:
    """Read fortio's JSON report. Raise LabError for a run with failures or with reconnections."""
    codes: dict[str, int] = report["RetCodes"]
    if not codes or not codes.keys() <= good:
        seen = ", ".join(f"{count} of {_name(code)}" for code, count in sorted(codes.items()))
        raise LabError(f"Requests to {report['URL']} failed, so there is no figure for it: {seen}.")
    if report["SocketCount"] > connections:
        raise LabError(
            f"{report['URL']} does not keep connections: {report['SocketCount']} were made for {connections}."
        )
    percentiles = {one["Percentile"]: one["Value"] * 1000 for one in report["DurationHistogram"]["Percentiles"]}
    return Load(report["ActualQPS"], percentiles[50], percentiles[99])


def _name(code: str) -> str:
    return "no answer" if code == "-1" else code


def median_of(runs: Sequence[Load]) -> Load:
    """Return the median of each figure."""
    return Load(
        median(run.per_second for run in runs),
        median(run.p50_ms for run in runs),
        median(run.p99_ms for run in runs),
    )
