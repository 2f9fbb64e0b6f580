"""Process events of the topic schedule-job: schedule the job, or drop an event that can never be processed.

Dapr makes a dropped event a dead letter. Any body is accepted and checked here, because an error would make Dapr
deliver the event again and again, and lose it in the end.
"""

import logging

from pydantic import ValidationError

from jobs import JobExists, JobRefused, Jobs
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.events import CloudEvent, data_of, digest, id_of, why
from kit.sidecar.pages import Pages
from kit.sidecar.store import Object
from models import EventAnswer, JobEvent
from scheduling import list_of

# Dapr redelivers an event within minutes, and more events than this for one job name are not expected in that time.
LAST_EVENTS = 50

log = logging.getLogger("events")


async def schedule(event: CloudEvent, jobs: Jobs, pages: Pages) -> EventAnswer:
    """Schedule the job of an event. Raise Unavailable, so that Dapr delivers the event again."""
    try:
        asked = JobEvent.model_validate(data_of(event))
        await schedule_once(asked, digest(event), jobs, pages)
    except ValidationError as error:
        return _drop(event, why(error, event))
    except JobRefused as error:
        return _drop(event, f"the scheduler refuses it: {error.reason}")
    except JobExists:
        return _drop(event, "another job has this name")
    return EventAnswer(status="SUCCESS")


async def schedule_once(asked: JobEvent, mark: str, jobs: Jobs, pages: Pages) -> None:
    """Schedule the job that an event asks for. `mark` identifies the event, which may be delivered repeatedly.

    The marks of the last events are in the head of the job's list of runs (key `job:x`). They outlive the job, because
    a redelivered event must not schedule it again. Raise JobExists if another job has the name, or JobRefused.
    """
    key = list_of(asked.job_name)
    if mark in _marks((await pages.head(key)).value or {}):
        return
    try:
        await jobs.schedule(asked.job_name, asked)
    except JobExists:
        # Another replica handles the same event at the same time, or was killed before it stored the mark.
        if not await jobs.has(asked.job_name, asked):
            raise
    # Only now: an event whose job could not be scheduled must be retried.
    await pages.change(key, lambda head: head | {"events": _with_mark(head, mark)})


async def keep(event: CloudEvent, letters: DeadLetters) -> EventAnswer:
    """Keep a dead letter. Dapr does not say why delivery failed, so the reason is looked for again."""
    try:
        JobEvent.model_validate(data_of(event))
        reason = "a job that the scheduler refused, or whose name was taken, or that could not be scheduled in time"
    except ValidationError as error:
        reason = why(error, event)
    await letters.keep(event, reason)
    return EventAnswer(status="SUCCESS")


def _marks(head: Object) -> list[str]:
    return head.get("events", [])


def _with_mark(head: Object, mark: str) -> list[str]:
    return [*(one for one in _marks(head) if one != mark), mark][-LAST_EVENTS:]


def _drop(event: CloudEvent, reason: str) -> EventAnswer:
    log.warning("event dropped", extra={"event_id": id_of(event), "reason": reason})
    return EventAnswer(status="DROP")
