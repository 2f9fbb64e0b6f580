"""Record each announced turn once, and mark the user's summary as due."""

import asyncio
import logging
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import conversations
import memories
from conversations import Conversations
from deliveries import is_marker, turn_of
from forgetting import tombstones
from forgetting.forgetter import Forgetter
from forgetting.tombstones import Tombstones
from kit.sidecar.events import CloudEvent
from kit.sidecar.secrets import UserHashes
from kit.sidecar.store import Object, StateStore
from memories import Memories
from summaries.refresher import Summaries

log = logging.getLogger("memory.recording")


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

    async def record(self, event: CloudEvent) -> None:
        """Store the turn that an event announces, and have the summary refreshed later.

        Raise Refused if it can never be stored. Raise Unavailable if the event may be delivered again.
        """
        if is_marker(event):
            return
        turn = turn_of(event)
        user_hash = await self.hashes.of(turn.user_id)
        # For speed only: turns of one user write the same keys, and would lose against each other.
        async with self._turns_of.setdefault(user_hash, asyncio.Lock()):
            keys = [conversations.key_of(turn.session_id, one) for one in (None, turn.message_id)]
            async with self.store.read_ahead(tombstones.key_of(user_hash), *keys, memories.key_of(user_hash)):
                is_admitted = (await self.tombstones.get(user_hash)).admits(turn.timestamp)
                if is_admitted:
                    await self.conversations.append(user_hash, turn)
                    # Another replica may have forgotten the user since the first look.
                    is_admitted = await self.memories.mark_due(user_hash, turn)
            if is_admitted:
                self.summaries.request(user_hash)
            else:
                # The turn may be stored, by this delivery of its event or by one that died before it could clean up.
                await self.forgetter.clean(user_hash, turn)
                log.info("turn of a forgotten user dropped")
