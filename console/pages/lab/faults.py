"""The fault switch of an app: its next calls fail or are late, so that Dapr has something to repair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from console import sending
from console.frame import heading
from console.labs import Labs
from console.pages.lab.parts import Notice, line
from console.parts import action, watch
from console.sending import Answer

EVERY = 1.0  # seconds


def draw(labs: Labs, app_id: str) -> None:
    """Draw the switch of an app, and its present state."""
    heading(f"Faults of {app_id}", level=3)
    with line():
        fails = ui.number("Calls that fail", value=2, min=0, step=1, precision=0)
        status = ui.number("With status", value=500, min=400, max=599, step=1, precision=0)
        delay = ui.number("Delay, ms", value=0, min=0, max=30_000, step=100, precision=0)
        for one in (fails, status, delay):
            one.props("dense outlined").style("width: 8rem")

        async def turn_on() -> None:
            order = {"fail_next": whole(fails), "status": whole(status, 500), "delay_ms": whole(delay)}
            said.show(await sending.ask(labs, app_id, "PUT", "/faults", order), "The fault is set.")

        async def turn_off() -> None:
            said.show(await sending.ask(labs, app_id, "DELETE", "/faults"), "All faults are off.")

        action(labs, "Set the fault", turn_on)
        action(labs, "All faults off", turn_off)
    said = Notice()
    present = ui.label()

    async def load() -> Answer:
        answer = await sending.look(labs, app_id, "/faults")
        return Answer(answer.status, text=in_words(answer.fields) if answer.is_success else answer.sentence)

    watch(labs, EVERY, load, lambda answer: present.set_text(answer.text))


def in_words(state: Mapping[str, Any]) -> str:
    """Return the faults that are on, as GET /faults answers them."""
    parts = [f"the next {state['fail_next']} calls fail with {state['status']}"] if state["fail_next"] else []
    parts += [f"each call waits {state['delay_ms']} ms"] if state["delay_ms"] else []
    return f"On now: {' and '.join(parts) or 'no fault'}. Calls since the start: {state['calls']}."


def whole(field: ui.number, otherwise: int = 0) -> int:
    """Return the number in a field, which may be empty."""
    return otherwise if field.value is None else int(field.value)
