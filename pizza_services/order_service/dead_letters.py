"""The events that could not be used, kept until somebody has them used after all: the last hundred, under one key."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from models import DeadLetter, DeadLetters
from state_store import StateStore, StoreFailed

KEY = "dead-letters"
KEPT = 100
# More than the largest event of an order has, so that each of those can be used after all.
CHARACTERS_KEPT = 16_000
TRIES = 50


class DeadLetterBox:
    """Takes dead letters, shows them, and gives them away. Raises StoreFailed."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    async def put(self, event: dict[str, Any]) -> None:
        """Keeps a dead letter, once."""
        # Events that nobody here made may have any id, or none.
        # In ASCII, because JSON can hold halves of characters, which no text can that is to be stored.
        event_id = str(event.get("id")).encode("ascii", "backslashreplace").decode()[:200]
        letter = DeadLetter(id=event_id, received_at=datetime.now(UTC), event=json.dumps(event)[:CHARACTERS_KEPT])

        def add(letters: list[DeadLetter]) -> list[DeadLetter]:
            known = any(known.id == letter.id for known in letters)
            return letters if known else [letter, *letters][:KEPT]

        await self._change(add)

    async def all(self) -> DeadLetters:
        """The dead letters, the last one first."""
        return _parsed((await self._store.read(KEY)).value)

    async def find(self, letter_id: str) -> DeadLetter | None:
        """One of them."""
        return next((letter for letter in (await self.all()).dead_letters if letter.id == letter_id), None)

    async def remove(self, letter_id: str) -> None:
        """Takes one off the list."""
        await self._change(lambda letters: [letter for letter in letters if letter.id != letter_id])

    async def _change(self, change: Callable[[list[DeadLetter]], list[DeadLetter]]) -> None:
        for attempt in range(TRIES):
            stored = await self._store.read(KEY)
            before = _parsed(stored.value).dead_letters
            after = change(before)
            if after == before:
                return
            kept = DeadLetters(dead_letters=after)
            if await self._store.save(KEY, kept.model_dump_json().encode(), stored.etag):
                return
            await asyncio.sleep(random.uniform(0, 0.01 * (attempt + 1)))
        raise StoreFailed(503, "state store", "The list of dead letters is written by too many at once.")


def _parsed(value: bytes) -> DeadLetters:
    return DeadLetters.model_validate_json(value) if value else DeadLetters(dead_letters=[])
