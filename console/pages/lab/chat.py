"""Lab 3 live: a chat, with the memory of it beside."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from nicegui import ui

from console import sending
from console.frame import heading
from console.labs import Labs
from console.pages.lab.memory import MEMORY, Memory
from console.pages.lab.parts import EDGE, Notice, grid, line, link
from console.parts import action, watch
from labctl.errors import LabError

CHAT = "chat-service"
EVERY = 0.5  # seconds, for the looks at replies
SLOW = 15  # seconds, after which the page says what a reply may wait for


@dataclass
class Turn:
    """A message whose reply has not arrived yet."""

    instance: str
    trace_id: str
    bubble: ui.element
    begin: float = field(default_factory=time.monotonic)


class Chat:
    """The chat in one browser tab. The messages before it opened are in the memory beside it."""

    def __init__(self, labs: Labs) -> None:
        self.labs = labs
        self.waiting: dict[str, Turn] = {}
        heading("Chat")
        with line():
            self.user = ui.input("User", value=f"ada-{uuid4().hex[:4]}").props("dense outlined maxlength=128")
            self.session = ui.input("Session", value=new_session()).props("dense outlined maxlength=64")
        self._bubbles = ui.element().classes("full-width q-pa-sm q-mt-sm")
        self._bubbles.style(f"height: 22rem; overflow: auto; {EDGE}").props("tabindex=0 role=log aria-label=Messages")
        with ui.row().classes("full-width no-wrap items-center"):
            self._text = ui.input("Message").props("dense outlined maxlength=4000").classes("col")
            self._text.on("keydown.enter", self._send)
            action(labs, "Send", self._send)
        self.notice = Notice()
        watch(labs, EVERY, self._load, self._show)

    async def _send(self) -> None:
        text = (self._text.value or "").strip()
        if not text:
            self.notice.say("Write a message first.")
            return
        self._text.value = ""
        with self._bubbles:
            ui.chat_message(text, name=self.user.value, sent=True)
        body = {"user_id": self.user.value, "text": text, "metadata": {"session_id": self.session.value}}
        answer = await sending.ask(self.labs, CHAT, "POST", "/chat/?wait=false", body)
        if self.notice.show(answer, "") and (instance := answer.fields.get("instance_id")):
            with self._bubbles, ui.element() as bubble:
                ui.chat_message("thinking …", name=CHAT)
            self.waiting[instance] = Turn(instance, answer.trace_id, bubble)
        self._scroll()

    def forget(self) -> None:
        """Start a new session: the old one is being forgotten."""
        self.session.value = new_session()
        self.waiting.clear()
        self._bubbles.clear()

    async def _load(self) -> dict[str, tuple[str, str]]:
        """Return text and stamp of each bubble that waits."""
        return {instance: await self._state(turn) for instance, turn in list(self.waiting.items())}

    async def _state(self, turn: Turn) -> tuple[str, str]:
        answer = await sending.look(self.labs, CHAT, f"/chat/{quote(turn.instance, safe='')}")
        if answer.status == 404:
            return "This message was forgotten before there was a reply.", "no reply"
        if not answer.is_success:
            raise LabError(f"{CHAT} refused: {answer.sentence}")
        return spoken(answer.fields, time.monotonic() - turn.begin)

    def _show(self, states: dict[str, tuple[str, str]]) -> None:
        for instance, (text, stamp) in states.items():
            if not (turn := self.waiting.get(instance)):
                continue
            turn.bubble.clear()
            with turn.bubble:
                ui.chat_message(text, name=CHAT)
                if stamp:
                    with line().classes("text-caption"):
                        ui.label(stamp)
                        link("Its trace", f"/traces/{turn.trace_id}")
                        link("Its workflow", f"/workflows/{CHAT}/{turn.instance}")
                    del self.waiting[instance]
            self._scroll()

    def _scroll(self) -> None:
        ui.run_javascript(f"const box = getHtmlElement({self._bubbles.id}); box.scrollTop = box.scrollHeight")


def new_session() -> str:
    """Return a session id that nobody uses."""
    return f"console-{uuid4().hex[:6]}"


def spoken(answer: dict[str, Any], seconds: float) -> tuple[str, str]:
    """Return the text of a bubble and, once the turn has ended, the model that answered."""
    match answer["status"]:
        case "completed":
            return str(answer["reply"]), answered_by(answer)
        case "running":
            slow = f" for {SLOW} s and more. Does {MEMORY} run? ./lab restart {MEMORY}" if seconds > SLOW else ""
            return f"thinking …{slow}", ""
        case status:
            return f"No reply: {answer.get('error') or status}", str(status)


def answered_by(answer: dict[str, Any]) -> str:
    """Return the model that answered, in words. Without a key of a model the offline responder does."""
    metadata: dict[str, Any] = answer.get("metadata") or {}
    model = metadata.get("model")
    return "by the offline responder; no model is asked" if model == "offline" else f"by {model}"


def draw(labs: Labs) -> None:
    """Draw the chat and the memory."""
    with grid("24rem").classes("items-start"):
        with ui.column().classes("full-width"):
            chat = Chat(labs)
        with ui.column().classes("full-width"):
            Memory(labs, lambda: (str(chat.user.value), str(chat.session.value)), chat.forget)
