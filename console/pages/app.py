"""One app: its addresses, state, faults, components, jobs and logs, and the buttons that break it."""

from __future__ import annotations

from functools import partial

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from console.frame import code, frame, heading
from console.jobs import planned
from console.jobs.planned import Planned
from console.labs import Labs
from console.pages.of_app import facts, switches
from console.pages.of_app.facts import Facts, Loaded
from console.parts import command, live, table, watch
from console.spans.store import SpanStore
from console.tails import tail
from labctl import runfile
from labctl.errors import LabError
from labctl.runfile import App

PROCESSES = {"part": "Process", "pid": "Pid", "cpu": "CPU", "memory": "Memory", "ports": "Ports"}
COMPONENTS = {"name": "Component", "type": "Type", "version": "Version"}
SUBSCRIPTIONS = {"topic": "Topic", "broker": "Broker", "route": "Route", "dead": "Dead letters"}
ACTORS = {"type": "Actor type", "count": "Active here"}
JOBS = {"name": "Job", "schedule": "Schedule", "next": "Next", "fired": "Fired"}


def install(labs: Labs, store: SpanStore) -> None:
    """Add the page."""

    @ui.page("/apps/{app_id}")
    async def page(app_id: str) -> None:
        try:
            app = labs.find(app_id)
        except LabError as error:
            with frame("No such app", "/apps"):
                ui.label(str(error))
            return
        with frame(app.app_id, "/apps"):
            _draw(labs, app)


def _draw(labs: Labs, app: App) -> None:
    _addresses(app)
    heading("State")
    words = ui.label().classes("text-weight-bold").props('role="status"')
    why = ui.label()
    processes = table("Processes", PROCESSES, [], key="part")

    def show(now: Facts) -> None:
        words.text, why.text, processes.rows = now.words.capitalize(), now.why, now.processes

    watch(labs, 2, partial(facts.look, labs, app), show)
    heading("Break it")
    _buttons(labs, app)
    heading("Fault switches")
    switches.draw(labs, app)
    heading("What its sidecar loaded").classes("q-mt-md")
    live(labs, 4, partial(facts.loaded, labs, app), _draw_loaded)
    heading("Jobs")
    live(labs, 4, partial(_jobs, labs, app), _draw_jobs)
    for title, kind in (("Log of the app", "app"), ("Log of its sidecar", "daprd")):
        heading(title)
        _log(labs, app, title, kind)


def _addresses(app: App) -> None:
    with ui.row().classes("items-center q-mb-md").style("gap: 0.25rem 1.5rem"):
        ui.label(f"Lab {app.lab}")
        code(runfile.short(app.folder))
        if app.app_port and app.protocol == "http":
            for name, url in ((app.url, app.url), ("its API", f"{app.url}/docs")):
                ui.link(name, url, new_tab=True).style("color: inherit")
        elif app.app_port:
            code(app.url)
        ui.label("sidecar")
        code(f"http://localhost:{app.http_port}")
        ui.link("its traces", f"/traces?app={app.app_id}").style("color: inherit")


def _buttons(labs: Labs, app: App) -> None:
    name = app.app_id
    command(labs, "Kill app", "kill", name, effect="kill -9 of the app. Its sidecar stays, and calls to it fail.")
    command(labs, "Kill sidecar", "kill", name, "--sidecar", effect="kill -9. The app cannot call out or be called.")
    command(labs, "Restart", "restart", name, effect="App and sidecar end with SIGTERM and start again.")
    command(labs, "Restart sidecar", "restart", name, "--sidecar", effect="The app keeps running.")


def _draw_loaded(loaded: Loaded) -> None:
    table("Components", COMPONENTS, loaded.components, key="name")
    if loaded.subscriptions:
        table("Subscriptions", SUBSCRIPTIONS, loaded.subscriptions, key="key")
    if loaded.actors:
        table("Actors", ACTORS, loaded.actors, key="type")


async def _jobs(labs: Labs, app: App) -> list[Planned]:
    return [one for one in (await planned.jobs(labs)).planned if one.owner == app.app_id]


def _draw_jobs(jobs: list[Planned]) -> None:
    if not jobs:
        ui.label("No jobs are planned for it.").classes("q-mb-md")
        return
    table("Jobs", JOBS, [_job(one) for one in jobs], key="name")


def _job(job: Planned) -> dict[str, str]:
    due = f"{job.following:%Y-%m-%d %H:%M:%S} UTC" if job.following else "unknown"
    return {"name": job.name, "schedule": job.schedule or "once", "next": due, "fired": str(job.fired)}


def _log(labs: Labs, app: App, title: str, kind: str) -> None:
    # The last line is in view, because the box grows from its end.
    box = ui.element().classes("q-mb-md full-width").props('role="region" tabindex="0"')
    box.props["aria-label"] = title
    box.style(
        "max-height: 20rem; overflow: auto; display: flex; flex-direction: column-reverse; border: 1px solid #888"
    )
    with box:
        text = TextElement(tag="pre", text="").classes("q-ma-none q-pa-sm text-caption")
        text.style("white-space: pre-wrap; overflow-wrap: anywhere")

    watch(labs, 2, partial(tail, labs.stack, app, kind), lambda lines: text.set_text(lines or "No log yet."))
