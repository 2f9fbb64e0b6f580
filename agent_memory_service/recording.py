"""Record each announced turn once, and mark the user's summary as due."""

import asyncio
import logging
import re
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakValueDictionary

from pydantic import ValidationError

import memories
from conversations import Conversations
from forgetting import tombstones
from forgetting.forgetter import Forgetter
from forgetting.tombstones import Tombstones, admits
from kit.sidecar import events
from kit.sidecar.events import CloudEvent
from kit.sidecar.store import Object, StateStore
from memories import Forgotten, Memories
from models import KEY_PART, ConversationUpdated
from summaries.refresher import Summaries
from users import UserHashes

log = logging.getLogger("memory.recording")

VALID = "The event is valid. Its session is another user's, or a dependency failed until the retries were used up."


def turn_of(event: CloudEvent) -> ConversationUpdated:
    """Return the turn that an event announces. Raise ValidationError.

    The taught event has neither message_id nor timestamp: then the event's own id and time count.
    """
    data = events.data_of(event)
    if isinstance(data, dict):
        event_id = events.id_of(event)
        fits = re.fullmatch(KEY_PART, event_id) and len(event_id) <= 64
        known = {"message_id": event_id if fits else event_id and events.digest(event), "timestamp": event.get("time")}
        data = {name: value for name, value in known.items() if value} | cast("dict[str, Any]", data)
    return ConversationUpdated.model_validate(data)


def is_marker(event: CloudEvent) -> bool:
    """Check for an event that was written only to have its stream trimmed."""
    return event.get("type") == "StreamTrimmed"


def reason(event: CloudEvent) -> str:
    """Return why an event became a dead letter, which Dapr does not say."""
    try:
        turn_of(event)
    except ValidationError as error:
        return events.why(error, event)
    return VALID


@dataclass
class Recorder:
    """Record turns. Any of them may arrive twice, late, or at two replicas at once."""

    store: StateStore[Object]
    hashes: UserHashes
    tombstones: Tombstones
    conversations: Conversations
    memories: Memories
    forgetter: Forgetter
    summaries: Summaries
    _turns_of: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary[str, asyncio.Lock])

    async def record(self, turn: ConversationUpdated) -> None:
        """Store a turn, and have the summary refreshed later.

        Raise NotTheirs for another user's session, and Unavailable, after which it can be repeated.
        """
        user_hash = await self.hashes.of(turn.user_id)
        # For speed only: turns of one user write the same keys, and would lose against each other.
        async with self._turns_of.setdefault(user_hash, asyncio.Lock()):
            keys = self.conversations.keys_of(turn.session_id, turn.message_id)
            async with self.store.read_ahead(tombstones.key_of(user_hash), *keys, memories.key_of(user_hash)):
                if admits(await self.tombstones.get(user_hash), turn.timestamp):
                    page = await self.conversations.append(user_hash, turn)
                    is_admitted = await self._mark_due(user_hash, turn)
                else:
                    # An earlier delivery of the same event may have died before it could clean up.
                    page, is_admitted = 0, False
            if is_admitted:
                self.summaries.request(user_hash)
            else:
                # Another replica may have forgotten the user since the first look, so the turn may be stored by now.
                await self.forgetter.clean(user_hash, turn.session_id, page)
                log.info("turn of a forgotten user dropped")

    async def replay(self, event: CloudEvent) -> None:
        """Record the turn of a dead letter. Raise ValidationError too."""
        await self.record(turn_of(event))

    async def _mark_due(self, user_hash: str, turn: ConversationUpdated) -> bool:
        try:
            tombstone = await self.memories.mark_due(user_hash, turn)
        except Forgotten:
            tombstone = await self.tombstones.get(user_hash, fresh=True)
        return admits(tombstone, turn.timestamp)
