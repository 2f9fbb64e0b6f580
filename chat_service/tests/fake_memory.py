"""A stand-in for agent-memory-service, behind the stand-in sidecar: it reads the events that chat published."""

import re
import time
from typing import Any

from kit.fakes.sidecar import Invocation, Sidecar


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
        turns: dict[str, dict[str, Any]] = {}
        for event in self._sidecar.published if self.delivers else []:
            if event.data["event_type"] == "ConversationUpdated":
                turns.setdefault(event.data["message_id"], event.data)
        if user not in self.memories and user not in [turn["user_id"] for turn in turns.values()]:
            return 404, {"title": "Not Found", "status": 404, "detail": "unknown"}
        history = [*self.conversations.get(session, [])]
        for message_id, turn in turns.items():
            if turn["session_id"] == session:
                facts = {"timestamp": turn["timestamp"], "message_id": message_id}
                history.append({"role": "user", "content": turn["user_message"], **facts})
                history.append({"role": "assistant", "content": turn["assistant_reply"], **facts})
        new = {"name": user, "preferred_style": "casual", "user_summary": ""}
        return 200, {"history": history[-limit:], **self.memories.get(user, new)}
