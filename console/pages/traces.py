"""Traces: the latest, with filters that a link can carry, and the way to one by its id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from console.frame import code, frame
from console.labs import Labs
from console.pages import trace
from console.parts import table, watch
from console.spans.store import SpanStore
from console.traces.rows import MOST, TRACE_ID, Filter, Rows, TraceRow
from console.waterfall import badge, duration

EVERY = 1.5  # seconds
COLUMNS = {
    "time": "Time",
    "root": "What was called",
    "services": "Apps",
    "spans": "Spans",
    "took": "Took",
    "state": "Errors",
}
STATE = '<q-td :props="props"><span class="q-badge" :class="props.row.badge">{{ props.value }}</span></q-td>'
ROOT = """<q-td :props="props" style="white-space: normal; overflow-wrap: anywhere; min-width: 12rem">
<a :href="props.row.url" style="color: inherit">{{ props.value }}</a></q-td>"""


def install(labs: Labs, store: SpanStore) -> None:
    """Add the pages: the list, and one trace."""
    rows = Rows(store)
    trace.install(labs, store)

    @ui.page("/traces")
    def page(app: str = "", error: bool = False, chatter: bool = False) -> None:
        with frame("Traces", "/traces"):
            _Page(labs, rows, Filter(app, error, chatter))


class _Page:
    """The list on one open page. It is held still while the switch `Live` is off."""

    def __init__(self, labs: Labs, rows: Rows, wanted: Filter) -> None:
        self._rows = rows
        self._wanted = wanted
        self._apps = {"": "all apps"} | {app.app_id: app.app_id for app in labs.apps}
        with ui.row().classes("q-mb-sm").style("align-items: center; gap: 0.25rem 1rem"):
            self._draw_filters()
        _search()
        self._none = ui.label().classes("q-mb-sm")
        self._draw_table()
        self._show(rows.latest(wanted))  # part of the page itself, so it is there without another round trip
        watch(labs, EVERY, self._load, self._show)

    def _draw_filters(self) -> None:
        chosen = self._wanted.app if self._wanted.app in self._apps else ""
        self._app = ui.select(self._apps, value=chosen, label="App", on_change=self._filter)
        self._app.props("outlined dense").style("min-width: 12rem")
        self._errors = ui.switch("Errors only", value=self._wanted.error, on_change=self._filter)
        self._chatter = ui.switch("With chatter", value=self._wanted.chatter, on_change=self._filter)
        self._chatter.tooltip("Looks at health, metadata or a store alone, and the plumbing of the workflow engine")
        self._live = ui.switch("Live", value=True)

    def _draw_table(self) -> None:
        self._table = table("Traces", COLUMNS, [], key="id")
        self._table.add_slot("body-cell-root", ROOT)
        self._table.add_slot("body-cell-state", STATE)

    def _filter(self) -> None:
        self._wanted = Filter(self._app.value or "", bool(self._errors.value), bool(self._chatter.value))
        query = {"app": self._wanted.app}
        query |= {name: "true" for name in ("error", "chatter") if getattr(self._wanted, name)}
        given = urlencode({name: value for name, value in query.items() if value})
        ui.navigate.history.replace(f"/traces?{given}" if given else "/traces")
        self._show(self._rows.latest(self._wanted))

    async def _load(self) -> list[TraceRow] | None:
        return self._rows.latest(self._wanted) if self._live.value else None

    def _show(self, rows: Sequence[TraceRow] | None) -> None:
        if rows is None:
            return
        self._table.rows = [_cells(row) for row in rows]
        self._none.text = _sentence(self._wanted, len(rows))


def _sentence(wanted: Filter, shown: int) -> str:
    if shown:
        return f"The latest {shown} traces that match." if shown == MOST else ""
    if wanted.app or wanted.error:
        return "No trace matches the filters. A span arrives up to 5 s after its end."
    return "No trace yet. Call something, such as curl localhost:8002/call-greet/Ada. Its spans arrive within 5 s."


def _cells(row: TraceRow) -> dict[str, Any]:
    at = datetime.fromtimestamp(row.start / 1e6)
    state = f"{row.errors} failed" if row.errors else "ok"
    return {
        "id": row.trace_id,
        "time": f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}",
        "root": row.root,
        "url": f"/traces/{row.trace_id}",
        "services": ", ".join(row.services),
        "spans": row.spans,
        "took": duration(row.seconds),
        "state": state,
        "badge": badge("error" if row.errors else "ok"),
    }


def _search() -> None:
    def find() -> None:
        given = str(wanted.value or "").strip().lower()
        if TRACE_ID.fullmatch(given):
            ui.navigate.to(f"/traces/{given}")
        else:
            ui.notify("A trace id has 32 hexadecimal digits.", type="warning")

    with ui.row().classes("q-mb-sm").style("align-items: center; gap: 0.5rem"):
        wanted = ui.input("Trace id").props("outlined dense").style("width: 20rem; max-width: 100%")
        wanted.on("keydown.enter", find)
        ui.button("Open", on_click=find, color=None).props("no-caps outline")
        ui.label("In a terminal:")
        code("./lab trace last")
