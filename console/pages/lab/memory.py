"""What agent-memory-service knows of a user, beside the chat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from nicegui import ui

from console import sending
from console.frame import heading
from console.labs import Labs
from console.pages.lab.parts import Notice, line
from console.parts import action, live
from labctl.errors import LabError

MEMORY = "agent-memory-service"
EVERY = 1.0  # seconds
MESSAGES = 10  # of the conversation


@dataclass(frozen=True)
class Known:
    """The memory of a user and the newest messages of a session, as lines of text."""

    user: str
    facts: tuple[str, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()


class Memory:
    """The memory of the user and session that the chat has now."""

    def __init__(self, labs: Labs, who: Callable[[], tuple[str, str]], forgotten: Callable[[], None]) -> None:
        self.labs, self.who, self.forgotten = labs, who, forgotten
        heading("Memory")
        live(labs, EVERY, self._load, _draw)
        with line():
            self._name = ui.input("Name", value="Ada").props("dense outlined maxlength=100").style("width: 9rem")
            self._style = ui.select(["formal", "casual"], value="formal", label="Style").props("dense outlined")
            self._style.style("min-width: 8rem")
        summary = ui.input("Summary", value="Ada is learning Dapr.").props("dense outlined maxlength=2000")
        self._summary = summary.classes("full-width")
        with line():
            action(labs, "Initialize", self._initialize)
            action(labs, "Forget this user", self._forget)
        self._notice = Notice()

    async def _initialize(self) -> None:
        user, _ = self.who()
        draft = {
            "name": self._name.value,
            "preferred_style": self._style.value,
            "user_summary": self._summary.value,
        }
        answer = await sending.ask(self.labs, MEMORY, "POST", f"{_path(user)}/initialize", draft)
        done = "Memory was initialized." if answer.status == 201 else "Memory knows this user already; nothing changed."
        self._notice.show(answer, done)

    async def _forget(self) -> None:
        user, _ = self.who()
        answer = await sending.ask(self.labs, MEMORY, "DELETE", _path(user))
        gone = str(answer.fields.get("gone_by"))[:19]
        if self._notice.show(answer, f"Forgetting {user}. At {gone} (UTC) nothing is left, not even in streams."):
            self.forgotten()

    async def _load(self) -> Known:
        user, session = self.who()
        memory = await sending.look(self.labs, MEMORY, _path(user))
        if not memory.is_success and memory.status != 404:
            raise LabError(f"{MEMORY} refused: {memory.sentence}")
        said = await sending.look(self.labs, MEMORY, f"/conversations/{quote(session, safe='')}?limit={MESSAGES}")
        names = {"name": "Name", "preferred_style": "Style", "user_summary": "Summary", "updated_at": "Updated at"}
        facts = [f"{label}: {memory.fields[name]}" for name, label in names.items() if name in memory.fields]
        messages = [(str(one["role"]), str(one["content"])) for one in said.fields.get("history", [])]
        return Known(user, tuple(facts), tuple(messages))


def _path(user: str) -> str:
    return f"/memories/{quote(user, safe='')}"


def _draw(known: Known) -> None:
    if not known.facts:
        ui.label(f"{MEMORY} knows nothing of {known.user}.")
    with ui.element("ul").classes("q-my-none q-pl-md").props("aria-label='What memory knows'"):
        for fact in known.facts:
            with ui.element("li"):
                ui.label(fact)
    heading("The conversation in memory", level=3).classes("q-mt-sm")
    if not known.messages:
        ui.label("It has no message yet.")
    with ui.element("ol").classes("q-my-none q-pl-md").props("aria-label='The conversation in memory'"):
        for role, content in known.messages:
            with ui.element("li"):
                ui.label(f"{role}: {content}")
