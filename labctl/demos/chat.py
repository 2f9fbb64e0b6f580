"""./lab demo chat: a chat in the terminal, with what memory keeps of it shown beside each reply."""

from __future__ import annotations

import sys
import time
from typing import Any
from uuid import uuid4

import httpx
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.prompt import Prompt
from rich.table import Table
from rich.text import Text

from labctl import runfile
from labctl.runfile import App
from labctl.stack import Stack
from labctl.terminal import chapter
from labctl.up import control
from labctl.up.processes import wait_until

CHAT, MEMORY = "chat-service", "agent-memory-service"
USER = "Junaid"
HELP = "/kill and /restart memory, /forget me, /quit. Anything else goes to the chat."
# The messages without a keyboard.
SCRIPT = (
    "I want to learn about workflows",
    "What did we talk about?",
    "/kill",
    "Are you still there?",
    "/restart",
    "What time is it?",
    "/forget",
    "Who am I?",
    "/quit",
)
_LEARNS_WITHIN = 5  # seconds until the turn's event has reached memory
_PATIENCE = 90  # seconds for one reply; a chat whose memory is down waits for it
_LOOK_EVERY = 0.2


class Story:
    """A chat with the services of a stack. Off a terminal it follows a script."""

    def __init__(self, stack: Stack, apps: list[App], console: Console, auto: bool) -> None:
        self.stack, self.console = stack, console
        self.asks = not auto and console.is_terminal and sys.stdin.isatty()
        self.chat, self.memory = (runfile.find(apps, one).url for one in (CHAT, MEMORY))
        self.http = httpx.Client(timeout=10)
        self.session = f"demo-{uuid4().hex[:8]}"
        self.user = f"{USER}-{uuid4().hex[:6]}"
        self.last = ""
        self.memory_is_dead = False
        self.script = iter(SCRIPT)

    def play(self) -> None:
        """Send messages and show the replies until /quit."""
        chapter(self.console, "a chat whose every message is a workflow", HELP)
        draft = {"name": USER, "preferred_style": "formal", "user_summary": f"{USER} is learning Dapr."}
        self.http.post(f"{self.memory}/memories/{self.user}/initialize", json=draft).raise_for_status()
        pending: dict[str, str] = {}
        while (text := self._ask()) != "/quit":
            match text:
                case "/kill" if not self.memory_is_dead:
                    control.kill(self.stack, MEMORY)
                    self.memory_is_dead = True
                    self.console.print(f"{MEMORY} is dead (kill -9). A message now waits for it and is not lost.")
                case "/restart" if self.memory_is_dead:
                    self._restart()
                    for instance, said in pending.items():
                        self._show(said, self._reply(instance))
                    pending.clear()
                case "/forget" if self.last and not self.memory_is_dead:
                    gone = self.http.delete(f"{self.memory}/memories/{self.user}").raise_for_status().json()
                    self._wait_until_chat_forgot()
                    self.console.print(f"Forgotten. At {gone['gone_by']} nothing is left anywhere in Redis.")
                case _ if text.startswith("/"):
                    self.console.print(HELP)
                case _ if self.memory_is_dead:
                    pending[self._start(text)] = text
                    self.console.print("Accepted. Its first step is retried: /restart brings memory back.")
                case _:
                    self._show(text, self._reply(self._start(text)))

    def tidy(self) -> None:
        """Leave the lab as it was found, also after Ctrl-C or an error."""
        if self.memory_is_dead:
            self._restart()
        self.http.close()

    def _wait_until_chat_forgot(self) -> None:
        # An event makes chat forget the user, with everything that was sent until then.
        with self.console.status(f"{CHAT} forgets too"):
            wait_until(lambda: not self.http.get(f"{self.chat}/chat/{self.last}").is_success, _PATIENCE, _LOOK_EVERY)
        self.session = f"demo-{uuid4().hex[:8]}"

    def _ask(self) -> str:
        if self.asks:
            return Prompt.ask(f"\n[bold cyan]{USER}[/]", console=self.console).strip() or "/help"
        text = next(self.script)
        self.console.print(Text(f"\n{USER}: {text}"))
        return text

    def _start(self, text: str) -> str:
        body = {"user_id": self.user, "text": text, "metadata": {"session_id": self.session}}
        answer = self.http.post(f"{self.chat}/chat/", json=body, params={"wait": "false"}).raise_for_status()
        self.last = answer.json()["instance_id"]
        return self.last

    def _reply(self, instance: str) -> str:
        begin = time.monotonic()
        with self.console.status("the workflow runs"):
            while time.monotonic() - begin < _PATIENCE:
                answer: dict[str, Any] = self.http.get(f"{self.chat}/chat/{instance}").raise_for_status().json()
                if answer["status"] != "running":
                    return answer["reply"] or f"({answer['status']}: {answer['error']})"
                time.sleep(_LOOK_EVERY)
        return f"(no reply within {_PATIENCE} s: GET {self.chat}/chat/{instance})"

    def _show(self, said: str, reply: str) -> None:
        # All of it is Text, because users and models may write something that looks like Rich's markup.
        kept, known = self._kept(said)
        table = Table.grid(padding=(0, 1))
        for one in kept[-4:]:
            table.add_row(Text(one["role"], style="dim"), Text(one["content"]))
        side = Panel(table, title=Text(f"memory: {known}"), title_align="left", border_style="dim")
        self.console.print(Columns([Panel(Text(reply), title=CHAT, title_align="left", border_style="green"), side]))

    def _kept(self, said: str) -> tuple[list[dict[str, Any]], str]:
        """Return the conversation, once memory has this turn, and what memory knows about the user."""
        history: list[dict[str, Any]] = []

        def has_turn() -> bool:
            answer = self.http.get(f"{self.memory}/conversations/{self.session}", params={"limit": 4})
            history[:] = answer.json()["history"] if answer.is_success else []
            return any(one["content"] == said for one in history)

        wait_until(has_turn, _LEARNS_WITHIN, _LOOK_EVERY)
        memory = self.http.get(f"{self.memory}/memories/{self.user}")
        return history, memory.json()["user_summary"] if memory.is_success else "no such user"

    def _restart(self) -> None:
        with self.console.status(f"./lab restart {MEMORY}"):
            seconds = control.restart(self.stack, MEMORY)
        self.memory_is_dead = False
        self.console.print(f"{MEMORY} is back after {seconds:.1f} s.")
