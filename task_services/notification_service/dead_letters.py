"""The routes of events that could not be processed: Dapr delivers them, and a person lists and replays them."""

from typing import Any, cast

from fastapi import APIRouter, Depends, HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from inbox import reason
from kit.edge.problems import documented
from kit.edge.token import only_dapr
from kit.sidecar.dead_letters import kept
from kit.sidecar.events import CloudEvent
from models import Before, DeadLetter, DeadLetterPage, EventAnswer, LetterIdPath, Limit, Replayed
from subscriptions.declarative import EVENT
from wiring import DeadEvent, ServicesDep

SHOWN_WHOLE = 16_000  # characters of an event

router = APIRouter(tags=["dead letters"])
from_dapr = APIRouter(prefix="/events", tags=["events"], dependencies=[Depends(only_dapr)])


@from_dapr.post("/dead", openapi_extra=EVENT, responses=documented(401, 502, 503, 504))
async def on_dead_letter(event: DeadEvent, services: ServicesDep) -> EventAnswer:
    """Keep an event that Dapr gave up, of any topic."""
    topic = event.get("topic")
    await services.letters.keep(event, reason(event, topic), topic=str(topic or "")[:100])
    return EventAnswer(status="SUCCESS")


@router.get("/dead-letters", responses=documented(422, 502, 503, 504))
async def list_dead_letters(services: ServicesDep, limit: Limit = 20, before: Before = None) -> DeadLetterPage:
    """Return the events that could not be processed, newest first."""
    found = await services.letters.newest(limit, before)
    shown = [{**letter, "event": kept(letter["event"], SHOWN_WHOLE)} for _, letter in found.entries]
    return DeadLetterPage(dead_letters=[DeadLetter(**letter) for letter in shown], next=found.next)


@router.post("/dead-letters/{letter_id}/replay", responses=documented(404, 422, 502, 503, 504))
async def replay(letter_id: LetterIdPath, services: ServicesDep) -> Replayed:
    """Process a dead letter again, and remove it from the list. One that still cannot be processed stays (422)."""

    async def take(found: Any) -> None:
        # Of a huge event the list keeps the beginning as text, which is no event.
        event = cast("CloudEvent", found) if isinstance(found, dict) else {"data": found}
        await services.inbox.take(event, event.get("topic"))

    try:
        if not await services.letters.replay(letter_id, take):
            raise HTTPException(404, "letter_id: there is no such dead letter.")
    except ValidationError as error:
        # The answer names the fields, as for a bad request.
        raise RequestValidationError(
            [{**fault, "loc": ("event", *fault["loc"])} for fault in error.errors()]
        ) from error
    return Replayed(id=letter_id)
