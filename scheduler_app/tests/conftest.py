"""Fixtures of the scheduler app's tests, which need no Dapr: the service, beside the kit's stand-in for its sidecar.

The stand-in calls nobody: tests send the callbacks themselves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kit.fakes import waiting
from kit.fakes.sidecar import Sidecar

pytest_plugins = ["kit.fakes.service", "kit.fakes.beside"]
SERVICE = Path(__file__).parent.parent


@pytest.fixture
def defaults(sidecar: Sidecar) -> dict[str, Any]:
    """Return the settings of a service beside the sidecar, which refuses jobs as the real one does."""
    sidecar.refuse_job = _refusal
    return sidecar.ports


@contextmanager
def process(sidecar: Sidecar, **environment: object) -> Iterator[tuple[Any, int]]:
    """Run the service as a process beside the stand-in, wait until it listens, and yield it with its port."""
    ports = {name.upper(): port for name, port in sidecar.ports.items()}
    with waiting.process(SERVICE, **ports, **environment) as running:
        yield running


def runs_in(sidecar: Sidecar, key: str = "runs") -> list[dict[str, Any]]:
    """Return all entries of a list, oldest first, from the store itself."""
    head = sidecar.value(key) or {"page": 0, "entries": []}
    pages = [sidecar.value(f"{key}:{page}")["entries"] for page in range(head["page"])]
    return [entry for page in [*pages, head["entries"]] for entry in page]


def largest_value(sidecar: Sidecar) -> int:
    """Return the size of the largest stored value."""
    return max(len(value.data) for value in sidecar.values.values())


def fire(client: Any, sidecar: Sidecar, name: str = "j") -> Any:
    """Call the app back as the scheduler does, with the data that it has for the job."""
    return client.post(f"/job/{name}", json=sidecar.jobs[name]["data"])


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    """Return the body of an answer that must be a problem of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    return answer.json()


def _refusal(job: dict[str, Any]) -> str | None:
    """Return the reason for which the scheduler refuses a job, in its own words."""
    schedule = job.get("schedule", "@")
    if not schedule.startswith("@") and len(fields := schedule.removeprefix("TZ=Europe/Berlin ").split()) != 6:
        return f"expected exactly 6 fields, found {len(fields)}: [{schedule}]"
    if schedule == "@every 80000000h":
        return f"failed to parse duration {schedule}"
    if job.get("dueTime") == "nonsense":
        return "due time format not recognized"
    if "ttl" in job and "schedule" not in job:
        return "job must have a schedule to have a ttl"
    return None
