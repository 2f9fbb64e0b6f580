"""Carries out what the Tiltfile asks for, as Tilt would: in order of dependence, each until its probe passes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.tilt.tilt import ROOT, Resource

GRACE = 30  # seconds between Tilt's SIGTERM and its SIGKILL


@contextmanager
def tilt_up(
    resources: Mapping[str, Resource],
    environment: Mapping[str, str],
    port_of: Callable[[int], int],
    logs: Path,
    within: float,
) -> Generator[dict[str, subprocess.Popen[bytes]]]:
    """Runs the commands until every probe passes, yields the serving processes by name, and ends them.

    port_of: the port at which a probe's port is found in the site of the tests. logs: folder for one log each.
    Raises AssertionError, with the end of the log, for a command that fails, ends, or is not ready within the time.
    """
    deadline = time.monotonic() + within
    serving: dict[str, subprocess.Popen[bytes]] = {}
    ready: set[str] = set()
    try:
        while len(ready) < len(resources):
            for resource in resources.values():
                if resource.name in ready or not ready.issuperset(resource.resource_deps):
                    continue
                if resource.cmd:
                    _run(resource, environment, logs, deadline)
                if resource.serve_cmd and resource.name not in serving:
                    serving[resource.name] = _start(resource, environment, logs)
                if _passes(resource.probe, port_of):
                    ready.add(resource.name)
            for name, process in serving.items():
                assert process.poll() is None, f"{name} ended with {process.returncode}:{_tail(logs, name)}"
            late = [name for name in serving if name not in ready]
            assert time.monotonic() < deadline, "".join(f"\n{name} is not ready:{_tail(logs, name)}" for name in late)
            time.sleep(0.2)  # between two looks at the probes
        yield serving
    finally:
        _end(list(reversed(serving.values())))


def _run(resource: Resource, environment: Mapping[str, str], logs: Path, deadline: float) -> None:
    timeout = max(deadline - time.monotonic(), 1)
    process = _popen(resource.cmd, resource.name, environment, logs)
    try:
        code = process.wait(timeout)
    finally:
        _end([process])
    assert code == 0, f"{resource.name} ended with {code}:{_tail(logs, resource.name)}"


def _start(resource: Resource, environment: Mapping[str, str], logs: Path) -> subprocess.Popen[bytes]:
    return _popen(resource.serve_cmd, resource.name, environment, logs)


def _popen(command: list[str], name: str, environment: Mapping[str, str], logs: Path) -> subprocess.Popen[bytes]:
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{name}.log").open("ab") as log:
        # As Tilt does: in a process group of its own, in the Tiltfile's folder.
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _passes(probe: dict[str, Any] | None, port_of: Callable[[int], int]) -> bool:
    if probe is None:
        return True
    if connection := probe.get("tcp_socket"):
        with socket.socket() as one:
            one.settimeout(1)
            return one.connect_ex(("127.0.0.1", port_of(connection["port"]))) == 0
    request = probe["http_get"]
    url = f"{request['scheme']}://127.0.0.1:{port_of(request['port'])}{request['path']}"
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return 200 <= answer.status < 400
    except (urllib.error.URLError, OSError):
        return False


def _tail(logs: Path, name: str) -> str:
    path = logs / f"{name}.log"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return "".join(f"\n  {line}" for line in lines[-15:])


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """SIGTERM to each group, as Tilt does; SIGKILL for what has not ended in time."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return  # it ended meanwhile
