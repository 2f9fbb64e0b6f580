"""Events that could not be processed: kept, listed, and processed again when somebody asks for it."""

import hashlib
import json
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

from pydantic import AwareDatetime, TypeAdapter, ValidationError

import cloud_events
from models import ConversationUpdated, DeadLetter, now
from pages import PagedLog
from store import StateStore
from tombstones import Tombstone, Tombstones
from user_hash import UserHashes

PER_PAGE = 10
# A page must stay well below the 4 MiB that Dapr takes in one call.
LARGEST = 250_000
TIME = TypeAdapter[datetime](AwareDatetime)
RETRIES_USED_UP = "The event is valid; whatever it needed failed until the retries were used up."


class DeadLetters:
    """The list `dead-letters`, newest last. An event that is dead-lettered twice is on it once."""

    def __init__(self, store: StateStore, hashes: UserHashes, tombstones: Tombstones) -> None:
        self._log = PagedLog(store, "dead-letters", PER_PAGE)
        self._hashes = hashes
        self._tombstones = tombstones

    async def add(self, event: dict[str, Any]) -> None:
        """Keeps an event as it came, unless its user is forgotten."""
        user_hash = await self._user_hash(event)
        if not await self._may_be_kept(user_hash, event):
            return
        letter_id = _id_of(event)
        letter = {
            "id": letter_id,
            "event_id": str(event.get("id", ""))[:200],
            "received_at": now().isoformat(),
            "reason": reason(event),
            "event": event if len(json.dumps(event)) <= LARGEST else None,
            "user_hash": user_hash,
        }
        await self._log.open({})
        await self._log.append(letter_id, letter)
        if not await self._may_be_kept(user_hash, event):
            await self._log.remove(letter_id)

    async def newest(self, limit: int, before: int | None) -> tuple[list[DeadLetter], str | None]:
        """Newest first, and where the rest begins."""
        letters = await self._log.read(limit + 1, before)
        page = letters[-limit:]
        return [DeadLetter(**letter) for _, letter in reversed(page)], str(page[0][0]) if len(letters) > limit else None

    async def get(self, letter_id: str) -> DeadLetter | None:
        """One of them."""
        letter = await self._log.find(letter_id)
        return DeadLetter(**letter) if letter else None

    async def remove(self, letter_id: str) -> None:
        """Takes one off the list."""
        await self._log.remove(letter_id)

    async def forget(self, user_hash: str, tombstone: Tombstone) -> None:
        """Deletes a forgotten user's. It reads the whole list, which is short where somebody looks after it."""
        before: int | None = None
        while some := await self._log.read(PER_PAGE, before):
            before = some[0][0]
            for letter in (letter for _, letter in some if letter["user_hash"] == user_hash):
                if not _is_admitted(tombstone, letter["event"]):
                    await self._log.remove(letter["id"])

    async def _user_hash(self, event: dict[str, Any]) -> str | None:
        about = cloud_events.data(event)
        user_id = cast("dict[str, Any]", about).get("user_id") if isinstance(about, dict) else None
        return await self._hashes.of(user_id) if isinstance(user_id, str) else None

    async def _may_be_kept(self, user_hash: str | None, event: dict[str, Any]) -> bool:
        return user_hash is None or _is_admitted(await self._tombstones.get(user_hash), event)


def _is_admitted(tombstone: Tombstone | None, event: dict[str, Any] | None) -> bool:
    if tombstone is None:
        return True
    at = _said_at(event) if event else None
    return at is not None and tombstone.admits(at)


def _said_at(event: dict[str, Any]) -> datetime | None:
    """When it was said or, in an event that does not tell, sent."""
    about = cloud_events.data(event)
    said = cast("dict[str, Any]", about).get("timestamp") if isinstance(about, dict) else None
    for told in (said, event.get("time")):
        with suppress(ValidationError):
            return TIME.validate_python(told)
    return None


def _id_of(event: dict[str, Any]) -> str:
    """A letter's id, as part of keys and of URLs: the same for the same event, however often it comes.

    The event's own id is its client's choice, so two users may have the same: what the event says counts too. Its time
    and trace do not, for chat may publish a turn twice.
    """
    told = [event.get("source"), event["id"], event.get("data")] if event.get("id") else event
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def reason(event: dict[str, Any]) -> str:
    """Why an event could not be processed, without what is in it."""
    try:
        ConversationUpdated.model_validate(event.get("data"))
    except ValidationError as error:
        return told(error)
    return RETRIES_USED_UP


def told(error: ValidationError) -> str:
    """What is wrong, field by field, without the values."""
    faults = error.errors(include_input=False, include_url=False)[:20]
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'data'}: {fault['msg']}" for fault in faults)[:1000]
