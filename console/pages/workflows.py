"""Workflow instances, and the history of one."""

from __future__ import annotations

from nicegui import ui

from console.frame import frame
from console.labs import Labs
from console.spans.store import SpanStore


def install(labs: Labs, store: SpanStore) -> None:
    """Add the page."""

    @ui.page("/workflows")
    async def page() -> None:
        with frame("Workflows", "/workflows"):
            ui.label("…")
