"""Events as Dapr delivers them: the turn that one announces, and their count, which shows a reader Dapr's retries."""

import re
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, HTTPException
from pydantic import ValidationError

from kit.edge.attempts import Attempts
from kit.edge.problems import Refused, documented
from kit.edge.service import from_state
from kit.edge.token import only_dapr
from kit.sidecar import events
from kit.sidecar.events import CloudEvent
from models import KEY_PART, ConversationUpdated, DeliveryCount

VALID = "The event is valid. Its session is another user's, or a dependency failed until the retries were used up."

Event = Annotated[CloudEvent, Depends(events.read)]
DeadEvent = Annotated[CloudEvent, Depends(events.read_dead)]
AttemptsDep = Annotated[Attempts, Depends(from_state("deliveries"))]

counts = APIRouter(prefix="/faults", tags=["faults"], dependencies=[Depends(only_dapr)])


def turn_of(event: CloudEvent) -> ConversationUpdated:
    """Return the turn that an event announces. Raise Refused for one that can never be recorded.

    The taught event has neither message_id nor timestamp: then the event's own id and time count.
    """
    data = events.data_of(event)
    if isinstance(data, dict):
        event_id = events.id_of(event)
        fits = re.fullmatch(KEY_PART, event_id) and len(event_id) <= 64
        known = {"message_id": event_id if fits else event_id and events.digest(event), "timestamp": event.get("time")}
        data = {name: value for name, value in known.items() if value} | cast("dict[str, Any]", data)
    try:
        return ConversationUpdated.model_validate(data)
    except ValidationError as error:
        raise Refused(422, events.why(error, event)) from error


def is_marker(event: CloudEvent) -> bool:
    """Check for an event that was written only to have its stream trimmed."""
    return event.get("type") == "StreamTrimmed"


def reason(event: CloudEvent) -> str:
    """Return why an event became a dead letter, which Dapr does not say."""
    try:
        turn_of(event)
    except Refused as refused:
        return str(refused)
    return VALID


async def count(event: Event, deliveries: AttemptsDep) -> None:
    """Count a delivery: a dependency of the route that Dapr retries."""
    deliveries.add(events.id_of(event))


@counts.get("/deliveries/{event_id}", responses=documented(404))
async def get_deliveries(event_id: str, deliveries: AttemptsDep) -> DeliveryCount:
    """Count the deliveries of the event with this CloudEvent id to this process, whether or not they succeeded."""
    found = deliveries.of(event_id)
    if found is None:
        raise HTTPException(404, "event_id: no event with this id was delivered.")
    return DeliveryCount(event_id=event_id, deliveries=found)
