"""One workflow instance: its state, the buttons that steer it, and its history as a timeline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from dapr.ext.workflow._durabletask.internal.orchestration_pb2 import WorkflowState
from nicegui import ui

from console.frame import code, frame, heading
from console.labs import Labs
from console.pager import Pager
from console.pages import steer
from console.parts import watch
from console.spans.store import SpanStore
from console.waterfall import Line, Waterfall, badge, bounded, duration
from console.workflows.engine import Engine
from console.workflows.instances import ENDED, Index, status_of, time_of
from console.workflows.steering import Steering
from console.workflows.timeline import History, failure, read
from console.workflows.timeline_lines import lines_of

EVERY = 1.5  # seconds
PAGE_SIZE = 100  # lines of the history
SHORT = "%H:%M:%S"


@dataclass(frozen=True)
class View:
    """What the page shows. mark: changes whenever the rest does."""

    state: WorkflowState
    status: str
    history: History
    mark: tuple[str, int]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self.mark == other.mark


def install(labs: Labs, store: SpanStore, index: Index, steering: Steering) -> None:
    """Add the page."""

    @ui.page("/workflows/{app_id}/{instance_id:path}")
    def page(app_id: str, instance_id: str) -> None:
        with frame("Workflow", "/workflows"):
            engine = index.engines.get(app_id)
            if engine is None:
                ui.label(f"No app {app_id} has workflows. These have: {', '.join(index.engines)}.")
            else:
                _Page(labs, engine, steering, instance_id)


class _Page:
    """An instance on one open page."""

    def __init__(self, labs: Labs, engine: Engine, steering: Steering, instance_id: str) -> None:
        self._engine = engine
        self._instance_id = instance_id
        self._lines: list[Line] = []
        self._seconds = 0.0
        self._facts = ui.column().classes("q-mb-md").style("gap: 0.25rem")
        self._buttons = steer.Buttons(labs, engine, steering, instance_id)
        self._texts = ui.column().classes("full-width q-mb-md").style("gap: 0.5rem")
        heading("History")
        self._pager = Pager("Steps", PAGE_SIZE, self._show_part)
        self._waterfall = Waterfall("History of the workflow")
        watch(labs, EVERY, self._load, self._show)

    async def _load(self) -> View | None:
        state = await self._engine.state(self._instance_id, payloads=True)
        if state is None:
            return None
        events = await self._engine.history(self._instance_id)
        status = status_of(state)
        turn = state.lastUpdatedTimestamp.ToNanoseconds()
        return View(state, status, read(events), (f"{status} {turn} {state.customStatus.value}", len(events)))

    def _show(self, view: View | None) -> None:
        for part in (self._facts, self._texts):
            part.clear()
        self._buttons.show(view.status if view else "", view.history.awaited if view else [])
        with self._facts:
            if view is None:
                ui.label(f"{self._engine.app.app_id} has no workflow instance {self._instance_id}, or no longer.")
                return
            self._draw_facts(view)
        with self._texts:
            _draw_texts(view.state)
        self._lines, self._seconds = lines_of(view.history.entries, self._engine.app.app_id, datetime.now(UTC))
        self._show_part()

    def _show_part(self) -> None:
        self._waterfall.show(self._lines[self._pager.part(len(self._lines))], self._seconds)

    def _draw_facts(self, view: View) -> None:
        state, history = view.state, view.history
        created, updated = time_of(state.createdTimestamp), time_of(state.lastUpdatedTimestamp)
        with _row():
            code(self._instance_id)
            ui.badge(view.status, color=None).classes(badge(view.status))
        version = f", version {history.version}" if history.version else ""
        took = f" · took {duration((updated - created).total_seconds())}" if view.status in ENDED else ""
        ui.label(
            f"{state.name}{version} of {self._engine.app.app_id} · created {created.astimezone():{SHORT}}, "
            f"last turn {updated.astimezone():{SHORT}}{took}"
        )
        with _row():
            if history.trace_id:
                ui.link("Its trace", f"/traces/{history.trace_id}").style("color: inherit")
                code(f"./lab trace {history.trace_id}")
            if history.parent:
                app_id, instance_id = history.parent
                target = f"/workflows/{app_id}/{quote(instance_id, safe='')}"
                ui.link(f"Child of {instance_id}", target).style("color: inherit")
        if history.awaited:
            ui.label(f"Waits for: {', '.join(history.awaited)}")


def _draw_texts(state: WorkflowState) -> None:
    texts: Sequence[tuple[str, str]] = (
        ("Failure", failure(state.failureDetails) if state.HasField("failureDetails") else ""),
        ("Custom status", state.customStatus.value),
        ("Input", state.input.value),
        ("Output", state.output.value),
    )
    for label, text in texts:
        if text:
            with ui.expansion(label, value=label == "Failure").props("dense bordered").classes("full-width"):
                code(bounded(pretty(text))).style("white-space: pre-wrap; display: block")


def pretty(text: str) -> str:
    """Return JSON indented, and any other text as it is."""
    try:
        found: Any = json.loads(text)
    except json.JSONDecodeError:
        return text
    return found if isinstance(found, str) else json.dumps(found, indent=2, ensure_ascii=False)


def _row() -> ui.row:
    return ui.row().style("align-items: center; gap: 0.25rem 1rem")
