"""What happens to a turn that was announced: it is kept once, and the user's summary becomes due."""

import asyncio
import logging
from weakref import WeakValueDictionary

import memories
import tombstones
from conversations import Conversations
from failures import Forgotten
from forgetting import Forgetter
from memories import Memories
from models import ConversationUpdated
from store import StateStore
from summaries import Summaries
from tombstones import Tombstones, admits
from user_hash import UserHashes

log = logging.getLogger("memory.recording")


class Recorder:
    """Processes ConversationUpdated events. Any of them may come twice, late, or to two replicas at once."""

    def __init__(
        self,
        store: StateStore,
        hashes: UserHashes,
        stones: Tombstones,
        conversations: Conversations,
        known: Memories,
        forgetter: Forgetter,
        summaries: Summaries,
    ) -> None:
        self._store = store
        self._hashes = hashes
        self._tombstones = stones
        self._conversations = conversations
        self._memories = known
        self._forgetter = forgetter
        self._summaries = summaries
        self._turns_of: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def record(self, event: ConversationUpdated) -> None:
        """Keeps the turn and marks the summary as due; the refresh itself is left to summaries.py.

        Raises NotTheirs for another user's session, and DependencyFailed or Conflict, after which it can be repeated.
        """
        user_hash = await self._hashes.of(event.user_id)
        # For speed only: events of one user write the same keys, and would only lose against each other.
        async with self._turns_of.setdefault(user_hash, asyncio.Lock()):
            keys = self._conversations.keys_of(event.session_id, event.message_id)
            async with self._store.read_ahead(tombstones.key_of(user_hash), *keys, memories.key_of(user_hash)):
                await self._record(user_hash, event)

    async def _record(self, user_hash: str, event: ConversationUpdated) -> None:
        if not admits(await self._tombstones.get(user_hash), event.timestamp):
            # An earlier delivery of the same event may have died before it could clean up.
            await self._forgetter.clean(user_hash, event.session_id)
            log.info("An event of a forgotten user was dropped", extra={"fields": {"user_hash": user_hash}})
            return
        page = await self._conversations.append(user_hash, event)
        try:
            tombstone = await self._memories.mark_due(user_hash, event)
        except Forgotten:
            tombstone = await self._tombstones.get(user_hash)
        if admits(tombstone, event.timestamp):
            self._summaries.request(user_hash)
        else:
            await self._forgetter.clean(user_hash, event.session_id, page)
            log.info("A user was forgotten while an event was in hand", extra={"fields": {"user_hash": user_hash}})
