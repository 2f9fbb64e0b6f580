"""The map: apps, sidecars, control plane, stores and brokers, with the calls between them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from nicegui import ui

from console.components import read
from console.frame import frame, heading
from console.graph.brokers import broker_of
from console.graph.drawing import STYLE, draw_boxes, draw_edges
from console.graph.scene import Node, Scene, look
from console.labs import Labs
from console.parts import command, live, table, watch
from console.shared import Shared
from console.spans import edges
from console.spans.edges import Edge
from console.spans.store import SpanStore
from labctl import runfile
from labctl.up import infrastructure

WINDOW = 30.0  # seconds; a rate is that of the calls in this time
NO_RECEIVER = (
    "The sidecars send no spans, because nothing received spans when they started, so the map shows no calls. "
    "Start the labs with a console: ./lab down, then ./lab up --console. For a single app, ./lab restart APP is enough."
)
NO_CALLS = "No calls yet. Press a request on the page Labs: its way through the sidecars appears here."


@dataclass(frozen=True)
class Seen:
    """What the page shows. hint: why there are no calls, empty if there are some."""

    scene: Scene
    edges: list[Edge]
    hint: str


def install(labs: Labs, store: SpanStore) -> None:
    """Add the page."""
    calls = Shared(1.0, partial(_count, store))

    @ui.page("/")
    async def page(lab: str = "") -> None:
        apps = runfile.select(labs.apps, [lab] if lab in runfile.labs(labs.apps) else [])

        async def load() -> Seen:
            return Seen(await look(labs, apps), await calls.get(), hint(labs, store))

        with frame("Map", "/"):
            ui.add_css(STYLE)
            _filter(labs, lab)
            _Map(labs, load)
            heading("Redis and control plane").props("id=below")
            live(labs, 3, labs.below, partial(_draw_below, labs))


class _Map:
    """The picture, and the tables with the same facts. Only what changed is drawn again, so that focus stays."""

    def __init__(self, labs: Labs, load: Any) -> None:
        self._scene: Scene | None = None
        self._hint = ui.label().props('role="status"')
        with ui.element().classes("only-wide full-width overflow-auto q-mb-md"), ui.element().classes("map"):
            self._boxes = ui.element()
            self._edges = ui.element()
        heading("Calls").classes("q-mt-md")
        ends = {"source": "From", "target": "To", "rate": f"Calls in the last {WINDOW:.0f} s"}
        self._calls = table("Calls", ends, [], key="ends")
        heading("Apps")
        facts = {"name": "App", "group": "Lab", "note": "State", "sees": "Components"}
        self._apps = table("Apps", facts, [], key="name", links={"name": "url"})
        watch(labs, 2, load, self._show)

    def _show(self, seen: Seen) -> None:
        self._hint.text = seen.hint
        if seen.scene != self._scene:
            self._scene = seen.scene
            self._boxes.clear()
            with self._boxes:
                draw_boxes(seen.scene)
            self._apps.rows = [_row(seen.scene, node) for node in seen.scene.nodes if node.kind == "app"]
        self._edges.clear()
        with self._edges:
            draw_edges(seen.scene, seen.edges, WINDOW)
        shown = {node.name for node in seen.scene.nodes}
        self._calls.rows = [_call(edge) for edge in seen.edges if edge.source in shown and edge.target in shown]


def _row(scene: Scene, node: Node) -> dict[str, str]:
    sees = ", ".join(component for app, component in scene.sees if app == node.name)
    return {"name": node.name, "group": node.group, "note": node.note, "url": node.url, "sees": sees}


def _call(edge: Edge) -> dict[str, str]:
    ends = f"{edge.source} {edge.target}"
    return {"source": edge.source, "target": edge.target, "ends": ends, "rate": edge.rate(WINDOW)}


async def _count(store: SpanStore) -> list[Edge]:
    now = time.time()
    spans = store.since(int((now - WINDOW) * 1_000_000))
    # With a wrong clock a call would be counted until its time.
    lately = [span for span in spans if span.end <= (now + 5) * 1_000_000]
    return edges.count(lately, partial(broker_of, await read("pubsub.")))


def hint(labs: Labs, store: SpanStore) -> str:
    """Return why the map shows no calls, empty if it may show some."""
    if len(store):
        return ""
    return NO_CALLS if runfile.exports_spans(labs.stack) else NO_RECEIVER


def _filter(labs: Labs, chosen: str) -> None:
    with ui.element("nav").props('aria-label="Labs on the map"').classes("row q-mb-md").style("gap: 0.25rem 1rem"):
        for name in ("", *runfile.labs(labs.apps)):
            link = ui.link(name or "all labs", f"/?lab={name}" if name else "/").style("color: inherit")
            if name == chosen:
                link.props('aria-current="page"').classes("text-weight-bold")


def _draw_below(labs: Labs, running: list[infrastructure.Infrastructure]) -> None:
    known = {one.name: one for one in running}
    for name in infrastructure.names(labs.stack):
        one = known.get(name)
        with ui.row().classes("items-center q-mb-sm").style("gap: 0.5rem 1.5rem"):
            with ui.column().style("gap: 0; min-width: 16rem"):
                heading(name, level=3).classes("q-mb-none")
                whose = "" if one is None or one.ours else " Not started by ./lab, so it is not ended here."
                ui.label(f"Runs on port {one.port}, pid {one.pid}.{whose}" if one else "Not running.")
            if one and one.ours:
                command(labs, f"Kill {name}", "kill", name)
            if one is None or one.ours:
                command(labs, f"Restart {name}", "restart", name)
