"""Lab 3 as its tests talk to it: a user writes to chat, and what memory kept of that is counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from labctl.runfile import App
from labctl.up.processes import wait_until
from tests.runtime.conftest import Running

CHAT, MEMORY = "chat-service", "agent-memory-service"


def fresh(what: str) -> str:
    """Return a name that no other test has."""
    return f"{what}-{uuid4().hex[:12]}"


class Chat(Running):
    """The running lab."""

    def ask(
        self, user: str, text: str, session: str, message: str | None = None, *, wait: bool = True, at: str = ""
    ) -> httpx.Response:
        """Return the answer to a message. at: another replica of chat than the first."""
        given = {"session_id": session, "message_id": message or uuid4().hex}
        body = {"user_id": user, "text": text, "metadata": given}
        where = f"{at or self.url(CHAT, '')}/chat/"
        return self.http.post(where, json=body, params={} if wait else {"wait": "false"})

    def say(self, user: str, text: str, session: str, message: str | None = None) -> str:
        """Return the reply to a message."""
        answer = self.ask(user, text, session, message)
        assert (answer.status_code, answer.json().get("status")) == (200, "completed"), answer.text
        return answer.json()["reply"]

    def start(self, user: str, text: str, session: str, message: str | None = None) -> str:
        """Return the instance that answers a message, without waiting for it."""
        answer = self.ask(user, text, session, message, wait=False)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()["instance_id"]

    def state(self, instance: str) -> dict[str, Any]:
        """Return the status of a message; empty while chat is down."""
        try:
            answer = self.http.get(self.url(CHAT, f"/chat/{instance}"))
        except httpx.TransportError:
            return {"status": "unknown"}
        return answer.json() if answer.is_success else {"status": f"unknown: {answer.text}"}

    def wait_for_reply(self, instance: str, timeout: float = 60) -> str:
        """Wait for the reply and return it."""
        assert wait_until(lambda: self.state(instance)["status"] == "completed", timeout, 0.2), self.state(instance)
        return self.state(instance)["reply"]

    def know(self, user: str, name: str = "Junaid", style: str = "formal") -> None:
        """Make a user known to memory."""
        draft = {"name": name, "preferred_style": style, "user_summary": f"{name} is learning Dapr."}
        assert self.http.post(self.url(MEMORY, f"/memories/{user}/initialize"), json=draft).status_code == 201

    def memory(self, user: str) -> dict[str, Any]:
        """Return memory's facts about a user."""
        answer = self.http.get(self.url(MEMORY, f"/memories/{user}"))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def history(self, session: str) -> list[dict[str, Any]]:
        """Return all messages of a conversation, oldest first, read page by page."""
        messages: list[dict[str, Any]] = []
        before: dict[str, str] = {}
        while True:
            answer = self.http.get(self.url(MEMORY, f"/conversations/{session}"), params={"limit": 100, **before})
            if answer.status_code == 404:
                return []
            assert answer.status_code == 200, answer.text
            page = answer.json()
            messages = page["history"] + messages
            if "next" not in page:
                return messages
            before = {"before": page["next"]}

    def turns(self, session: str) -> list[str]:
        """Return the message ids of a conversation's turns, oldest first, repeated ones too."""
        return [one["message_id"] for one in self.history(session) if one["role"] == "user"]

    def wait_for_turns(self, session: str, count: int, timeout: float = 30) -> list[str]:
        """Wait until a conversation has that many turns, and return them."""
        assert wait_until(lambda: len(self.turns(session)) >= count, timeout, 0.3), self.turns(session)
        return self.turns(session)

    def assert_kept_once(self, session: str, messages: list[str], timeout: float = 30) -> None:
        """Memory has each of these turns once, and no other: also when a moment has passed."""
        self.wait_for_turns(session, len(messages), timeout)
        assert not wait_until(lambda: sorted(self.turns(session)) != sorted(messages), 2, 0.3), self.turns(session)
        assert len(self.history(session)) == 2 * len(messages)

    def fault(self, step: str, **order: int) -> None:
        """Set the faults of a step of the workflow."""
        self.http.put(self.url(CHAT, f"/faults/{step}"), json=order).raise_for_status()

    def wait_until_struck(self, step: str) -> None:
        """Wait until an attempt of the step has begun and is held by the fault's delay."""

        def left() -> int:
            return self.http.get(self.url(CHAT, "/faults")).json()[step]["fail_next"]

        assert wait_until(lambda: left() == 0, 20)

    def memory_fails(self, **order: int) -> None:
        """Set the faults of each event that memory receives."""
        self.http.put(self.url(MEMORY, "/faults"), json=order).raise_for_status()

    def deliveries(self, event_id: str) -> int:
        """Count the deliveries of an event to memory."""
        answer = self.http.get(self.url(MEMORY, f"/faults/deliveries/{event_id}"))
        return answer.json()["deliveries"] if answer.is_success else 0

    def dead_letters(self, event_id: str) -> list[dict[str, Any]]:
        """Return the dead letters that this event became."""
        answer = self.http.get(self.url(MEMORY, "/dead-letters"), params={"limit": 100})
        assert answer.status_code == 200, answer.text
        return [one for one in answer.json()["dead_letters"] if one["event_id"] == event_id]

    def publish(self, data: dict[str, Any], event_id: str) -> None:
        """Publish a turn as chat does, through chat's sidecar."""
        params = {"metadata.cloudevent.id": event_id, "metadata.cloudevent.type": "ConversationUpdated"}
        answer = self.http.post(self.sidecar(CHAT, "/v1.0/publish/pubsub/conversations"), json=data, params=params)
        assert answer.status_code == 204, answer.text


@pytest.fixture
def lab(lab: Running) -> Chat:
    return Chat(lab.stack, lab.apps, lab.http)


@pytest.fixture
def replicas(lab: Chat) -> Iterator[dict[str, App]]:
    """A second replica of each service, by app id."""
    with lab.replicas(CHAT, MEMORY) as apps:
        yield apps
