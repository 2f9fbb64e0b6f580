"""Batches of one-shot jobs that are all due at one moment, at the sidecar itself or at the service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from labctl.bench import load
from labctl.bench.report import p50_p99
from labctl.errors import LabError
from labctl.runfile import App
from labctl.up import processes

CONNECTIONS = 16
SLOWEST = 20  # jobs a second that can be scheduled on any machine

_HOST = "http://127.0.0.1"
_FIRE_WITHIN = 3  # seconds, on an otherwise idle machine
_PATIENCE = 60  # seconds for jobs that are due to have arrived
_PAGE = 200  # runs; the most that the app returns at once


class Bare:
    """Where jobs are scheduled: the sidecar's jobs API, with an app that only notes the time."""

    name = "bare"

    def __init__(self, app: App) -> None:
        self.url = f"{_HOST}:{app.http_port}/v1.0/jobs"
        self._app = f"{_HOST}:{app.app_port}"

    def order(self, due: str) -> dict[str, Any]:
        """Return the body of a one-shot. A job without data never reaches an HTTP app."""
        return {"dueTime": due, "data": {"order": 17}}

    def arrivals(self, http: httpx.Client, prefix: str) -> dict[str, datetime]:
        """Return when the jobs with that prefix fired, by name. The first time counts."""
        seen: list[tuple[str, float]] = http.get(f"{self._app}/arrivals").raise_for_status().json()
        return {name: datetime.fromtimestamp(when, UTC) for name, when in reversed(seen) if name.startswith(prefix)}


class Service:
    """Where jobs are scheduled: the scheduler app."""

    name = "app"

    def __init__(self, app: App) -> None:
        self._app = f"{_HOST}:{app.app_port}"
        self.url = f"{self._app}/schedule-job"

    def order(self, due: str) -> dict[str, Any]:
        """Return the body of a one-shot."""
        return {"due_time": due, "data": {"order": 17}}

    def arrivals(self, http: httpx.Client, prefix: str) -> dict[str, datetime]:
        """Return when the jobs fired. Runs are listed newest first: the first of another batch ends it."""
        found: dict[str, datetime] = {}
        query: dict[str, int] = {"limit": _PAGE}
        while True:
            page = http.get(f"{self._app}/runs", params=query).raise_for_status().json()
            ours = [run for run in page["runs"] if run["job_name"].startswith(prefix)]
            found |= {run["job_name"]: datetime.fromisoformat(run["fired_at"]) for run in ours}
            if len(ours) < len(page["runs"]) or page["next"] is None:
                return found
            query["before"] = page["next"]


@dataclass(frozen=True)
class Batch:
    """Jobs that were scheduled and fired: the requests, and by how many milliseconds each job was late."""

    scheduled: load.Load
    late_ms: list[float]

    @property
    def fired(self) -> load.Load:
        """Jobs fired a second, counted to the last one, and how late they were."""
        return load.Load(1000 * len(self.late_ms) / max(self.late_ms), *p50_p99(self.late_ms))


def fire(program: Path, http: httpx.Client, way: Bare | Service, count: int, rate: float) -> Batch:
    """Schedule `count` one-shots, all due at one moment, and wait until they have fired. Raise LabError.

    rate: the measured rate of scheduling. The jobs are due after three times the time that scheduling takes.
    """
    prefix = f"{uuid4().hex[:8]}-"
    due = (datetime.now(UTC) + timedelta(seconds=3 + 3 * count / rate)).replace(microsecond=0)
    order = way.order(due.strftime("%Y-%m-%dT%H:%M:%SZ"))
    scheduled = load.post(program, f"{way.url}/{prefix}{{uuid}}", CONNECTIONS, count, order)
    early = (due - datetime.now(UTC)).total_seconds()
    if early < 0:
        raise LabError(
            f"Scheduling {count} jobs took {-early:.0f} s longer than this bench expects. Is the machine idle?"
        )
    arrivals: dict[str, datetime] = {}

    def all_fired() -> bool:
        arrivals.update(way.arrivals(http, prefix))
        return len(arrivals) == count

    # Not asked while they fire, because that would slow them down.
    asked_from = due + timedelta(seconds=_FIRE_WITHIN)
    processes.wait_until(lambda: datetime.now(UTC) > asked_from, early + _FIRE_WITHIN + 5)
    if not processes.wait_until(all_fired, _PATIENCE, 1):
        raise LabError(f"Of {count} jobs due at once {len(arrivals)} fired within {_PATIENCE} s ({way.name}).")
    return Batch(scheduled, [(moment - due).total_seconds() * 1000 for moment in arrivals.values()])
