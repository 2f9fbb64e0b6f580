"""The fault switches of an app: a form for each, and the faults that are on."""

from __future__ import annotations

import json
from functools import partial

from nicegui import ui

from console import faults
from console.faults import PATH, Switch
from console.frame import code
from console.labs import Labs
from console.parts import action, live, watch
from labctl.runfile import App


def draw(labs: Labs, app: App) -> None:
    """Draw the switches of an app as soon as it answers."""
    live(labs, 5, partial(faults.read, labs, app), partial(_draw, labs, app))


def _draw(labs: Labs, app: App, switches: list[Switch]) -> None:
    if not switches:
        ui.label("This app has no fault switches over HTTP.")
        return
    with ui.row().classes("items-center q-mb-sm"):
        ui.label("On now:")
        on = code("…").props('role="status" aria-label="Faults that are on"')
    watch(labs, 2, partial(_on, labs, app), on.set_text)
    for switch in switches:
        _form(labs, app, switch)
    with ui.row().classes("items-center"):
        action(labs, "Turn all faults off", partial(_clear, labs, app))
        code(f"curl -X DELETE {app.url}{PATH}")


async def _on(labs: Labs, app: App) -> str:
    answer = await labs.app(app, "GET", PATH, as_dapr=True)
    return json.dumps(answer.raise_for_status().json())


async def _clear(labs: Labs, app: App) -> str:
    answer = await labs.app(app, "DELETE", PATH, as_dapr=True)
    answer.raise_for_status()
    return f"All faults of {app.app_id} are off."


def _form(labs: Labs, app: App, switch: Switch) -> None:
    with ui.row().classes("items-center q-mb-sm").style("gap: 0.5rem 1rem"):
        step = ui.select(list(switch.steps), value=switch.steps[0], label="Step") if switch.steps else None
        # Without limits: the service knows them and names them, where a limit here would change what was typed.
        inputs = {
            one.name: ui.number(one.label, value=one.default, precision=0).style("min-width: 15rem")
            for one in switch.fields
        }

        async def press() -> str:
            path = switch.url(str(step.value) if step else "")
            order = {name: int(field.value or 0) for name, field in inputs.items()}
            answer = await labs.app(app, "PUT", path, json=order, as_dapr=True)
            answer.raise_for_status()
            return f"PUT {path} {json.dumps(order)}: done."

        action(labs, "Set faults", press)
        code(f"curl -X PUT {app.url}{switch.path} …")
