"""Publishing through the sidecar of an app that may: a new event, or one that there was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from console import components
from console.events import letters, topics
from console.frame import code, heading
from console.labs import Labs
from console.pages.lab.parts import line
from console.parts import action
from labctl.errors import LabError


async def publishers(labs: Labs, component: str, topic: str) -> list[str]:
    """Return the apps that may publish to a topic."""
    found = [one for one in await components.read("pubsub.") if one.name == component]
    return [app.app_id for app in labs.apps for one in found if topics.may_publish(one, app.app_id, topic)]


def envelope_button(labs: Labs, event: dict[str, Any], keeper: str = "") -> None:
    """Draw a button that opens a dialog to publish a CloudEvent again, as it is or mended, to its topic.

    keeper: the app whose sidecar publishes it if it may.
    """
    button = ui.button("Publish again …", color=None).props("no-caps outline")
    button.on_click(lambda: _envelope_dialog(labs, event, keeper))


async def _envelope_dialog(labs: Labs, event: dict[str, Any], keeper: str) -> None:
    component, topic = str(event.get("pubsubname", "")), str(event.get("topic", ""))
    allowed = await publishers(labs, component, topic)
    title = f"Publish again to {topic or 'its topic'}"
    with ui.dialog(value=True) as dialog, ui.card().classes("full-width"):
        heading(title)
        if not allowed:
            ui.label("No app may publish to this topic.")
        else:
            ui.label("The id stays, so a subscriber that has processed the event takes it for a duplicate.")
            chosen = keeper if keeper in allowed else allowed[0]
            _form(labs, component, topic, [chosen], event, envelope=True, done=dialog.close)
        ui.button("Close", on_click=dialog.close, color=None).props("no-caps flat")
    dialog.props["aria-label"] = title
    dialog.on("hide", dialog.delete)


def form(labs: Labs, component: str, topic: str, allowed: Sequence[str]) -> None:
    """Draw a form that publishes JSON to a topic."""
    if not allowed:
        ui.label("No app may publish to this topic.")
        return
    _form(labs, component, topic, allowed, {}, envelope=False)


def _form(
    labs: Labs,
    component: str,
    topic: str,
    allowed: Sequence[str],
    document: dict[str, Any],
    *,
    envelope: bool,
    done: Callable[[], object] | None = None,
) -> None:
    label = "CloudEvent" if envelope else "Data (JSON)"
    text = json.dumps(document, indent=2, ensure_ascii=False)
    typed = ui.textarea(label, value=text).props("outlined autogrow input-style=font-family:monospace")
    typed.classes("full-width q-mb-sm")
    publisher = ui.select([*allowed], label="Published by", value=allowed[0]).props("outlined dense")
    publisher.classes("q-mb-sm").style("min-width: 14rem").set_visibility(len(allowed) > 1)

    async def publish() -> str:
        app = labs.find(str(publisher.value))
        answer = await letters.publish(labs, app, component, topic, read(str(typed.value)), envelope=envelope)
        answer.raise_for_status()
        if done:
            done()
        return f"{app.app_id} published to {topic}."

    with line().classes("q-mb-md"):
        action(labs, "Publish", publish)
        if not envelope:
            command = code("")
            publisher.on_value_change(lambda: setattr(command, "text", curl(labs, component, topic, publisher.value)))
            command.text = curl(labs, component, topic, publisher.value)


def read(text: str) -> Any:
    """Return what JSON text says. Raise LabError when it is none."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise LabError(f"Mend the JSON and publish again: {error}.") from error


def curl(labs: Labs, component: str, topic: str, app_id: str) -> str:
    """Return the command that publishes the same. A secure stack wants the sidecar's token too."""
    token = " -H 'dapr-api-token: …'" if labs.stack.secure else ""
    url = f"localhost:{labs.find(app_id).http_port}/v1.0/publish/{component}/{topic}"
    return f"curl {url}{token} --json '…'"
