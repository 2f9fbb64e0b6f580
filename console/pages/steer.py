"""The buttons that steer a workflow instance, each beside the request that it sends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from nicegui import ui

from console.frame import code, heading
from console.labs import Labs
from console.parts import action
from console.workflows.engine import Engine
from console.workflows.instances import ENDED
from console.workflows.steering import PURGE, Refusal, Steering, Step, raise_event, steps

# What the events of the labs look like. A reader may change it before it is sent.
EXAMPLES = {"decision": '{"approved": true, "by": "Ada"}', "signature": "{}", "CancelOrder": '{"reason": "no time"}'}
NO_DATA = "{}"


class Buttons:
    """The buttons of one instance. `show` draws them for its present status and the events that it waits for."""

    def __init__(self, labs: Labs, engine: Engine, steering: Steering, instance_id: str) -> None:
        self._labs = labs
        self._engine = engine
        self._steering = steering
        self._instance_id = instance_id
        self._shown: tuple[str, list[str]] | None = None
        self._box = ui.column().classes("full-width q-mb-md").style("gap: 0.5rem")

    def show(self, status: str, awaited: Sequence[str]) -> None:
        """Draw the buttons again if something has changed, so that what a user types stays otherwise."""
        if (status, list(awaited)) == self._shown:
            return
        self._shown = (status, list(awaited))
        self._box.clear()
        if not status:
            return
        with self._box:
            heading("Steer it")
            for step in steps(self._engine.app.app_id, self._instance_id, awaited):
                self._draw(step, status)
            if status not in ENDED:
                self._draw_event(awaited)

    def _draw(self, step: Step, status: str) -> None:
        refused = step.why_not(status)
        with ui.row().style("align-items: center; gap: 0.25rem 0.75rem"):
            if step.name == PURGE:
                button = ui.button("Purge …", on_click=partial(self._confirm, step), color=None)
                button.props("no-caps outline")
            else:
                button = action(self._labs, step.name, partial(self._take, step))
            button.style("min-width: 7rem").set_enabled(not refused)
            code(step.request.shown(self._labs))
            if refused:
                ui.label(refused).classes("text-caption")

    async def _take(self, step: Step) -> str:
        return await self._steering.take(self._engine, self._instance_id, step)

    async def _confirm(self, step: Step) -> None:
        with ui.dialog(value=True) as dialog, ui.card():
            ui.label(f"Purge {self._instance_id}? Its state and its history are deleted for good.")
            with ui.row():

                async def purge() -> str:
                    dialog.close()
                    return await self._take(step)

                action(self._labs, "Purge it", purge)
                ui.button("Keep it", on_click=dialog.close, color=None).props("no-caps outline")

    def _draw_event(self, awaited: Sequence[str]) -> None:
        name = awaited[0] if awaited else ""
        with ui.row().classes("full-width").style("align-items: center; gap: 0.5rem 0.75rem"):
            event = ui.input("Event", value=name, autocomplete=list(awaited)).props("outlined dense")
            data = ui.input("Data (JSON)", value=NO_DATA).props("outlined dense")
            data.style("flex: 1; min-width: 14rem")
            action(self._labs, "Raise event", lambda: self._raise(str(event.value or ""), str(data.value or "")))
        shown = code("")

        def describe() -> None:
            shown.text = self._event(event.value or "NAME", None).request.shown(self._labs)
            if data.value in (NO_DATA, *EXAMPLES.values()):
                data.value = EXAMPLES.get(event.value or "", NO_DATA)

        event.on_value_change(describe)
        describe()

    def _event(self, name: str, data: object) -> Step:
        return raise_event(self._engine.app.app_id, self._instance_id, name, data)

    async def _raise(self, name: str, text: str) -> str:
        if not name.strip():
            raise Refusal("Nothing was sent. The event needs a name.")
        try:
            data = json.loads(text) if text.strip() else None
        except json.JSONDecodeError as error:
            raise Refusal(f"Nothing was sent. The data is no JSON: {error}") from error
        return await self._take(self._event(name.strip(), data))
