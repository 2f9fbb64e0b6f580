"""The map: apps, sidecars, control plane, stores and brokers, with the calls between them."""

from __future__ import annotations

from nicegui import ui

from console.frame import frame
from console.labs import Labs
from console.spans.store import SpanStore


def install(labs: Labs, store: SpanStore) -> None:
    """Add the page."""

    @ui.page("/")
    async def page() -> None:
        with frame("Map", "/"):
            ui.label("…")
