"""A card for each lab, and its page: its story, the lab itself, live, and its requests as buttons."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from console import requests
from console.frame import code, frame, heading
from console.labs import Labs
from console.pages.lab import blocks, chat, invocation, jobs, patterns, pizza, stories
from console.pages.lab.parts import grid, line, link
from console.pages.lab.request_list import RequestList
from console.parts import watch
from console.spans.store import SpanStore
from labctl import runfile

EVERY = 3.0  # seconds, for the looks at which labs run
LIVE: dict[str, Callable[[Labs], None]] = {
    "invocation": invocation.draw,
    "jobs": jobs.draw,
    "chat": chat.draw,
    "pizza": pizza.draw,
    "blocks": blocks.draw,
    "patterns": patterns.draw,
}


def install(labs: Labs, store: SpanStore) -> None:
    """Add the pages: all labs, and one."""

    @ui.page("/labs")
    def page() -> None:
        with frame("Labs", "/labs"), grid("28rem"):
            for lab in runfile.labs(labs.apps):
                _card(labs, lab)

    @ui.page("/labs/{lab}")
    def lab_page(lab: str) -> None:
        story = stories.of(lab, labs.apps)
        known = runfile.labs(labs.apps)
        with frame(story.title if lab in known else "No such lab", "/labs"):
            if lab not in known:
                ui.label(runfile.no_lab(lab, known))
                link("All labs", "/labs")
                return
            _about(labs, lab)
            if lab in LIVE:
                LIVE[lab](labs)
            _requests(labs, lab)


def _card(labs: Labs, lab: str) -> None:
    with ui.card().props("flat bordered").classes("full-width"):
        heading(stories.of(lab, labs.apps).title)
        _about(labs, lab)
        link(f"Open {lab}", f"/labs/{lab}")


def _about(labs: Labs, lab: str) -> None:
    """Draw the story, the path of the page, and whether the lab runs."""
    story, apps = stories.of(lab, labs.apps), runfile.select(labs.apps, [lab])
    ui.label(story.text).style("max-width: 50rem")
    if story.page:
        with line():
            ui.label("Its page:")
            code(story.page)
    with line():
        ui.label("Its apps:")
        for app in apps:
            link(app.app_id, f"/apps/{app.app_id}")
    state = ui.label(f"{lab} …").classes("text-weight-medium")

    async def load() -> str:
        ready = {row.app.app_id for row in await labs.statuses() if row.ready}
        return f"{lab} {stories.state(apps, [app.app_id for app in apps if app.app_id not in ready])}"

    watch(labs, EVERY, load, state.set_text)


def _requests(labs: Labs, lab: str) -> None:
    file = stories.of(lab, labs.apps).requests
    if not file or not file.exists():
        return
    heading("Requests").classes("q-mt-lg")
    ui.label(f"Those of requests/{file.name}. A press sends one from the console to the local app.")
    RequestList(labs, requests.read(file.read_text()))
