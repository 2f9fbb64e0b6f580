"""The load generator fortio. A run is refused when a request failed or a connection was not kept.

It is built once from the pinned Go module bench/load, and costs 0.02 ms of CPU a request. The alternatives: oha and wrk
are no Go modules, and k6 runs a JavaScript engine beside the measured app.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.errors import LabError
from labctl.make import build, runtime
from labctl.progress import Steps
from labctl.stack import HOME, ROOT, Stack
from labctl.up import processes

MODULE = ROOT / "bench" / "load"
_FOLDER = HOME / "bench"
_REQUEST_TIMEOUT = 30  # seconds; above what the slowest row needs, so that slow never looks like broken
_RESOLUTION = "0.00001"  # seconds: latencies below 0.1 ms are exact to 10 µs, longer ones to some per cent


@dataclass(frozen=True)
class Load:
    """What one run measured; latencies in milliseconds."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    requests: int


def ensure(steps: Steps) -> Path:
    """Return the load generator's program. Build it first when the pin has changed. Raise LabError."""
    program, made_from = _FOLDER / "fortio", _FOLDER / "made-from.txt"
    pin = (MODULE / "go.mod").read_text()
    if not program.exists() or not made_from.exists() or made_from.read_text() != pin:
        # The runtime first: the two builds share their caches, which are deleted when one has succeeded.
        runtime.ensure(steps, own=True)
        build.install_tools(steps, "load generator", MODULE, _FOLDER)
        made_from.write_text(pin)
    return program


def version(program: Path) -> str:
    """Return the version that the load generator reports."""
    return (
        "fortio " + subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout.split()[0]
    )


def run(program: Path, url: str, connections: int, seconds: float) -> Load:
    """Send requests over that many kept-alive connections, each as soon as the last was answered.

    Raise LabError when any request failed (no answer, or not 200), or a connection had to be opened again.
    """
    return read(_run(program, url, connections, ["-t", f"{seconds}s"]), connections)


def post(program: Path, url: str, connections: int, count: int, body: dict[str, Any]) -> Load:
    """Post the body `count` times. A `{uuid}` in the URL is different each time. Raise LabError as `run` does.

    A 204 is as good as a 200, because Dapr's own API answers it.
    """
    # fortio's faster client takes a 204, which has no length, as the end of the connection.
    payload = ["-stdclient", "-content-type", "application/json", "-payload", json.dumps(body)]
    return read(_run(program, url, connections, ["-n", str(count), *payload]), connections, {"200", "204"})


def _run(program: Path, url: str, connections: int, how_much: list[str]) -> dict[str, Any]:
    command = [str(program), "load", "-quiet", "-json", "-", "-qps", "0", "-c", str(connections), *how_much]
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
    durations = report["DurationHistogram"]
    percentiles = {one["Percentile"]: one["Value"] * 1000 for one in durations["Percentiles"]}
    return Load(report["ActualQPS"], percentiles[50], percentiles[99], durations["Count"])


def _name(code: str) -> str:
    return "no answer" if code == "-1" else code


def ceiling(program: Path, stack: Stack, connections: int, seconds: float) -> Load:
    """Measure the load generator against a server that does nothing. No row may get near this rate."""
    port = stack.offset + 8000
    if who := processes.holder(port):
        raise LabError(f"The bench needs port {port}, which {who} holds. End that process and try again.")
    command = [str(program), "server", "-quiet", "-http-port", f"127.0.0.1:{port}"]
    command += [option for name in ("grpc", "redirect", "tcp", "udp") for option in (f"-{name}-port", "disabled")]
    process = processes.spawn(stack, "no-op", command, env={}, cwd=stack.state, log=stack.logs / "no-op.log")
    if not processes.wait_until(lambda: processes.answers(port), 10):
        raise LabError(f"The no-op server (pid {process}) did not come up; see {stack.logs / 'no-op.log'}.")
    try:
        return run(program, f"http://127.0.0.1:{port}/", connections, seconds)
    finally:
        processes.stop(stack, names=["no-op"])
