"""Workflows: the instances of all apps, page by page, with filters that a link can carry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from nicegui import app as nicegui_app
from nicegui import ui

from console import components
from console.frame import frame
from console.labs import Labs
from console.pager import Pager
from console.pages import workflow
from console.parts import table, watch
from console.spans.store import SpanStore
from console.waterfall import badge
from console.workflows.engine import Engine
from console.workflows.instances import MOST, MOST_READS, STATUSES, Index, Instance
from console.workflows.steering import Steering
from labctl import runfile
from labctl.runfile import App

EVERY = 1.0  # seconds
FIRST_WAIT = 0.6  # that an opened page waits for the first states, before it shows those that it has
PAGE_SIZE = 25
COLUMNS = {
    "id": "Instance",
    "app": "App",
    "name": "Workflow",
    "status": "Status",
    "created": "Created",
    "updated": "Updated",
}
CELLS = {
    "id": """<q-td :props="props" style="white-space: normal; overflow-wrap: anywhere; min-width: 10rem">
<a :href="props.row.url" style="color: inherit">{{ props.value }}</a></q-td>""",
    "status": """<q-td :props="props"><span class="q-badge" :class="props.row.badge">{{ props.value }}</span></q-td>""",
}


@dataclass(frozen=True)
class Filter:
    """What the list shows. name: a part of the workflow's name or of the instance's id."""

    app: str = ""
    name: str = ""
    status: str = ""

    def takes(self, instance: Instance) -> bool:
        """Return whether an instance is shown."""
        return (
            (not self.app or self.app == instance.app_id)
            and (not self.status or self.status == instance.status)
            and (self.name.lower() in instance.name.lower() or self.name.lower() in instance.id.lower())
        )


@dataclass(frozen=True)
class View:
    """One page of the list, and the sentences above it."""

    rows: list[dict[str, Any]]
    total: int
    notes: list[str]


def install(labs: Labs, store: SpanStore) -> None:
    """Add the pages: the list, and one instance."""
    index = Index(Engine(labs, app) for app in _with_workflows(labs))
    nicegui_app.on_shutdown(index.aclose)  # pyright: ignore[reportUnknownMemberType]
    workflow.install(labs, store, index, Steering(labs))

    @ui.page("/workflows")
    def list_page(app: str = "", name: str = "", status: str = "", page: int = 1) -> None:
        with frame("Workflows", "/workflows"):
            _Page(labs, index, Filter(app, name, status), page)


def _with_workflows(labs: Labs) -> list[App]:
    # A sidecar that does not see the actor store panics when it is asked for workflows (kit/engine/FAULTS.md).
    store = components.of_document(runfile.read_yaml(components.FOLDER / "actorstore.yaml")[0])
    return [app for app in labs.apps if store.is_seen_by(app.app_id)]


class _Page:
    """The list on one open page."""

    def __init__(self, labs: Labs, index: Index, wanted: Filter, page: int) -> None:
        self._index = index
        self._wanted = wanted
        self._draw_filters()
        self._notes = ui.column().classes("q-mb-sm").style("gap: 0.25rem")
        self._pager = Pager("Instances", PAGE_SIZE, self._turned, page)
        self._table = table("Workflow instances", COLUMNS, [], key="key")
        for name, template in CELLS.items():
            self._table.add_slot(f"body-cell-{name}", template)
        if index.all():  # what an earlier page has read is there without another round trip
            self._show(self._view())
        watch(labs, EVERY, self._load, self._show)

    def _draw_filters(self) -> None:
        apps = {"": "all apps"} | {app_id: app_id for app_id in self._index.engines}
        statuses = {"": "any status"} | {status: status for status in STATUSES}
        with ui.row().classes("q-mb-sm").style("align-items: center; gap: 0.5rem 1rem"):
            self._app = _choice("App", apps, self._wanted.app, self._filter)
            self._status = _choice("Status", statuses, self._wanted.status, self._filter)
            self._name = ui.input("Name or id has", value=self._wanted.name, on_change=self._filter)
            self._name.props("outlined dense debounce=300")

    def _filter(self) -> None:
        self._wanted = Filter(self._app.value or "", (self._name.value or "").strip(), self._status.value or "")
        self._pager.page = 1
        self._turned()

    def _turned(self) -> None:
        view = self._view()
        query = {"app": self._wanted.app, "name": self._wanted.name, "status": self._wanted.status}
        if self._pager.page > 1:
            query["page"] = str(self._pager.page)
        given = urlencode({name: value for name, value in query.items() if value})
        ui.navigate.history.replace(f"/workflows?{given}" if given else "/workflows")
        self._show(view)

    async def _load(self) -> View:
        await self._index.refresh(FIRST_WAIT)
        return self._view()

    def _view(self) -> View:
        found = [instance for instance in self._index.all() if self._wanted.takes(instance)]
        part = self._pager.part(len(found))
        return View([cells(instance) for instance in found[part]], len(found), _notes(self._index, self._wanted.app))

    def _show(self, view: View) -> None:
        self._table.rows = view.rows
        self._notes.clear()
        with self._notes:
            for note in view.notes or ([] if view.total else ["No instance matches the filters."]):
                ui.label(note)


def _choice(label: str, options: dict[str, str], chosen: str, on_change: Any) -> ui.select:
    value = chosen if chosen in options else ""
    drawn = ui.select(options, value=value, label=label, on_change=on_change)
    return drawn.props("outlined dense").style("min-width: 11rem")


def _notes(index: Index, app: str) -> list[str]:
    """Return the sentences about the list: which apps did not answer, and how old its statuses may be."""
    faults = {app_id: text for app_id, text in index.faults.items() if app in ("", app_id)}
    notes = [text for app_id, text in faults.items() if app_id not in index.absent]
    if absent := [app_id for app_id in faults if app_id in index.absent]:
        notes.append(f"Not running: {', '.join(absent)}. Start them: ./lab up")
    if faults and any(instance.app_id in faults for instance in index.all()):
        notes.append("Instances of an app that does not answer are shown as they were last seen.")
    if unread := sum(index.unread.values()):
        notes.append(f"The states of {unread:,} instances are still being read.")
    for app_id in sorted(index.cut):
        notes.append(f"{app_id} has more than {MOST:,} instances. List and filters look at {MOST:,} of them.")
    if len(index.all()) > MOST_READS:
        notes.append(f"A status may be old: at each look the console reads {MOST_READS} states again of each app.")
    return notes


def cells(instance: Instance) -> dict[str, Any]:
    """Return the row of an instance."""
    return {
        "key": f"{instance.app_id}/{instance.id}",
        "id": instance.id,
        "url": f"/workflows/{instance.app_id}/{quote(instance.id, safe='')}",
        "app": instance.app_id,
        "name": instance.name,
        "status": instance.status,
        "badge": badge(instance.status),
        "created": moment(instance.created),
        "updated": moment(instance.updated),
    }


def moment(at: datetime) -> str:
    """Return a time in this computer's zone, with its day unless that is today."""
    local = at.astimezone()
    is_today = local.date() == datetime.now().astimezone().date()
    return f"{local:%H:%M:%S}" if is_today else f"{local:%Y-%m-%d %H:%M}"
