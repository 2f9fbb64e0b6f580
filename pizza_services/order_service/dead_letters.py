"""The events that could not be used, kept so that somebody can look at them: the last hundred, under one key."""

import asyncio
import json
import random
from datetime import UTC, datetime
from typing import Any

from models import DeadLetter, DeadLetters
from state_store import StateStore, StoreFailed

KEY = "dead-letters"
KEPT = 100
CHARACTERS_KEPT = 4000
TRIES = 50


class DeadLetterBox:
    """Takes dead letters and shows them. Raises StoreFailed."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    async def put(self, event: dict[str, Any]) -> None:
        """Keeps a dead letter, once."""
        # Events that nobody here made may have any id, or none.
        # In ASCII, because JSON can hold halves of characters, which no text can that is to be stored.
        event_id = str(event.get("id")).encode("ascii", "backslashreplace").decode()[:200]
        letter = DeadLetter(id=event_id, received_at=datetime.now(UTC), event=json.dumps(event)[:CHARACTERS_KEPT])
        for attempt in range(TRIES):
            stored = await self._store.read(KEY)
            letters = _parsed(stored.value).dead_letters
            if any(known.id == letter.id for known in letters):
                return
            kept = DeadLetters(dead_letters=[letter, *letters][:KEPT])
            if await self._store.save(KEY, kept.model_dump_json().encode(), stored.etag):
                return
            await asyncio.sleep(random.uniform(0, 0.01 * (attempt + 1)))
        raise StoreFailed(503, "state store", "The list of dead letters is written by too many at once.")

    async def all(self) -> DeadLetters:
        """The dead letters, the last one first."""
        return _parsed((await self._store.read(KEY)).value)


def _parsed(value: bytes) -> DeadLetters:
    return DeadLetters.model_validate_json(value) if value else DeadLetters(dead_letters=[])
