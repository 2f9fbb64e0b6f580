"""Process events of the topic schedule-job: schedule the job, or drop an event that can never be processed.

Dapr makes a dropped event a dead letter. Any body is accepted and checked here, because an error would make Dapr
deliver the event again and again, and lose it in the end.
"""

import hashlib
import json
import logging

from pydantic import ValidationError

from jobs import JobExists, JobRefused, Jobs
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.events import CloudEvent, data_of, id_of, why
from kit.sidecar.pages import Pages
from kit.sidecar.store import Object
from models import EventAnswer, JobEvent, JobOrder
from scheduling import list_of

# Dapr redelivers an event within minutes, and more events than this for one job name are not expected in that time.
LAST_EVENTS = 50

log = logging.getLogger("events")


async def schedule(event: CloudEvent, jobs: Jobs, pages: Pages) -> EventAnswer:
    """Schedule the job of an event. Raise Unavailable, so that Dapr delivers the event again."""
    try:
        asked = JobEvent.model_validate(data_of(event))
        order = JobOrder.model_validate(asked.model_dump(exclude={"job_name"}, exclude_unset=True))
        await schedule_once(asked.job_name, order, _mark(event), jobs, pages)
    except ValidationError as error:
        return _drop(event, why(error, event))
    except JobRefused as error:
        return _drop(event, f"the scheduler refuses it: {error}")
    except JobExists:
        return _drop(event, "another job has this name")
    return EventAnswer(status="SUCCESS")


async def schedule_once(name: str, order: JobOrder, mark: str, jobs: Jobs, pages: Pages) -> None:
    """Schedule the job that an event asks for. `mark` identifies the event, which may be delivered repeatedly.

    The marks of the last events are in the head of the job's list of runs (key `job:x`). They outlive the job, because
    a redelivered event must not schedule it again. Raise JobExists if another job has the name, or JobRefused.
    """
    if mark in _marks((await pages.head(list_of(name))).value or {}):
        return
    try:
        await jobs.schedule(name, order)
    except JobExists:
        # Another replica handles the same event at the same time, or was killed before it stored the mark.
        if not await jobs.has(name, order):
            raise
    # Only now: an event whose job could not be scheduled must be retried.
    await pages.change(list_of(name), lambda head: head | {"events": [*_marks(head), mark][-LAST_EVENTS:]})


async def keep(event: CloudEvent, letters: DeadLetters) -> EventAnswer:
    """Keep a dead letter. Dapr does not say why delivery failed, so the reason is looked for again."""
    try:
        JobEvent.model_validate(data_of(event))
        reason = "a job that the scheduler refused, or whose name was taken, or that could not be scheduled in time"
    except ValidationError as error:
        reason = why(error, event)
    await letters.keep(event, reason)
    return EventAnswer(status="SUCCESS")


def _mark(event: CloudEvent) -> str:
    """Return what all deliveries of an event have in common: source and id, or all of it if it has no id."""
    same = [event.get("source"), event["id"]] if event.get("id") else event
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:32]


def _marks(head: Object) -> list[str]:
    return head.get("events", [])


def _drop(event: CloudEvent, reason: str) -> EventAnswer:
    log.warning("event dropped", extra={"event_id": id_of(event), "reason": reason})
    return EventAnswer(status="DROP")
