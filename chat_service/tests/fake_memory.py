"""A stand-in for agent-memory-service, behind the stand-in sidecar: it reads the events that chat published."""

import re
import time
from typing import Any

from kit.fakes.sidecar import Invocation, Sidecar

NEW_USER = {"preferred_style": "casual", "user_summary": ""}


class FakeMemory:
    """Answer `GET /memories/{user_id}`, and fail if a test says so."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self.memories: dict[str, dict[str, str]] = {}
        # Messages that were said before the test, by session.
        self.conversations: dict[str, list[dict[str, Any]]] = {}
        # Whether the events of chat reach it.
        self.delivers = True
        self.delay, self.fails = 0.0, 0
        self.failure: tuple[int, Any] = (503, {"detail": "no"})

    def answer(self, call: Invocation) -> tuple[int, Any]:
        """Answer an invocation."""
        time.sleep(self.delay)
        if self.fails > 0:
            self.fails -= 1
            return self.failure
        asked = re.fullmatch(r"/memories/([^/?]+)\?session_id=([^&]+)&limit=(\d+)", call.path)
        assert asked, call.path
        user, session, limit = asked[1], asked[2], int(asked[3])
        events = self._events()
        known = self.memories.get(user) or ({"name": user, **NEW_USER} if user in events["users"] else None)
        if known is None:
            return 404, {"title": "Not Found", "status": 404, "detail": "unknown"}
        history = [*self.conversations.get(session, []), *events["sessions"].get(session, [])]
        return 200, {"history": history[-limit:], **known}

    def _events(self) -> dict[str, Any]:
        users: set[str] = set()
        sessions: dict[str, list[dict[str, Any]]] = {}
        seen: set[str] = set()
        for published in self._sidecar.published if self.delivers else []:
            data = published.data
            if data["event_type"] != "ConversationUpdated" or data["message_id"] in seen:
                continue
            seen.add(data["message_id"])
            users.add(data["user_id"])
            facts = {"timestamp": data["timestamp"], "message_id": data["message_id"]}
            sessions.setdefault(data["session_id"], []).extend(
                [
                    {"role": "user", "content": data["user_message"], **facts},
                    {"role": "assistant", "content": data["assistant_reply"], **facts},
                ]
            )
        return {"users": users, "sessions": sessions}
