"""What the map shows: apps with their sidecars, the control plane, and components, each with its state in words."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import httpx

from console.components import Component, read
from console.labs import Labs
from console.spans.edges import ENGINE
from labctl.runfile import App
from labctl.up import infrastructure
from labctl.up.readiness import Status

Kind = Literal["app", "component", "control"]


@dataclass(frozen=True)
class Node:
    """One box of the map. note: its state or type in words. group: the lab of an app. url: its page, if it has one."""

    name: str
    kind: Kind
    note: str
    works: bool = True
    group: str = ""
    url: str = ""


@dataclass(frozen=True)
class Scene:
    """The boxes, and which app sees which component."""

    nodes: tuple[Node, ...]
    sees: tuple[tuple[str, str], ...]


async def look(labs: Labs, apps: list[App]) -> Scene:
    """Return the scene of these apps now. A sidecar that runs names its components; for others their scopes do."""
    statuses, components = {one.app.app_id: one for one in await labs.statuses()}, await read()
    seen = dict(zip([app.app_id for app in apps], await _components(labs, apps, statuses, components), strict=True))
    boxes = [Node(app.app_id, "app", *state(statuses[app.app_id]), app.lab, address(app)) for app in apps]
    types = {name: kind for of_app in seen.values() for name, kind in of_app.items()}
    boxes += [Node(name, "component", kind) for name, kind in sorted(types.items())]
    boxes += await _control(labs)
    return Scene(tuple(boxes), tuple((app_id, name) for app_id, of_app in seen.items() for name in of_app))


def address(app: App) -> str:
    """Return the address of an app's page."""
    return f"/apps/{quote(app.app_id)}"


def state(status: Status) -> tuple[str, bool]:
    """Return how an app and its sidecar do, in words, and whether they work."""
    if status.pid is None and status.app.app_port:
        return ("not running" if status.sidecar_pid is None else "app not running"), False
    if status.sidecar_pid is None:
        return "sidecar not running", False
    return ("ready", True) if status.ready else ("not ready", False)


async def _components(
    labs: Labs, apps: list[App], statuses: dict[str, Status], components: list[Component]
) -> list[dict[str, str]]:
    async def of(app: App) -> dict[str, str]:
        if statuses[app.app_id].sidecar_pid is not None:
            try:
                return _names((await labs.metadata(app)).get("components", []))
            except httpx.HTTPError:
                pass  # it is starting, or has just ended: its scopes know too
        return {one.name: one.type for one in components if one.is_seen_by(app.app_id)}

    return await asyncio.gather(*(of(app) for app in apps))


def _names(loaded: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["type"] for one in loaded}


async def _control(labs: Labs) -> list[Node]:
    running = {one.name for one in await labs.below()}
    names = [name for name in infrastructure.names(labs.stack) if name != "redis"]
    parts = [Node(ENGINE, "control", "in each sidecar")]
    for name in ("redis", *names):
        note, works = ("runs", True) if name in running else ("not running", False)
        parts.append(Node(name, "control", note, works, url="#below"))
    return parts
