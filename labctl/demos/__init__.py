"""./lab demo LAB: play a lab's story in the terminal against the running services."""

from __future__ import annotations

import httpx
from rich.console import Console

from labctl import runfile, signals
from labctl.demos import blocks, chat, invocation, jobs, pizza
from labctl.errors import LabError
from labctl.stack import Stack
from labctl.up import readiness

STORIES = {
    "invocation": invocation.Story,
    "jobs": jobs.Story,
    "chat": chat.Story,
    "pizza": pizza.Story,
    "blocks": blocks.Story,
}


def play(lab: str, stack: Stack, console: Console, auto: bool = False) -> None:
    """Play a lab's story against the running stack. With `auto` it asks no questions.

    Raise LabError for an unknown lab, and when the lab does not run.
    """
    if lab not in STORIES:
        raise LabError(f"There is no demo {lab!r}. The demos are: {', '.join(STORIES)}.")
    apps = runfile.select(runfile.read_apps(stack), [lab])
    late = [row.app.app_id for row in readiness.status(stack, apps) if not row.ready]
    if late:
        start = f"./lab up {lab}, here (with --detach) or in another terminal"
        raise LabError(f"Not running: {', '.join(late)}. Start the lab with {start}.")
    story = STORIES[lab](stack, apps, console, auto)
    try:
        story.play()
    except httpx.HTTPError as error:
        raise LabError(f"The story stopped: {error}. See ./lab status and ./lab logs.") from error
    finally:
        with signals.uninterrupted():
            story.tidy()
