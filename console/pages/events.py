"""Topics: publishers, subscribers, lag, and dead letters."""

from __future__ import annotations

from nicegui import ui

from console.frame import frame
from console.labs import Labs


def install(labs: Labs) -> None:
    """Add the page."""

    @ui.page("/events")
    async def page() -> None:
        with frame("Events", "/events"):
            ui.label("…")
