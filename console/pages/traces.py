"""Traces: the latest, and one as a waterfall."""

from __future__ import annotations

from nicegui import ui

from console.frame import frame
from console.labs import Labs
from console.spans.store import SpanStore


def install(labs: Labs, store: SpanStore) -> None:
    """Add the page."""

    @ui.page("/traces")
    async def page() -> None:
        with frame("Traces", "/traces"):
            ui.label("…")
