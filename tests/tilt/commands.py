"""Carries out what the Tiltfile asks for, as Tilt would: in order of dependence, each until its probe passes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.tilt.tilt import ROOT, Resource

GRACE = 30  # seconds between Tilt's SIGTERM and its SIGKILL


class TiltUp:
    """`tilt up` for these resources, as a context: all ready when it is entered, all ended when it is left.

    port_of: the port at which a probe's port is found in the stack of the tests. logs: folder for one log each.
    """

    def __init__(
        self,
        resources: Mapping[str, Resource],
        environment: Mapping[str, str],
        port_of: Callable[[int], int],
        logs: Path,
        within: float,
    ) -> None:
        self.resources = resources
        self.environment = environment
        self.port_of = port_of
        self.logs = logs
        self.within = within
        self.serving: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self._bring_up(self.resources, ready=set())
        except BaseException:
            self._end(list(self.serving))
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(list(reversed(self.serving)))

    def reload(self, name: str) -> None:
        """Act like a changed file: end the command, and start it again as soon as it has ended."""
        self._end([name])
        self._bring_up([name], ready=set(self.resources) - {name})

    def _bring_up(self, names: Collection[str], ready: set[str]) -> None:
        """Raise AssertionError, with the ends of the logs, for a command that fails, ends, or is not ready in time."""
        deadline = time.monotonic() + self.within
        while not ready.issuperset(names):
            for name in names:
                resource = self.resources[name]
                if name in ready or not ready.issuperset(resource.resource_deps):
                    continue
                if resource.cmd:
                    code = self._popen(name, resource.cmd).wait(max(deadline - time.monotonic(), 1))
                    assert code == 0, f"{name} ended with {code}:{self._tail(name)}"
                if resource.serve_cmd and name not in self.serving:
                    self.serving[name] = self._popen(name, resource.serve_cmd)
                if self._passes(resource.probe):
                    ready.add(name)
            for name, process in self.serving.items():
                assert process.poll() is None, f"{name} ended with {process.returncode}:{self._tail(name)}"
            late = [f"\n{name} is not ready:{self._tail(name)}" for name in names if name not in ready]
            assert time.monotonic() < deadline, "".join(late)
            time.sleep(0.2)  # between two looks at the probes

    def _popen(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            # As Tilt does: in its own process group, in the Tiltfile's folder.
            return subprocess.Popen(
                list(command),
                cwd=ROOT,
                env=os.environ | dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _passes(self, probe: Mapping[str, Any] | None) -> bool:
        if probe is None:
            return True
        if connection := probe.get("tcp_socket"):
            with socket.socket() as one:
                one.settimeout(probe["timeout_secs"])
                return one.connect_ex(("127.0.0.1", self.port_of(connection["port"]))) == 0
        request = probe["http_get"]
        url = f"{request['scheme']}://127.0.0.1:{self.port_of(request['port'])}{request['path']}"
        try:
            with urllib.request.urlopen(url, timeout=probe["timeout_secs"]) as answer:
                return 200 <= answer.status < 400
        except (urllib.error.URLError, OSError):
            return False

    def _tail(self, name: str) -> str:
        path = self.logs / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "".join(f"\n  {line}" for line in lines[-15:])

    def _end(self, names: Sequence[str]) -> None:
        """SIGTERM to each group, as Tilt does; SIGKILL for the commands that have not ended in time."""
        ending = [self.serving.pop(name) for name in names if name in self.serving]
        for process in ending:
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for process in ending:
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
