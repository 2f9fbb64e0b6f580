"""Stores and jobs."""

from __future__ import annotations

from nicegui import ui

from console.frame import frame
from console.labs import Labs


def install(labs: Labs) -> None:
    """Add the page."""

    @ui.page("/state")
    async def page() -> None:
        with frame("State and jobs", "/state"):
            ui.label("…")
