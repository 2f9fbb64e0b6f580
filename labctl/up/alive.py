"""Decide whether the processes that ./lab started live. Raise LabError with the cause as soon as one has ended."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import causes, logfiles


@dataclass(frozen=True)
class Started:
    """A process that ./lab has just started: a `dapr run` of these apps, or one app under its running sidecar.

    log, offset: where its output begins. A `dapr run` has further logs of each app and each sidecar.
    """

    stack: Stack
    apps: Sequence[App]
    process: subprocess.Popen[bytes]
    log: Path
    offset: int
    is_cli: bool = True

    def check(self) -> None:
        """Raise LabError when one of its processes has ended, also if nobody has seen it run, or ignores a file."""
        if self.is_cli and self.process.poll() is None:
            self._check_logs()
        rows = [] if self.is_cli else causes.read(self.log, self.offset)
        if self.process.poll() is not None or any(causes.WORKER_ENDED.search(row) for row in rows):
            what = "`dapr run`" if self.is_cli else self.apps[0].app_id
            raise ended(self.stack, what, self.log, self.offset)

    def _check_logs(self) -> None:
        """Read what the CLI notes of the end of a process. It does so at once."""
        opened = logfiles.held_by([psutil.Process(self.process.pid)])
        found: list[tuple[App, str, Path, list[str]]] = []
        for app in self.apps:
            for kind in ("daprd", "app"):
                if log := logfiles.newest(opened, app, kind, only_opened=True):
                    found.append((app, kind, log, causes.read(log)))
        # After one failure the CLI stops all others too, the first ones first.
        for is_end in (causes.is_failure, causes.is_end):
            for app, kind, log, rows in found:
                if any(is_end(row, kind) for row in rows):
                    raise ended(self.stack, named(app.app_id, kind), log)
        for app, _, log, rows in (one for one in found if one[1] == "daprd"):
            if ignored := causes.ignored(rows):
                advice = causes.advice(ignored[::-1], self.stack)
                raise LabError(f"{app.app_id}'s sidecar ignores a file. {advice}{causes.told(ignored, log)}")


def named(app_id: str, kind: str) -> str:
    """Return what a sentence calls an app or its sidecar (kind "daprd" or "sidecar")."""
    return app_id if kind == "app" else f"{app_id}'s sidecar"


def ended(stack: Stack, what: str, log: Path | None, offset: int = 0, *, how: str = "ended") -> LabError:
    """Return the error for a process that has ended: what to do next, the lines with the cause, the log's path."""
    rows = causes.read(log, offset) if log else []
    said = causes.lines(rows)
    signal = causes.killed(rows)
    advice = f"It was killed ({signal}). Run this again." if signal else causes.advice(said, stack)
    return LabError(f"{what} {how}. {advice}{causes.told(said, log)}")
