"""One dead letter: its reason, its event, and the buttons by which its app processes or forgets it."""

from __future__ import annotations

import json
from typing import Any, cast

from nicegui import ui

from console.events import letters
from console.events.letters import LIST, Letter
from console.events.streams import bounded
from console.frame import code
from console.labs import Labs
from console.pages.event.publish import envelope_button
from console.pages.event.text import text_dialog
from console.pages.lab.parts import line
from console.parts import action
from console.times import clock, read


def draw_letter(labs: Labs, letter: Letter) -> None:
    """Draw a letter as an entry of a list."""
    with ui.element("li").classes("q-mb-sm"), ui.card().props("flat bordered").classes("full-width q-pa-sm"):
        ui.label(letter.reason).classes("text-weight-bold")
        with line().classes("text-caption"):
            ui.label(f"{letter.app_id}, {clock(read(letter.received_at))}")
            ui.label(f"topic {topic_of(letter) or 'unknown'}, event")
            code(letter.event_id)
        with line():
            _buttons(labs, letter)


def _buttons(labs: Labs, letter: Letter) -> None:
    async def replay() -> str:
        answer = await letters.replay(labs, letter)
        answer.raise_for_status()
        return f"{letter.app_id} processed the event {letter.event_id}."

    async def remove() -> str:
        answer = await letters.remove(labs, letter)
        answer.raise_for_status()
        return f"{letter.app_id} forgot the letter."

    one = f"{LIST}/{letter.id}"
    if letter.routes.can_replay:
        action(labs, "Replay", replay).tooltip(f"POST {one}/replay at {letter.app_id}")
    elif event := _event(letter):
        envelope_button(labs, event, letter.app_id)
    if letter.routes.can_remove:
        action(labs, "Remove", remove).tooltip(f"DELETE {one} at {letter.app_id}")
    show = ui.button("Show event", color=None).props("no-caps flat")
    show.on_click(lambda: text_dialog(f"Event {letter.event_id}", text_of(letter)))


def topic_of(letter: Letter) -> str:
    """Return the topic that the event was published to. Empty if the app kept no CloudEvent."""
    return str(_event(letter).get("topic", ""))


def text_of(letter: Letter) -> str:
    """Return the event as text, bounded."""
    event = _event(letter)
    return bounded(json.dumps(event, indent=2, ensure_ascii=False) if event else str(letter.event))


def _event(letter: Letter) -> dict[str, Any]:
    """Return the CloudEvent, which some apps keep as text. Empty if it is none, or only its beginning."""
    found: Any = letter.event
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}
