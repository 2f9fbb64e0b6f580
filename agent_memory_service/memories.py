"""What is known of each user, one key a user: `memory:{user_hash}`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from failures import Forgotten
from models import ConversationUpdated, Memory, MemoryDraft, MemoryPatch, now
from store import Object, StateStore
from tombstones import Tombstone, Tombstones, admits


@dataclass(frozen=True)
class Due:
    """The turn since which the summary is out of date."""

    session_id: str
    message_id: str
    since: datetime


class Memories:
    """Reads and writes memories. Whatever it writes it takes back when the user was forgotten meanwhile."""

    def __init__(self, store: StateStore, tombstones: Tombstones) -> None:
        self._store = store
        self._tombstones = tombstones

    async def get(self, user_hash: str) -> Object | None:
        """A user's memory as it is stored."""
        return (await self._store.get(key_of(user_hash))).value

    async def initialize(self, user_hash: str, draft: MemoryDraft) -> tuple[Object, bool]:
        """Makes a memory, or fills in one that only a conversation made; the memory, and whether it did either.

        Raises Forgotten.
        """
        fresh = False

        def given(memory: Object | None) -> Object | None:
            nonlocal fresh
            fresh = memory is None or not memory["given"]
            if memory is not None and memory["given"]:
                return memory
            summary = draft.user_summary or (memory or {}).get("user_summary", "")
            told = draft.model_dump() | {"user_summary": summary, "given": True}
            return _new() | (memory or {}) | told | _corrected(draft.user_summary != "") | _touched()

        memory, _ = await self._change(user_hash, given)
        assert memory is not None
        return memory, fresh

    async def patch(self, user_hash: str, patch: MemoryPatch) -> Object | None:
        """Changes the fields that are given; None when there is no such memory."""
        fields = patch.model_dump(exclude_none=True)
        told = {**fields, "given": True, **_corrected("user_summary" in fields)}
        memory, _ = await self._change(user_hash, lambda memory: memory and {**memory, **told, **_touched()})
        return memory

    async def mark_due(self, user_hash: str, event: ConversationUpdated) -> Tombstone | None:
        """Says that the summary has to be made again; a user of whom only this conversation is known gets a memory.

        Returns the user's tombstone as it was after that. Raises Forgotten.
        """
        due = {"session_id": event.session_id, "message_id": event.message_id, "since": now().isoformat()}
        # As old as what it is made of: an event that comes late must not make a memory that is young.
        new = _new() | {"created_at": event.timestamp.isoformat()}
        new |= {"name": event.user_id[:100], "user_summary": f"{event.user_id} is a new user."}
        _, tombstone = await self._change(user_hash, lambda memory: {**(memory or new), "due": due})
        return tombstone

    async def refreshed(self, user_hash: str, read: Object, summary: str | None) -> bool:
        """Stores the summary made of the memory `read`; whether it is still due, because a turn came meanwhile.

        What a user said of themselves meanwhile stays; of one who was forgotten meanwhile nothing is stored.
        """

        def renewed(memory: Object | None) -> Object | None:
            if memory is None or memory["created_at"] != read["created_at"]:
                return None
            is_corrected = memory.get("corrected_at") != read.get("corrected_at")
            told = {} if summary is None or is_corrected else {"user_summary": summary, **_touched()}
            return {**memory, **told, "due": None if memory["due"] == read["due"] else memory["due"]}

        memory, _ = await self._change(user_hash, renewed)
        return memory is not None and memory["due"] is not None

    async def forget(self, user_hash: str) -> None:
        """Deletes the memory, unless it was made after the user had come back."""
        tombstone = await self._tombstones.get(user_hash)
        stored = await self._store.get(key_of(user_hash))
        if stored.value and stored.etag and not admits(tombstone, datetime.fromisoformat(stored.value["created_at"])):
            await self._store.delete_all([stored.key])

    async def _change(
        self, user_hash: str, edit: Callable[[Object | None], Object | None]
    ) -> tuple[Object | None, Tombstone | None]:
        memory = await self._store.change(key_of(user_hash), edit)
        # The write may have brought back what was deleted after it was read: see store.py.
        tombstone = await self._tombstones.get(user_hash)
        if memory is not None and not admits(tombstone, datetime.fromisoformat(memory["created_at"])):
            await self._store.delete_all([key_of(user_hash)])
            raise Forgotten
        return memory, tombstone


def due_of(memory: Object) -> Due | None:
    """What a memory's summary does not have yet."""
    due = memory["due"]
    return due and Due(due["session_id"], due["message_id"], datetime.fromisoformat(due["since"]))


def is_stale(due: Due, seconds: float) -> bool:
    """Whether whoever was to refresh the summary had the time to."""
    return now() - due.since >= timedelta(seconds=seconds)


def shown(user_id: str, memory: Object) -> Memory:
    """A stored memory as the API tells it; the id comes from the one who asks, for it is not stored."""
    return Memory(user_id=user_id, **{name: memory[name] for name in Memory.model_fields if name != "user_id"})


def key_of(user_hash: str) -> str:
    """Where a user's memory is."""
    return f"memory:{user_hash}"


def _new() -> Object:
    return {"preferred_style": "casual", "created_at": now().isoformat(), "given": False, "due": None, **_touched()}


def _corrected(is_given: bool) -> Object:
    """The mark of a summary that was given, not made: its time, which tells two that say the same apart."""
    return {"corrected_at": now().isoformat()} if is_given else {}


def _touched() -> Object:
    return {"updated_at": now().isoformat()}
