"""The log of runs that scheduler-test-py keeps: Dapr keeps none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from console.labs import Labs

KEEPER = "scheduler-test-py"
NEWEST = 20


@dataclass(frozen=True)
class Run:
    """One call of a job, as the app recorded it."""

    job_name: str
    fired_at: str
    lateness_ms: float | None
    attempt: int | None
    outcome: str


async def newest(labs: Labs) -> list[Run]:
    """Return the newest runs of all jobs. Raise httpx.HTTPError when the app does not answer with a list."""
    answer = await labs.app(labs.find(KEEPER), "GET", "/runs", params={"limit": NEWEST})
    entries: list[dict[str, Any]] = answer.raise_for_status().json()["runs"]
    return [of_entry(entry) for entry in entries]


def of_entry(entry: dict[str, Any]) -> Run:
    """Return a run as the app's JSON has it."""
    names = ("job_name", "fired_at", "lateness_ms", "attempt", "outcome")
    return Run(**{name: entry[name] for name in names})
