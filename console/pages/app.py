"""One app: where it is, what it has, how it does, and the buttons that break it."""

from __future__ import annotations

from nicegui import ui

from console.frame import frame
from console.labs import Labs
from console.spans.store import SpanStore


def install(labs: Labs, store: SpanStore) -> None:
    """Add the page."""

    @ui.page("/apps/{app_id}")
    async def page(app_id: str) -> None:
        with frame("App", "/"):
            ui.label("…")
