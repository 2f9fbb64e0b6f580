"""The pages of the console, one module each. Each has `install`, which adds its routes."""

from __future__ import annotations

from console.labs import Labs
from console.pages import app, events, labs, map, state, traces, workflows
from console.spans.store import SpanStore


def install(stack: Labs, store: SpanStore) -> None:
    """Add all pages."""
    map.install(stack, store)
    app.install(stack, store)
    traces.install(stack, store)
    workflows.install(stack, store)
    events.install(stack)
    state.install(stack)
    labs.install(stack, store)
