"""./lab demo blocks: one task, and what each building block does for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console

from labctl import runfile
from labctl.demos.mailbox import mailbox
from labctl.errors import LabError
from labctl.runfile import MAIL, App
from labctl.stack import Stack
from labctl.terminal import chapter
from labctl.up import infrastructure, secure
from labctl.up.processes import wait_until
from labctl.up.resp import Redis

TASKS, NOTIFICATIONS = "task-api", "notification-service"
SWITCH = "feature-flag-x"
SECRET = b"The recipe of the house: three eggs."
_LOOK_EVERY = 0.02
_PATIENCE = 30  # seconds for each wait; the longest is a second or two, for an event of the outbox


class Story:
    """The story of a task."""

    def __init__(self, stack: Stack, apps: list[App], console: Console, _auto: bool) -> None:
        self.console, self.mail_port = console, MAIL + stack.offset
        # In a secure stack some routes want the token that the sidecar shows.
        tasks, notifications = (runfile.find(apps, name).url for name in (TASKS, NOTIFICATIONS))
        self.http = httpx.Client(base_url=tasks, timeout=_PATIENCE, headers=secure.header(stack, TASKS))
        self.notifications = f"{notifications}/notifications"
        password = infrastructure.redis_config(stack).read_text().split()[1] if stack.secure else ""
        self.redis = Redis(stack.ports["redis"], password)
        self.before: bytes | None = None
        self.title = f"Bake a cake ({uuid4().hex[:6]})"
        self.path = ""

    def play(self) -> None:
        """Play the story to its end."""
        begin = time.monotonic()
        for part in (self._create, self._remind, self._change, self._attach, self._mail, self._switch):
            part()
        self.console.print(f"\nThat took {time.monotonic() - begin:.0f} s. The code of each block: {TASKS}'s blocks/.")

    def tidy(self) -> None:
        """Leave the lab as it was found, also after Ctrl-C or an error."""
        with suppress(httpx.HTTPError, OSError, RuntimeError):
            if self.path:
                self.http.delete(f"{self.path}/reminder")
                self.http.delete(self.path, headers={"if-match": self._version()})
            if self.before is not None:
                self._set(self.before.decode())
        self.http.close()

    def _create(self) -> None:
        chapter(self.console, "a task is created, and announced", "State and event are one transaction: the outbox.")
        task = self.http.post("/tasks", json={"title": self.title}).raise_for_status().json()
        self.path = f"/tasks/{task['id']}"
        self.console.print(f"POST /tasks: {task['status']}, version {self._version()}")
        self._hear(f"Task created: {self.title}")

    def _remind(self) -> None:
        chapter(self.console, "its actor reminds of it", "A reminder of the actor. It would survive a restart.")
        due = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        self.http.put(f"{self.path}/reminder", json={"due_at": due}).raise_for_status()
        self._hear(self.title, "Task due")

    def _change(self) -> None:
        chapter(self.console, "two people change it at once", "Both have read the same version, and say so: If-Match.")
        version = self._version()
        changes = [{"title": f"{self.title}, with cherries"}, {"status": "done"}]

        def change(body: dict[str, str]) -> httpx.Response:
            return self.http.patch(self.path, json=body, headers={"if-match": version})

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(change, changes))
        for body, answer in zip(changes, answers, strict=True):
            self.console.print(f"PATCH {body}: {_status(answer)}")
        for body, answer in zip(changes, answers, strict=True):
            if answer.status_code == 412:
                again = self.http.patch(self.path, json=body, headers={"if-match": self._version()})
                self.console.print(f"read again, PATCH {body}: {_status(again)}")
        task = self.http.get(self.path).raise_for_status().json()
        self.console.print(f"Neither change is lost: {task['title']}, {task['status']}")

    def _attach(self) -> None:
        chapter(self.console, "its attachment is encrypted", "Only the sidecar sees the key.")
        octets = {"content-type": "application/octet-stream"}
        self.http.put(f"{self.path}/attachment", content=SECRET, headers=octets).raise_for_status()
        back = self.http.get(f"{self.path}/attachment").raise_for_status().content
        self.console.print(f"GET …/attachment: {back.decode()}")

    def _mail(self) -> None:
        chapter(self.console, "the digest is mailed once", "Two calls arrive at once. A lock lets one in.")
        mails: list[Message] = []
        try:
            with mailbox(self.mail_port, mails.append), ThreadPoolExecutor(2) as pool:
                answers = list(pool.map(self.http.post, ["/digest-cron"] * 2))
        except OSError:
            self.console.print(f"Left out: another mail server has port {self.mail_port}.")
            return
        said = sorted(answer.raise_for_status().json()["status"] for answer in answers)
        self.console.print(f"POST /digest-cron, twice: {' and '.join(said)}")
        if "SENT" in said:
            self.console.print(f"mails: {[str(mail['subject']) for mail in mails]}")
        else:
            self.console.print("Today's digest was mailed before. `./lab down --forget` forgets it.")

    def _switch(self) -> None:
        chapter(self.console, "a feature is switched live", f"SET {SWITCH} in Redis. No restart, no request.")
        # A replica that has no such key uses the default.
        self.before = self.redis("GET", SWITCH) or b""
        wanted = "off" if self._feature() == "on" else "on"
        self._set(f"{wanted}||demo")
        self._wait(lambda: self._feature() == wanted, f"{SWITCH} is {wanted}")

    def _feature(self) -> str:
        return self.http.get("/configuration").raise_for_status().json()["values"][SWITCH]["value"]

    def _set(self, value: str) -> None:
        self.redis("SET", SWITCH, value) if value else self.redis("DEL", SWITCH)

    def _version(self) -> str:
        return self.http.get(self.path).raise_for_status().headers["etag"]

    def _hear(self, *words: str) -> None:
        """Show the notification with these words, as soon as there is one."""
        found: list[str] = []

        def is_there() -> bool:
            page: dict[str, Any] = self.http.get(self.notifications).raise_for_status().json()
            messages = [one["message"] for one in page["notifications"]]
            found[:] = [text for text in messages if all(word in text for word in words)]
            return bool(found)

        self._wait(is_there, lambda: f"{NOTIFICATIONS} notifies: {found[0]}")

    def _wait(self, condition: Callable[[], bool], text: str | Callable[[], str]) -> None:
        begin = time.monotonic()
        with self.console.status("waiting"):
            if not wait_until(condition, _PATIENCE, _LOOK_EVERY):
                raise LabError(f"That did not happen within {_PATIENCE} s. See ./lab logs {TASKS} and {NOTIFICATIONS}.")
        seconds = time.monotonic() - begin
        self.console.print(f"{seconds:4.1f} s  {text if isinstance(text, str) else text()}", soft_wrap=True)


def _status(answer: httpx.Response) -> str:
    colour = "green" if answer.is_success else "red"
    return f"[{colour}]{answer.status_code} {answer.reason_phrase}[/]"
