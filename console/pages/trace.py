"""One trace as a waterfall."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import httpx
from nicegui import ui

from console.frame import code, frame
from console.labs import Labs
from console.pager import Pager
from console.parts import watch
from console.spans.store import SpanStore
from console.traces.lines import Tree, workflows_of
from console.traces.rows import row_of
from console.waterfall import Waterfall, duration
from labctl import spans
from labctl.runfile import ZIPKIN
from labctl.spans import Span

EVERY = 2.0  # seconds: spans of a trace arrive in batches
PAGE_SIZE = 100  # lines
MOST_WORKFLOWS = 10


def install(labs: Labs, store: SpanStore) -> None:
    """Add the page."""

    @ui.page("/traces/{trace_id}")
    def page(trace_id: str) -> None:
        with frame("Trace", "/traces"):
            _Page(labs, store, trace_id.lower())


class _Page:
    """A trace on one open page, which grows while its spans arrive."""

    def __init__(self, labs: Labs, store: SpanStore, trace_id: str) -> None:
        self._labs = labs
        self._store = store
        self._trace_id = trace_id
        self._tree = Tree([])
        self._drawn = -1
        with ui.row().classes("q-mb-sm").style("align-items: center; gap: 0.25rem 1rem"):
            code(trace_id)
            ui.label("In a terminal:")
            code(f"./lab trace {trace_id}")
        self._about = ui.label().classes("q-mb-sm")
        self._workflows = ui.row().classes("q-mb-sm").style("gap: 0.25rem 1rem")
        self._pager = Pager("Spans", PAGE_SIZE, self._show_part)
        self._waterfall = Waterfall("Spans of the trace")
        self._take(store.trace(trace_id))
        self._show_part()
        watch(labs, EVERY, self._load, self._show)

    async def _load(self) -> int:
        # A trace only grows, so the number of its spans says whether there is something to draw. The store forgets
        # traces, and the page keeps those that it has drawn.
        found = self._store.trace(self._trace_id)
        if not found and self._drawn <= 0:
            found = await from_zipkin(self._labs, self._trace_id)
        self._take(found)
        return self._drawn

    def _take(self, found: Sequence[Span]) -> None:
        if len(found) > self._drawn:
            self._tree = Tree(found)
            self._describe(found)
            self._drawn = len(found)

    def _show(self, _: int) -> None:
        self._show_part()

    def _show_part(self) -> None:
        self._waterfall.show(self._tree.lines(self._pager.part(len(self._tree))), self._tree.seconds)

    def _describe(self, found: Sequence[Span]) -> None:
        if not found:
            self._about.text = "No span of this trace is known. A span arrives up to 5 s after its end."
            return
        row = row_of(found)
        failed = f", {row.errors} failed" if row.errors else ""
        self._about.text = f"{row.root} · {', '.join(row.services)} · {duration(row.seconds)}{failed}"
        workflows = workflows_of(found)
        self._workflows.clear()
        with self._workflows:
            for app_id, instance_id in workflows[:MOST_WORKFLOWS]:
                ui.link(
                    f"Workflow {instance_id} of {app_id}", f"/workflows/{app_id}/{quote(instance_id, safe='')}"
                ).style("color: inherit")
            if len(workflows) > MOST_WORKFLOWS:
                ui.label(f"and {len(workflows) - MOST_WORKFLOWS} more workflows")


async def from_zipkin(labs: Labs, trace_id: str) -> list[Span]:
    """Return the spans of a trace that only Zipkin remembers, none if it has none or does not run."""
    url = f"http://127.0.0.1:{ZIPKIN + labs.stack.offset}/api/v2/trace/{quote(trace_id, safe='')}"
    try:
        answer = await labs.http.get(url)
    except httpx.TransportError:
        return []
    return [spans.read(entry) for entry in answer.json()] if answer.status_code == 200 else []
