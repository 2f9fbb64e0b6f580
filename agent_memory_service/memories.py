"""The memory of each user, one key a user: `memory:{user_hash}`.

Keys are not encrypted, so none may contain a user id: a hash stands for the user.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field

from forgetting.tombstones import Tombstone, Tombstones
from kit.sidecar.store import Object, StateStore
from models import ConversationUpdated, Memory, MemoryDraft, MemoryPatch, now


class Due(BaseModel):
    """The turn since which a summary is out of date."""

    session_id: str
    message_id: str
    since: datetime

    def is_stale(self, seconds: float) -> bool:
        """Check whether the summary could have been refreshed by now."""
        return now() - self.since >= timedelta(seconds=seconds)


class StoredMemory(BaseModel):
    """A memory as it is stored: without the user id, which must not be in clear in the store."""

    name: str
    preferred_style: str = "casual"
    user_summary: str
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)
    # Made by `initialize` or `patch`, and not by a conversation only.
    given: bool = False
    due: Due | None = None
    # When the user last gave the summary themselves: it tells equal summaries apart.
    corrected_at: datetime | None = None

    def shown(self, user_id: str) -> Memory:
        """Return the memory for the API."""
        return Memory(user_id=user_id, **self.model_dump(include=set(Memory.model_fields)))


class Memories:
    """Read and write memories. A write is taken back if the user was forgotten since."""

    def __init__(self, store: StateStore[Object], tombstones: Tombstones) -> None:
        self._store = store.of(StoredMemory)
        self._tombstones = tombstones

    async def get(self, user_hash: str) -> StoredMemory | None:
        """Return a user's memory, or None."""
        return (await self._store.get(key_of(user_hash))).value

    async def initialize(self, user_hash: str, draft: MemoryDraft) -> tuple[StoredMemory | None, bool]:
        """Create a memory, or fill in one that a conversation made. Return it, and whether this did either.

        It allows events of a forgotten user again. While the forgetting is not done, there is no memory.
        """
        tombstone = await self._tombstones.get(user_hash)
        if tombstone.is_closed:
            if not tombstone.done:
                return None, False
            await self._tombstones.lift(user_hash)
        is_fresh = False
        new = StoredMemory(name=draft.name, user_summary="")
        fields = {name: value for name, value in draft.model_dump().items() if value}

        def edit(memory: StoredMemory | None) -> StoredMemory | None:
            nonlocal is_fresh
            is_fresh = memory is None or not memory.given
            return _given(memory or new, fields) if is_fresh else None

        memory, _ = await self._change(user_hash, edit)
        return memory, is_fresh

    async def patch(self, user_hash: str, patch: MemoryPatch) -> StoredMemory | None:
        """Change the given fields. Return None if the user is unknown or was forgotten."""
        fields = patch.model_dump(exclude_none=True)

        memory, _ = await self._change(user_hash, lambda memory: memory and _given(memory, fields))
        return memory

    async def mark_due(self, user_hash: str, turn: ConversationUpdated) -> bool:
        """Note that the summary lacks this turn. A user known only by this conversation gets a memory.

        Return False if the user is forgotten by now, and nothing of the turn may be kept.
        """
        due = Due(session_id=turn.session_id, message_id=turn.message_id, since=now())
        new = StoredMemory(
            name=turn.user_id[:100],
            user_summary=f"{turn.user_id} is a new user.",
            # As old as its turn: a late event must not make a memory that is young.
            created_at=turn.timestamp,
        )
        _, tombstone = await self._change(user_hash, lambda memory: (memory or new).model_copy(update={"due": due}))
        return tombstone.admits(turn.timestamp)

    async def refreshed(self, user_hash: str, read: StoredMemory, summary: str | None) -> bool:
        """Store the summary that was made of the memory `read`. Return whether a turn since makes it due again.

        A summary that the user has given since stays, and nothing is stored of a user forgotten since.
        """

        def edit(memory: StoredMemory | None) -> StoredMemory | None:
            if memory is None or memory.created_at != read.created_at:
                return None
            is_ours = summary is not None and memory.corrected_at == read.corrected_at
            fields = {"user_summary": summary, "updated_at": now()} if is_ours else {}
            due = None if memory.due == read.due else memory.due
            return memory.model_copy(update={**fields, "due": due})

        memory, _ = await self._change(user_hash, edit)
        return memory is not None and memory.created_at == read.created_at and memory.due is not None

    async def forget(self, user_hash: str) -> None:
        """Delete the memory, unless it is younger than the user's return."""
        await self._change(user_hash, lambda _: None)

    async def _change(
        self, user_hash: str, edit: Callable[[StoredMemory | None], StoredMemory | None]
    ) -> tuple[StoredMemory | None, Tombstone]:
        memory = await self._store.change(key_of(user_hash), edit)
        # The write may have brought back a memory that was deleted after it was read: see kit/sidecar/store.py.
        tombstone = await self._tombstones.get(user_hash, fresh=True)
        if memory is not None and not tombstone.admits(memory.created_at):
            await self._store.delete(key_of(user_hash))
            return None, tombstone
        return memory, tombstone


def _given(memory: StoredMemory, fields: dict[str, Any]) -> StoredMemory:
    at = now()
    corrected = {"corrected_at": at} if "user_summary" in fields else {}
    return memory.model_copy(update={**fields, **corrected, "given": True, "updated_at": at})


def key_of(user_hash: str) -> str:
    """Return the key of a user's memory."""
    return f"memory:{user_hash}"
