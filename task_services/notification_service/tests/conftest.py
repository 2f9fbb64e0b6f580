"""Fixtures of the service's tests, which need no Dapr: the service, beside the kit's stand-in for its sidecar.

The stand-in delivers nothing: tests send the events themselves. Streams are tested on the real runtime.
"""

from pathlib import Path
from typing import Any

import pytest

from kit.fakes.sidecar import Sidecar

pytest_plugins = ["kit.fakes.service", "kit.fakes.beside"]
SERVICE = Path(__file__).parent.parent
ROUTES = {
    "task-due": {"task_id": "7", "title": "Water the plants", "due_at": "2026-01-02T03:04:05Z"},
    "reminder": {"task_id": "7", "title": "Water the plants"},
    "snooze-over": {"task_id": "7", "title": "Water the plants"},
}


@pytest.fixture
def defaults(sidecar: Sidecar) -> dict[str, Any]:
    """Return the settings of a service beside the sidecar."""
    return sidecar.ports


def event_of(data: Any, event_id: str | None = "1", topic: str = "reminders", kind: str = "x") -> dict[str, Any]:
    """Return a CloudEvent as Dapr delivers it."""
    return {"specversion": "1.0", "id": event_id, "source": "task-api", "type": kind, "topic": topic, "data": data}


def deliver(client: Any, route: str, data: Any, event_id: str | None = "1", **headers: str) -> Any:
    """Deliver an event to a route, as Dapr does."""
    kind = "task.due" if route == "task-due" else "x"
    topic = "snoozes" if route == "snooze-over" else "reminders"
    return client.post(f"/events/{route}", json=event_of(data, event_id, topic, kind), headers=headers)


def listed(client: Any, **params: Any) -> list[dict[str, Any]]:
    """Return the notifications, newest first."""
    answer = client.get("/notifications", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["notifications"]


def letters(client: Any) -> list[dict[str, Any]]:
    """Return the dead letters, newest first."""
    return client.get("/dead-letters").json()["dead_letters"]


def problem_of(answer: Any, status: int) -> str:
    """Return the detail of an answer that must be a problem of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["detail"]
