"""Lab 2 live: schedule and delete jobs, and watch their runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from nicegui import ui

from console import sending
from console.frame import heading
from console.labs import Labs
from console.pages.lab.parts import Notice, grid, line
from console.pages.of_app import switches
from console.parts import action, table, watch
from labctl.errors import LabError

APP = "scheduler-test-py"
EVERY = 1.0  # seconds
SHOWN = 20  # runs
COLUMNS = {
    "at": "Fired at (UTC)",
    "job": "Job",
    "attempt": "Attempt",
    "outcome": "Outcome",
    "late": "Late by",
    "data": "Data",
}


class Jobs:
    """The form of a job."""

    def __init__(self, labs: Labs) -> None:
        self.labs = labs
        heading("Schedule a job")
        with line():
            self._name = ui.input("Name", value="console").props("dense outlined maxlength=64")
            self._schedule = ui.input("Schedule", value="@every 2s").props("dense outlined maxlength=200")
            self._repeats = ui.number("Repeats", value=3, min=1, step=1, precision=0).props("dense outlined")
            self._repeats.style("width: 7rem")
        self._replace = ui.checkbox("Replace a job of that name")
        with line():
            action(labs, "Schedule", self._add)
            action(labs, "Show", self._show)
            action(labs, "Delete", self._delete)
        self._notice = Notice()

    def _path(self, verb: str) -> str:
        return f"/{verb}/{quote(self._name.value or '', safe='')}"

    async def _add(self) -> None:
        order = {
            "schedule": self._schedule.value or None,
            "repeats": int(self._repeats.value) if self._repeats.value else None,
            "overwrite": bool(self._replace.value),
        }
        answer = await sending.ask(self.labs, APP, "POST", self._path("schedule-job"), order)
        self._notice.show(answer, str(answer.fields.get("message")))

    async def _show(self) -> None:
        answer = await sending.ask(self.labs, APP, "GET", self._path("get-job"))
        self._notice.show(answer, in_words(answer.fields.get("job_details") or {}))

    async def _delete(self) -> None:
        answer = await sending.ask(self.labs, APP, "DELETE", self._path("delete-job"))
        self._notice.show(answer, str(answer.fields.get("message")))


def in_words(job: Mapping[str, Any]) -> str:
    """Return a job as the scheduler knows it, in one line."""
    return ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in job.items())


def row(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run as a row of the table."""
    late = run.get("lateness_ms")
    return {
        "id": f"{run['fired_at']} {run['job_name']} {run['attempt']}",
        "at": str(run["fired_at"])[11:23],
        "job": str(run["job_name"]),
        "attempt": str(run["attempt"]),
        "outcome": str(run["outcome"]),
        "late": "unknown" if late is None else f"{late:,.1f} ms",
        "data": json.dumps(run.get("data"), ensure_ascii=False)[:80],
    }


def _runs(labs: Labs) -> None:
    heading("Runs")
    runs = table("Runs", COLUMNS, [], key="id")

    async def load() -> list[dict[str, Any]]:
        answer = await sending.look(labs, APP, f"/runs?limit={SHOWN}")
        if not answer.is_success:
            raise LabError(f"{APP} refused: {answer.sentence}")
        return [row(run) for run in answer.fields["runs"]]

    def show(rows: list[dict[str, Any]]) -> None:
        runs.rows = rows

    watch(labs, EVERY, load, show)


def draw(labs: Labs) -> None:
    """Draw the form, the fault switch of the callbacks, and the log of the runs."""
    with grid("26rem").classes("items-start"):
        with ui.column():
            Jobs(labs)
        with ui.column():
            heading(f"Faults of {APP}")
            switches.draw(labs, labs.find(APP))
    _runs(labs)
