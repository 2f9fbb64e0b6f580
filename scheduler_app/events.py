"""The topic schedule-job: an event schedules the job that it names; one that never can goes to the dead letters."""

import logging
from datetime import UTC, datetime

from pydantic import ValidationError

from failures import JobExists, JobRefused
from models import CloudEvent, DeadLetter, EventAnswer, JobEvent, JobOrder
from paged_log import Logs
from scheduling import Scheduling

DEAD_LETTERS = "dead-letters"

log = logging.getLogger("events")


async def take(event: CloudEvent, scheduling: Scheduling) -> EventAnswer:
    """Schedules the job of an event. Raises DependencyFailed, for Dapr to bring the event again."""
    try:
        asked = JobEvent.model_validate(event.data)
        order = JobOrder.model_validate(asked.model_dump(exclude={"job_name"}, exclude_unset=True))
        await scheduling.schedule_once(asked.job_name, order, event.id)
    except ValidationError as error:
        return _drop(event, why(error))
    except JobRefused as error:
        return _drop(event, f"the scheduler refuses it: {error}")
    except JobExists:
        return _drop(event, "another job has this name")
    return EventAnswer(status="SUCCESS")


async def bury(event: CloudEvent, logs: Logs) -> None:
    """Keeps an event that was given up. Dapr does not say why it was, so what can be seen is looked for again."""
    try:
        JobEvent.model_validate(event.data)
        reason = "a job that the scheduler refused, or whose name was taken, or that could not be scheduled in time"
    except ValidationError as error:
        reason = why(error)
    letter = DeadLetter(id=event.id, received_at=datetime.now(UTC), reason=reason, data=event.data)
    newest = await logs.newest(DEAD_LETTERS, limit=50)
    if not event.id or event.id not in (entry["id"] for _, entry in newest.entries):
        await logs.append({DEAD_LETTERS: [letter.model_dump(mode="json")]})


def why(error: ValidationError) -> str:
    """What is wrong with a payload, in one line."""
    found = [f"{'.'.join(map(str, one['loc'])) or 'data'}: {one['msg']}" for one in error.errors()[:5]]
    return "; ".join(found)[:500]


def _drop(event: CloudEvent, reason: str) -> EventAnswer:
    log.warning("Event dropped", extra={"fields": {"event_id": event.id, "reason": reason}})
    return EventAnswer(status="DROP")
