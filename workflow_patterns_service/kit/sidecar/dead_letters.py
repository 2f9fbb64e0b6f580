"""Events that could not be processed: kept, listed, processed again on request, and removed."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from kit.sidecar import events
from kit.sidecar.collection import Collection
from kit.sidecar.events import CloudEvent
from kit.sidecar.pages import Pages
from kit.sidecar.store import Object, StateStore

KEY = "dead-letters"
# Well below the 4 MiB that Dapr takes in one call.
KEPT_WHOLE = 250_000
BEGINNING = 4_000


class DeadLetters(Collection[Object]):
    """The list `dead-letters`: `{"id", "event_id", "received_at", "reason", "event"}` each. Methods raise Unavailable.

    An event that arrives twice is on it once. ttl: seconds after which a letter is gone; None keeps it for good.
    """

    def __init__(self, store: StateStore[Object], ttl: int | None = None) -> None:
        super().__init__(store, Pages(store, retention=ttl), KEY, f"{KEY}:at:", ttl)

    async def keep(self, event: CloudEvent, reason: str, **more: Any) -> str:
        """Keep an event and why it failed; return the letter's id. `more` are further members of the letter."""
        letter_id = events.digest(event)
        letter = {
            "id": letter_id,
            "event_id": events.id_of(event),
            "received_at": datetime.now(UTC).isoformat(),
            "reason": reason,
            "event": kept(event),
            **more,
        }
        await self.change(letter_id, lambda known: known or letter)
        return letter_id

    async def replay(self, letter_id: str, process: Callable[[Any], Awaitable[None]]) -> bool:
        """Process the event of a letter, then remove the letter. Return False if there is none.

        A letter stays if `process` raises. A crash after it leaves the letter too: to process it again must do no harm.
        """
        letter = await self.get(letter_id)
        if letter is None:
            return False
        await process(letter["event"])
        await self.remove(letter_id)
        return True


def kept(found: Any, whole: int = KEPT_WHOLE) -> Any:
    """Return what a list keeps: all of it or, if that has more than `whole` characters, its beginning and its size."""
    text = json.dumps(found)
    return found if len(text) <= whole else f"{text[:BEGINNING]} … ({len(text):,} characters)"
