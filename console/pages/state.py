"""The keys of the state stores, and what the scheduler has planned."""

from __future__ import annotations

from nicegui import ui

from console import components
from console.frame import frame, heading
from console.labs import Labs
from console.pages.kept import jobs, keys
from console.parts import table
from console.state.stores import Store, stores

COLUMNS = {"name": "Store", "apps": "Apps", "type": "Type", "encrypted": "Values", "form": "A key in Redis"}


def install(labs: Labs) -> None:
    """Add the page."""

    @ui.page("/state")
    async def page(owner: str = "", prefix: str = "") -> None:
        found = stores(await components.read("state."), [app.app_id for app in labs.apps])
        with frame("State and jobs", "/state"):
            heading("State stores")
            table("State stores", COLUMNS, [_row(store) for store in found], key="name")
            heading("Keys")
            keys.draw(labs, found, owner, prefix)
            heading("Jobs")
            jobs.draw_jobs(labs)
            heading("Reminders of actors, and timers of workflows")
            jobs.draw_reminders(labs)
            heading("Last runs of jobs")
            jobs.draw_runs(labs)


def _row(store: Store) -> dict[str, str]:
    return {
        "name": store.name,
        "apps": ", ".join(store.apps),
        "type": store.type,
        "encrypted": f"encrypted with {store.key_name}" if store.key_name else "not encrypted",
        "form": _form(store),
    }


def _form(store: Store) -> str:
    if store.is_for_actors:
        return "app id||actor type||actor id||key"
    return "app id||key" if store.owners == store.apps else "||".join((*store.owners, "key"))
