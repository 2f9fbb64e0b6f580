"""Turns of conversations, and the list of each user's conversations."""

from datetime import datetime

from forgetting.tombstones import Tombstone
from kit.edge.problems import Refused
from kit.sidecar.collection import Collection
from kit.sidecar.pages import Pages
from kit.sidecar.store import Object, StateStore
from models import ConversationUpdated, History, Message


class Conversations:
    """`conversation:{session_id}` lists the turns of one; `sessions:{user_hash}` lists a user's, to forget them all.

    A turn has its own key, so it costs the same at the end of a long conversation as at its start.
    """

    def __init__(self, store: StateStore[Object]) -> None:
        self._store, self._pages = store, Pages(store)

    async def append(self, user_hash: str, turn: ConversationUpdated) -> None:
        """Add the turn unless it is there. Raise Refused if it is another user's session."""
        turns = self._turns(turn.session_id)
        owner = await self._owner(turns)
        if owner is None:
            # The list first: a conversation that is on no list would survive the forgetting of its user.
            await self._pages.add(f"sessions:{user_hash}", {"id": turn.session_id})
            head = await self._pages.change(turns.name, lambda head: {"user_hash": user_hash, **head})
            owner = head["user_hash"]
        if owner != user_hash:
            raise Refused(409, "session_id: the session belongs to another user.")
        item = turn.model_dump(mode="json", include={"user_message", "assistant_reply", "timestamp", "message_id"})
        await turns.change(turn.message_id, lambda known: known or item)

    async def history(
        self, session_id: str, limit: int, before: int | None = None, *, user_hash: str | None = None
    ) -> History | None:
        """Return up to `limit` messages older than number `before`; None if there is no such conversation.

        With a user, only if it is theirs. A turn is two messages, numbered by arrival, so that a page of them stays the
        same while turns are added. Within an answer they are in the order of their time, because events overtake each
        other.
        """
        turns = self._turns(session_id)
        async with self._store.read_ahead(turns.name):
            owner = await self._owner(turns)
            if owner is None or user_hash not in (None, owner):
                return None
            # One turn more than the limit needs: a page may begin or end with half a turn, and older ones may be left.
            some = await turns.newest(limit // 2 + 2, None if before is None else (before + 1) // 2)
        # Newest first; each turn twice, under the numbers of its two sides.
        messages = [(2 * number + side, turn) for number, turn in some.entries for side in (1, 0)]
        within = [one for one in messages if before is None or one[0] < before]
        page = sorted(within[:limit], key=lambda one: (datetime.fromisoformat(one[1]["timestamp"]), one[0]))
        following = str(within[limit - 1][0]) if len(within) > limit else None
        return History(session_id=session_id, history=[_message(*one) for one in page], next=following)

    async def sessions(self, user_hash: str) -> list[str]:
        """Return every session of the user."""
        found: dict[str, None] = {}
        before: int | None = None
        while True:
            some = await self._pages.newest(f"sessions:{user_hash}", self._pages.size, before)
            found |= dict.fromkeys(session["id"] for _, session in some.entries)
            if (before := some.next) is None:
                return list(found)

    async def purge(self, user_hash: str, session_id: str, tombstone: Tombstone, message_id: str | None = None) -> None:
        """Delete those of the user's turns of a session that their tombstone does not admit.

        message_id: of a turn that goes too, although it may be on no list by now.
        """
        turns = self._turns(session_id)
        if await self._owner(turns) in (None, user_hash):
            await turns.purge(lambda turn: tombstone.admits(datetime.fromisoformat(turn["timestamp"])))
            if message_id:
                await turns.remove(message_id)
            # Not if a younger turn may be in flight: it would be stored, and be on no list.
            if tombstone.is_closed:
                await self._pages.delete(turns.name)

    async def purge_list(self, user_hash: str) -> None:
        """Delete the list of the user's sessions."""
        await self._pages.delete(f"sessions:{user_hash}")

    def _turns(self, session_id: str) -> Collection[Object]:
        return Collection(self._store, self._pages, key_of(session_id), key_of(session_id, ""))

    async def _owner(self, turns: Collection[Object]) -> str | None:
        head = (await self._pages.head(turns.name)).value
        return head.get("user_hash") if head else None


def _message(number: int, turn: Object) -> Message:
    about = {"timestamp": turn["timestamp"], "message_id": turn["message_id"]}
    if number % 2:
        return Message(role="assistant", content=turn["assistant_reply"], **about)
    return Message(role="user", content=turn["user_message"], **about)


def key_of(session_id: str, message_id: str | None = None) -> str:
    """Return the key of a conversation's list, or of one of its turns."""
    name = f"conversation:{session_id}"
    return name if message_id is None else f"{name}:at:{message_id}"
