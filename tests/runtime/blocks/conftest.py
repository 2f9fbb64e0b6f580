"""Lab 5 as its tests talk to it: events are published as task-api, and notifications are counted."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from labctl.up.processes import wait_until
from tests.runtime.conftest import Running

TASKS, NOTIFICATIONS = "task-api", "notification-service"
PUBSUB = "taskpubsub"


def mark() -> str:
    """Return a text that no other test has."""
    return f"m-{uuid4().hex[:12]}"


class Blocks(Running):
    """The running lab."""

    def publish(self, topic: str, data: Any, *, event_id: str | None = None, kind: str = "x") -> None:
        """Publish an event in task-api's name."""
        query = {"metadata.cloudevent.id": event_id or str(uuid4()), "metadata.cloudevent.type": kind}
        answer = self.http.post(self.sidecar(TASKS, f"/v1.0/publish/{PUBSUB}/{topic}"), params=query, json=data)
        assert answer.status_code == 204, answer.text

    def notifications(self, text: str) -> list[dict[str, Any]]:
        """Return the notifications whose message contains `text`, newest first."""
        answer = self.http.get(self.url(NOTIFICATIONS, "/notifications"), params={"limit": 200})
        assert answer.status_code == 200, answer.text
        return [one for one in answer.json()["notifications"] if text in one["message"]]

    def wait_for_notification(self, text: str, seconds: float = 15) -> dict[str, Any]:
        """Wait until there is a notification with this text, and return the only one."""
        assert wait_until(lambda: self.notifications(text) != [], seconds), text
        (found,) = self.notifications(text)
        return found

    def dead_letters(self, text: str) -> list[dict[str, Any]]:
        """Return the dead letters with `text` in their event, newest first."""
        answer = self.http.get(self.url(NOTIFICATIONS, "/dead-letters"), params={"limit": 200})
        assert answer.status_code == 200, answer.text
        return [one for one in answer.json()["dead_letters"] if text in str(one["event"])]

    def calls(self, app_id: str) -> int:
        """Return the calls that an app's fault switches have counted."""
        return self.http.get(self.url(app_id, "/faults")).json()["calls"]

    def faults(self, app_id: str, **switches: int) -> None:
        """Set an app's fault switches."""
        self.http.put(self.url(app_id, "/faults"), json=switches).raise_for_status()


@pytest.fixture
def lab(lab: Running) -> Blocks:
    return Blocks(lab.stack, lab.apps, lab.http)
