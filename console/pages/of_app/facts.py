"""What an app is and how it does: state, processes, and what its sidecar loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from console.graph.scene import state
from console.labs import Labs
from console.trouble import reason
from console.usage import Usage, measure
from labctl.runfile import App
from labctl.up.readiness import Status

PARTS = {"app": "App", "sidecar": "Sidecar"}


@dataclass(frozen=True)
class Facts:
    """How an app does. words: its state. why: why it is not ready, as it says itself."""

    words: str
    why: str
    processes: list[dict[str, str]]


async def look(labs: Labs, app: App) -> Facts:
    """Return how an app does now."""
    status = next(one for one in await labs.statuses() if one.app.app_id == app.app_id)
    found = [one for one in await labs.found() if one.name == app.app_id and one.kind in PARTS]
    usages = await measure(found)
    words, works = state(status)
    rows = [_row(app, kind, usages.get(kind)) for kind in PARTS if kind == "sidecar" or app.app_port]
    return Facts(words, "" if works else await _why(labs, app, status), rows)


def _row(app: App, kind: str, usage: Usage | None) -> dict[str, str]:
    ports = {label: port for label, port in app.ports.items() if (label == "app") == (kind == "app")}
    row = {"part": PARTS[kind], "ports": ", ".join(f"{label} {port}" for label, port in ports.items())}
    if usage is None:
        return row | {"pid": "not running", "cpu": "", "memory": ""}
    return row | {"pid": str(usage.pid), "cpu": f"{usage.cpu} %", "memory": f"{usage.memory} MB"}


async def _why(labs: Labs, app: App, status: Status) -> str:
    """Return why an app that runs is not ready: its own reason, or that of its sidecar."""
    if status.pid is None or status.sidecar_pid is None:
        return ""
    try:
        for answer in (
            await labs.sidecar(app, "GET", "/v1.0/healthz"),
            *([await labs.app(app, "GET", "/readyz")] if app.protocol == "http" else []),
        ):
            if not answer.is_success:
                return reason(answer)
    except httpx.HTTPError as error:
        return f"No answer ({type(error).__name__})."
    return ""


@dataclass(frozen=True)
class Loaded:
    """What a sidecar loaded, as rows of tables."""

    components: list[dict[str, str]]
    subscriptions: list[dict[str, str]]
    actors: list[dict[str, str]]


async def loaded(labs: Labs, app: App) -> Loaded:
    """Return what an app's sidecar loaded. Raise httpx.HTTPError when it does not answer."""
    document = await labs.metadata(app)
    components: list[dict[str, Any]] = document.get("components", [])
    subscriptions: list[dict[str, Any]] = document.get("subscriptions", [])
    actors: list[dict[str, Any]] = document.get("actorRuntime", {}).get("activeActors", [])
    return Loaded(
        [{"name": one["name"], "type": one["type"], "version": one.get("version", "")} for one in components],
        [_subscription(one) for one in subscriptions],
        [{"type": one["type"], "count": str(one.get("count", 0))} for one in actors],
    )


def _subscription(one: dict[str, Any]) -> dict[str, str]:
    routes = ", ".join(rule.get("path", "") for rule in one.get("rules", []))
    broker, topic = one["pubsubname"], one["topic"]
    return {
        "key": f"{broker} {topic}",
        "topic": topic,
        "broker": broker,
        "route": routes,
        "dead": one.get("deadLetterTopic", "") or "none",
    }
