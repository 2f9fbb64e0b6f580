"""Dead letters as the apps keep them, and events that ./lab parked: listed, replayed and removed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from console.labs import Labs
from labctl.runfile import App
from labctl.stack import Stack

LIST = "/dead-letters"
ONE = "/dead-letters/{letter_id}"
REPLAY = "/dead-letters/{letter_id}/replay"
NEWEST = 20
PARKED_REASON = "Its trace id is no text, so a sidecar that delivers it panics (docs/dapr-faults.md)."


@dataclass(frozen=True)
class Routes:
    """What an app does with its dead letters, by its contract openapi.json."""

    app: App
    can_replay: bool
    can_remove: bool


@dataclass(frozen=True)
class Letter:
    """An event that an app could not process, and why. `event` is what the app kept of it."""

    routes: Routes
    id: str
    event_id: str
    received_at: str
    reason: str
    event: Any

    @property
    def app_id(self) -> str:
        """Return the app that keeps it."""
        return self.routes.app.app_id


@dataclass(frozen=True)
class Parked:
    """An event that ./lab up moved out of its stream into a file, because it made a sidecar panic."""

    file: Path
    topic: str
    parked_at: datetime
    size: int


async def keepers(labs: Labs) -> list[Routes]:
    """Return the apps that keep dead letters."""
    return await asyncio.to_thread(_keepers, labs.apps)


def _keepers(apps: list[App]) -> list[Routes]:
    found: list[Routes] = []
    for app in apps:
        contract = app.folder / "openapi.json"
        paths: dict[str, Any] = json.loads(contract.read_text())["paths"] if contract.is_file() else {}
        if "get" in paths.get(LIST, {}):
            found.append(Routes(app, "post" in paths.get(REPLAY, {}), "delete" in paths.get(ONE, {})))
    return found


async def newest(labs: Labs, routes: Routes) -> list[Letter]:
    """Return the newest dead letters of an app. Raise httpx.HTTPError when it does not answer with a list."""
    answer = await labs.app(routes.app, "GET", LIST, params={"limit": NEWEST})
    answer.raise_for_status()
    names = ("id", "event_id", "received_at", "reason", "event")
    return [Letter(routes, **{name: entry.get(name, "") for name in names}) for entry in answer.json()["dead_letters"]]


async def replay(labs: Labs, letter: Letter) -> httpx.Response:
    """Ask the app to process a letter's event again. Raise httpx.HTTPError when it does not answer."""
    path = REPLAY.format(letter_id=quote(letter.id, safe=""))
    return await labs.app(letter.routes.app, "POST", path)


async def remove(labs: Labs, letter: Letter) -> httpx.Response:
    """Ask the app to forget a letter. Raise httpx.HTTPError when it does not answer."""
    return await labs.app(letter.routes.app, "DELETE", ONE.format(letter_id=quote(letter.id, safe="")))


async def publish(labs: Labs, app: App, component: str, topic: str, event: Any, *, envelope: bool) -> httpx.Response:
    """Publish through an app's sidecar. Raise httpx.HTTPError when it does not answer.

    envelope: `event` is a whole CloudEvent, whose id is kept. Otherwise it is data, and the sidecar makes the envelope.
    """
    kind = "application/cloudevents+json" if envelope else "application/json"
    path = f"/v1.0/publish/{quote(component, safe='')}/{quote(topic, safe='')}"
    return await labs.sidecar(app, "POST", path, content=json.dumps(event), headers={"content-type": kind})


async def parked(stack: Stack) -> list[Parked]:
    """Return the events that ./lab parked, newest first."""
    return await asyncio.to_thread(parked_in, stack.state / "parked")


def parked_in(folder: Path) -> list[Parked]:
    """Return the events in this folder, newest first."""
    found: list[Parked] = []
    for file in folder.glob("*.json"):
        # The id of its entry, `1796124457473-0`, follows the topic.
        topic, _, entry = file.stem.rpartition("-")[0].rpartition("-")
        status = file.stat()
        if topic and entry.isdecimal():
            found.append(Parked(file, topic, datetime.fromtimestamp(status.st_mtime, UTC), status.st_size))
    return sorted(found, key=lambda one: one.parked_at, reverse=True)
