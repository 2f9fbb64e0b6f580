"""The routes of events that could not be processed: Dapr delivers them, and a person lists, replays or removes them."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

from fastapi import APIRouter, HTTPException
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from deliveries import DeadEvent, is_marker, reason
from kit.edge.problems import documented
from kit.sidecar import events
from kit.sidecar.events import CloudEvent
from models import BeforeQuery, DeadLetter, DeadLetterPath, DeadLetters, EventAnswer, LimitQuery, Replayed
from wiring import DOWN, Services, ServicesDep, from_dapr

TIME = TypeAdapter[datetime](AwareDatetime)
NO_LETTER = "letter_id: there is no such dead letter."

router = APIRouter()


@router.post("/events/conversations-dead", dependencies=from_dapr, responses=documented(401, *DOWN))
async def on_dead_letter(event: DeadEvent, services: ServicesDep) -> EventAnswer:
    """Keep an event that Dapr gave up."""
    user_id = _about(event).get("user_id")
    user_hash = await services.users.of(user_id) if isinstance(user_id, str) else None
    if not is_marker(event) and await _may_be_kept(services, user_hash, event):
        letter_id = await services.letters.keep(event, reason(event), user_hash=user_hash)
        # The user may just have been forgotten.
        if not await _may_be_kept(services, user_hash, event):
            await services.letters.remove(letter_id)
    return EventAnswer(status="SUCCESS")


@router.get("/dead-letters", response_model_exclude_none=True, responses=documented(422, *DOWN))
async def get_dead_letters(services: ServicesDep, limit: LimitQuery = 20, before: BeforeQuery = None) -> DeadLetters:
    """List events that could not be processed, newest first."""
    some = await services.letters.newest(limit, None if before is None else int(before))
    letters = [DeadLetter.model_validate(letter) for _, letter in some.entries]
    return DeadLetters(dead_letters=letters, next=None if some.next is None else str(some.next))


@router.post("/dead-letters/{letter_id}/replay", status_code=202, responses=documented(404, 409, 422, *DOWN))
async def replay(letter_id: DeadLetterPath, services: ServicesDep) -> Replayed:
    """Process a dead letter again; one that is still no valid event stays on the list (422)."""

    async def record(kept: object) -> None:
        # Of a huge event the list keeps the beginning as text, which is no event.
        event = cast("CloudEvent", kept) if isinstance(kept, dict) else {"data": kept}
        await services.recorder.record(event)

    if not await services.letters.replay(letter_id, record):
        raise HTTPException(404, NO_LETTER)
    return Replayed(id=letter_id)


@router.delete("/dead-letters/{letter_id}", status_code=204, responses=documented(404, 422, *DOWN))
async def delete_dead_letter(letter_id: DeadLetterPath, services: ServicesDep) -> None:
    """Remove a dead letter for good."""
    if not await services.letters.remove(letter_id):
        raise HTTPException(404, NO_LETTER)


async def _may_be_kept(services: Services, user_hash: str | None, event: CloudEvent) -> bool:
    return user_hash is None or (await services.tombstones.get(user_hash)).admits(_said_at(event))


def _said_at(event: CloudEvent) -> datetime:
    """Return when the turn was said or, if its event does not say, sent. Without both it counts as old."""
    for time in (_about(event).get("timestamp"), event.get("time")):
        with suppress(ValidationError):
            return TIME.validate_python(time)
    return datetime.min.replace(tzinfo=UTC)


def _about(event: CloudEvent) -> dict[str, Any]:
    data = events.data_of(event)
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}
