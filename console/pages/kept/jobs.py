"""Jobs, reminders and timers with their next firing, and the last runs of jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from nicegui import ui

from console.jobs import planned, runs
from console.jobs.planned import Plan, Planned
from console.jobs.runs import Run
from console.labs import Labs
from console.parts import table, watch
from console.times import clock, duration, read

WITHOUT_LIMIT = 9999  # the year for which the engine sets the timer of a wait that has none
JOB_COLUMNS = {
    "name": "Job",
    "owner": "App",
    "schedule": "Schedule",
    "following": "Next firing",
    "fired": "Fired",
    "left": "Left",
    "attempts": "Failed attempts",
    "expires": "Expires",
}
REMINDER_COLUMNS = {
    "name": "Name",
    "kind": "Kind",
    "owner": "Of",
    "schedule": "Schedule",
    "following": "Next firing",
}
RUN_COLUMNS = {
    "job": "Job",
    "fired": "Fired at",
    "late": "Late by",
    "attempt": "Attempt",
    "outcome": "Outcome",
}


def draw_jobs(labs: Labs) -> None:
    """Draw the jobs of apps."""
    ui.label("From the scheduler's etcd.").classes("text-caption q-mb-sm")
    _draw_plan(labs, "Jobs", JOB_COLUMNS, lambda: planned.jobs(labs), 2.0)


def draw_reminders(labs: Labs) -> None:
    """Draw the reminders of actors and the timers of workflows."""
    ui.label("From the scheduler's etcd. The workflow engine is made of actors, so its timers are reminders.").classes(
        "text-caption q-mb-sm"
    )
    _draw_plan(labs, "Reminders and timers", REMINDER_COLUMNS, lambda: planned.reminders(labs), 5.0)


def _draw_plan(labs: Labs, label: str, columns: dict[str, str], load: Any, seconds: float) -> None:
    counted = ui.label().classes("q-mb-sm")

    def show(plan: Plan) -> None:
        now = datetime.now(UTC)
        counted.text = sentence(plan)
        drawn.rows = [row_of(one, now) for one in plan.planned]

    drawn = table(label, columns, [], key="key", links={"owner": "url"}, page_size=20)
    watch(labs, seconds, load, show)


def sentence(plan: Plan) -> str:
    """Return how many there are, and how many of them the table shows."""
    if not plan.count:
        return "None."
    shown = f"{len(plan.planned):,} of {plan.count:,}, the next ones first."
    if not plan.is_whole:
        return f"{shown} Not all were looked at."
    left_out = plan.count - len(plan.planned)
    return f"{shown} The others are later, or delete a finished workflow." if left_out else shown


def row_of(one: Planned, now: datetime) -> dict[str, Any]:
    """Return a job or reminder as a row."""
    return {
        "key": f"{one.kind}/{one.owner}/{one.name}",
        "name": one.name,
        "kind": one.kind,
        "owner": f"{one.owner}, {one.actor}" if one.actor else one.owner,
        "url": _url(one),
        "schedule": one.schedule or "once",
        "following": _following(one.following, now),
        "fired": one.fired,
        "left": "no end" if one.left is None else one.left,
        "attempts": one.attempts,
        "expires": clock(one.expires) or "never",
    }


def _url(one: Planned) -> str:
    if one.kind == "workflow":
        # An activity's actor is `instance::task::run`, and a finished run's `instance:run`.
        return f"/workflows/{quote(one.owner, safe='')}/{quote(one.actor.partition('::')[0], safe='')}"
    return f"/apps/{quote(one.owner, safe='')}"


def _following(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "none"
    if moment.year == WITHOUT_LIMIT:
        return "waits without a time limit"
    left = (moment - now).total_seconds()
    return f"{clock(moment)} (in {duration(left)})" if left >= 0 else f"{clock(moment)} ({duration(-left)} ago)"


def draw_runs(labs: Labs) -> None:
    """Draw the last runs of jobs."""
    ui.label(f"From GET /runs of {runs.KEEPER}, which records them. Dapr keeps no log of runs.").classes(
        "text-caption q-mb-sm"
    )

    def show(found: list[Run]) -> None:
        drawn.rows = [run_row(run) for run in found]

    drawn = table("Last runs", RUN_COLUMNS, [], key="key")
    watch(labs, 2.0, lambda: runs.newest(labs), show)


def run_row(run: Run) -> dict[str, Any]:
    """Return a run as a row."""
    return {
        "key": f"{run.job_name}/{run.fired_at}",
        "job": run.job_name,
        "fired": clock(read(run.fired_at)),
        "late": "" if run.lateness_ms is None else f"{run.lateness_ms:,.0f} ms",
        "attempt": run.attempt or "",
        "outcome": run.outcome,
    }
