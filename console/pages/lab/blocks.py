"""Lab 5 live: the tasks, and the notifications that they cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from console import sending
from console.frame import heading
from console.labs import Labs
from console.pages.lab.parts import Notice, grid, line
from console.parts import action, table, watch
from labctl.errors import LabError

TASKS, NOTIFICATIONS = "task-api", "notification-service"
EVERY = 1.5  # seconds
SHOWN = 10
OF_TASKS = {"title": "Task", "status": "Status"}
OF_NOTIFICATIONS = {"at": "At (UTC)", "user": "For", "message": "Message"}


class Tasks:
    """The newest tasks, and the form of a new one."""

    def __init__(self, labs: Labs) -> None:
        self.labs = labs
        heading("Tasks")
        with line():
            self._title = ui.input("Title", value="Buy milk").props("dense outlined maxlength=200")
            action(labs, "Create", self._create)
            action(labs, "Announce it", self._announce)
        self._notice = Notice()
        _follow(labs, TASKS, "tasks", OF_TASKS, task)

    async def _create(self) -> None:
        answer = await sending.ask(self.labs, TASKS, "POST", "/tasks", {"title": self._title.value})
        self._notice.show(answer, f"Created: {answer.fields.get('id')}.")

    async def _announce(self) -> None:
        answer = await sending.ask(self.labs, TASKS, "POST", "/announcements", {"message": self._title.value})
        self._notice.show(answer, "Published on the topic announcements.")


def task(found: Mapping[str, Any]) -> dict[str, str]:
    """Return a task as a row of the table."""
    return {"id": str(found["id"]), "title": str(found["title"]), "status": str(found["status"])}


def notification(found: Mapping[str, Any]) -> dict[str, str]:
    """Return a notification as a row of the table."""
    return {
        "id": str(found["id"]),
        "at": str(found["created_at"])[11:19],
        "user": str(found["user_id"]),
        "message": str(found["message"]),
    }


def _follow(
    labs: Labs, app_id: str, name: str, columns: Mapping[str, str], row: Callable[[Mapping[str, Any]], dict[str, str]]
) -> None:
    """Draw a table of the newest entries of a list, and keep it up to date."""
    drawn = table(name.capitalize(), columns, [], key="id")

    async def load() -> list[dict[str, str]]:
        answer = await sending.look(labs, app_id, f"/{name}?limit={SHOWN}")
        if not answer.is_success:
            raise LabError(f"{app_id} refused: {answer.sentence}")
        return [row(one) for one in answer.fields[name]]

    def show(rows: list[dict[str, str]]) -> None:
        drawn.rows = rows

    watch(labs, EVERY, load, show)


def draw(labs: Labs) -> None:
    """Draw the tasks and the notifications."""
    with grid("24rem").classes("items-start"):
        with ui.column().classes("full-width"):
            Tasks(labs)
        with ui.column().classes("full-width"):
            heading("Notifications")
            _follow(labs, NOTIFICATIONS, "notifications", OF_NOTIFICATIONS, notification)
