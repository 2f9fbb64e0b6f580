"""A card for each lab: its story, its requests as buttons, and what it is about."""

from __future__ import annotations

from nicegui import ui

from console.frame import frame
from console.labs import Labs
from console.spans.store import SpanStore


def install(labs: Labs, store: SpanStore) -> None:
    """Add the page."""

    @ui.page("/labs")
    async def page() -> None:
        with frame("Labs", "/labs"):
            ui.label("…")
