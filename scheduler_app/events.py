"""The topic schedule-job: an event schedules the job that it names; one that never can goes to the dead letters.

Whatever comes is taken, and judged here: an error would have Dapr send it again and again, and lose it in the end.
"""

import hashlib
import json
import logging
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import ValidationError

import bodies
from failures import JobExists, JobRefused
from models import DeadLetter, EventAnswer, JobEvent, JobOrder
from paged_log import Logs
from scheduling import Scheduling

DEAD_LETTERS = "dead-letters"

CloudEvent = dict[str, Any]

log = logging.getLogger("events")


def read(body: bytes) -> CloudEvent:
    """The event in a body. What is none is put into one, to be kept as a dead letter."""
    found = bodies.read(body)
    return cast("CloudEvent", found) if isinstance(found, dict) else {"data": found}


async def take(event: CloudEvent, scheduling: Scheduling) -> EventAnswer:
    """Schedules the job of an event. Raises DependencyFailed, for Dapr to bring the event again."""
    try:
        asked = JobEvent.model_validate(event.get("data"))
        order = JobOrder.model_validate(asked.model_dump(exclude={"job_name"}, exclude_unset=True))
        await scheduling.schedule_once(asked.job_name, order, _mark(event))
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
        JobEvent.model_validate(event.get("data"))
        reason = "a job that the scheduler refused, or whose name was taken, or that could not be scheduled in time"
    except ValidationError as error:
        reason = why(error)
    letter = DeadLetter(
        id=_mark(event), event_id=_id(event), received_at=datetime.now(UTC), reason=reason, event=bodies.kept(event)
    )
    newest = await logs.newest(DEAD_LETTERS, limit=50)
    if letter.id not in (entry["id"] for _, entry in newest.entries):
        await logs.append({DEAD_LETTERS: [letter.model_dump(mode="json")]})


def why(error: ValidationError) -> str:
    """What is wrong with a payload, in one line."""
    found = [f"{'.'.join(map(str, one['loc'])) or 'data'}: {one['msg']}" for one in error.errors()[:5]]
    return "; ".join(found)[:500]


def _mark(event: CloudEvent) -> str:
    """What two deliveries of one event have in common: its source and id; where it has no id, all of it."""
    same = [event.get("source"), event["id"]] if event.get("id") else event
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:32]


def _id(event: CloudEvent) -> str:
    # Publishers may choose it: of any type, and as long as they like.
    return str(event.get("id") or "")[:200]


def _drop(event: CloudEvent, reason: str) -> EventAnswer:
    log.warning("Event dropped", extra={"fields": {"event_id": _id(event), "reason": reason}})
    return EventAnswer(status="DROP")
