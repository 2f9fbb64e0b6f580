"""The labs in two or three sentences each, as on their pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl.runfile import App
from labctl.stack import ROOT


@dataclass(frozen=True)
class Story:
    """A lab: its title, what happens in it, and the stem of its page and of its file of requests."""

    title: str
    text: str
    stem: str = ""

    @property
    def page(self) -> str:
        """Return the path of its page, as a reader finds it in the root folder."""
        return f"docs/labs/{self.stem}.md" if self.stem else ""

    @property
    def requests(self) -> Path | None:
        """Return its file of requests, if it has one."""
        return ROOT / "requests" / f"{self.stem}.http" if self.stem else None


STORIES = {
    "invocation": Story(
        "Lab 1: service invocation",
        "caller-app knows no address of callee-app, only its app id, and asks its own sidecar. When callee-app "
        "fails, slows down or dies, the sidecar retries. The caller's code has no retry.",
        "1-service-invocation",
    ),
    "jobs": Story(
        "Lab 2: jobs",
        "scheduler-test-py asks Dapr to call it later and keeps no timer of any kind. Dapr's scheduler keeps the "
        "jobs on disk, and calls the app when one is due, even after the app, its sidecar or the scheduler died.",
        "2-jobs",
    ),
    "chat": Story(
        "Lab 3: chat with memory",
        "chat-service answers each message with a workflow. It asks agent-memory-service what is known of the "
        "user, and publishes message and reply as an event, which memory stores. No word is lost, even if one of "
        "the two dies.",
        "3-chat-memory",
    ),
    "pizza": Story(
        "Lab 4: the pizza workflow",
        "A storefront takes the order, a kitchen cooks, you check the pizza, and a courier delivers it. A "
        "workflow makes sure that all of it happens, or none. Processes die, you reject a pizza, you change your "
        "mind; no order is lost.",
        "4-pizza",
    ),
    "blocks": Story(
        "Lab 5: building blocks",
        "task-api is a to-do service that uses every building block of Dapr, each in one small module. "
        "notification-service receives its events, by each kind of subscription.",
        "5-building-blocks",
    ),
    "patterns": Story(
        "Lab 6: workflow patterns",
        "Nine patterns, each a workflow in its own small file, each with a fault to inject. Kill the process in "
        "the middle of a run: nothing is lost or done twice.",
        "6-workflow-patterns",
    ),
}


def of(lab: str, apps: Sequence[App]) -> Story:
    """Return the story of a lab. A lab that you added to dapr.yaml is described by its apps."""
    own = ", ".join(app.app_id for app in apps if app.lab == lab)
    return STORIES.get(lab) or Story(f"Lab {lab}", f"A lab of yours. Its apps: {own}.")


def state(apps: Sequence[App], missing: Sequence[str]) -> str:
    """Return whether a lab runs, and the command that is needed if it does not. missing: ids of apps that do not."""
    if not missing:
        return "runs"
    if len(missing) == len(apps):
        return f"does not run: ./lab up {apps[0].lab}"
    return f"runs, except {', '.join(missing)}: ./lab restart {missing[0]}"
