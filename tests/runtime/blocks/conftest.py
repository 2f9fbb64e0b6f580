"""Lab 5 as its tests talk to it: events are published as task-api, and notifications are counted."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from labctl.up.processes import wait_until
from tests.runtime.conftest import Running

TASKS, NOTIFICATIONS = "task-api", "notification-service"
PUBSUB = "taskpubsub"
# Seconds. After a lost connection Redis hands out an event again after 15 s, and so its dead letter too.
ARRIVES_WITHIN = 60


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

    def post_task(self, title: Any, **more: Any) -> httpx.Response:
        """Return the answer to a request for a task."""
        return self.http.post(self.url(TASKS, "/tasks"), json={"title": title, **more})

    def create_task(self, title: str, **more: Any) -> tuple[dict[str, Any], str]:
        """Create a task, and return it with its version."""
        answer = self.post_task(title, **more)
        assert answer.status_code == 201, answer.text
        return answer.json(), self.task(answer.json()["id"]).headers["etag"]

    def task(self, task_id: str) -> httpx.Response:
        """Return the answer to a request to read a task."""
        return self.http.get(self.url(TASKS, f"/tasks/{task_id}"))

    def change(self, task_id: str, version: str, **fields: str) -> httpx.Response:
        """Return the answer to a request to change a version of a task."""
        return self.http.patch(self.url(TASKS, f"/tasks/{task_id}"), json=fields, headers={"if-match": version})

    def announce(self, **announcement: Any) -> dict[str, Any]:
        """Publish an announcement, and return the answer."""
        answer = self.http.post(self.url(TASKS, "/announcements"), json=announcement)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def events(self, text: str, topic: str = "task-events") -> list[dict[str, Any]]:
        """Return the events of a topic that contain `text`, oldest first, from Redis itself."""
        found = [
            dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in self.redis("XRANGE", topic, "-", "+")
        ]
        return [json.loads(one[b"data"]) for one in found if text.encode() in one[b"data"]]

    def wait_for_events(self, text: str, count: int, topic: str = "task-events") -> list[dict[str, Any]]:
        """Wait until there are `count` events with `text`, and return them all."""
        assert wait_until(lambda: len(self.events(text, topic)) >= count, ARRIVES_WITHIN), self.events(text, topic)
        return self.events(text, topic)

    def log_of(self, text: str, app_id: str = TASKS) -> str:
        """Return the lines with `text` in the logs of an app."""
        # Of all its starts: one that was restarted alone goes on writing to an older log.
        logs = sorted((self.app(app_id).folder / ".dapr" / "logs").glob(f"{app_id}_app_*.log"))
        return "\n".join(line for log in logs for line in log.read_text().splitlines() if text in line)

    def notifications(self, text: str) -> list[dict[str, Any]]:
        """Return the notifications whose message contains `text`, newest first."""
        answer = self.http.get(self.url(NOTIFICATIONS, "/notifications"), params={"limit": 200})
        assert answer.status_code == 200, answer.text
        return [one for one in answer.json()["notifications"] if text in one["message"]]

    def wait_for_notification(self, text: str, seconds: float = ARRIVES_WITHIN) -> dict[str, Any]:
        """Wait until there is a notification with this text, and return the only one."""
        assert wait_until(lambda: self.notifications(text) != [], seconds), text
        (found,) = self.notifications(text)
        return found

    def dead_letters(self, text: str) -> list[dict[str, Any]]:
        """Return the dead letters with `text` in their event, newest first."""
        answer = self.http.get(self.url(NOTIFICATIONS, "/dead-letters"), params={"limit": 200})
        assert answer.status_code == 200, answer.text
        return [one for one in answer.json()["dead_letters"] if text in str(one["event"])]

    def handled(self, text: str) -> list[str]:
        """Return the log messages of notification-service about events whose id contains `text`, in their order."""
        return re.findall(r'"message": "(event [^"]*)", "event_id"', self.log_of(text, NOTIFICATIONS))

    def calls(self, app_id: str) -> int:
        """Return the calls that an app's fault switches have counted."""
        return self.http.get(self.url(app_id, "/faults")).json()["calls"]

    def faults(self, app_id: str, **switches: int) -> None:
        """Set an app's fault switches."""
        self.http.put(self.url(app_id, "/faults"), json=switches).raise_for_status()

    def wait_for_subscriptions(self) -> None:
        """Wait until notification-service gets events. RabbitMQ keeps none for an app that has never subscribed."""
        for topic in ("reminders", "snoozes", "announcements", "task-events"):
            text = mark()
            data = {"task_id": text, "title": text, "message": text, "event_type": "task.changed"}

            def arrives(topic: str = topic, text: str = text, data: dict[str, str] = data) -> bool:
                self.publish(topic, data, event_id=text)
                return wait_until(lambda: self.handled(text) != [], 1)

            assert wait_until(arrives, 30), topic


@pytest.fixture
def lab(lab: Running) -> Blocks:
    blocks = Blocks(lab.stack, lab.apps, lab.http)
    if "rabbitmq" in lab.stack.components:
        blocks.wait_for_subscriptions()
    return blocks
