"""Turns of conversations, in pages, and the list of each user's conversations."""

from collections.abc import Callable
from datetime import datetime

from deliveries import Refused
from kit.sidecar.store import Object, StateStore
from kit.sidecar.unique_pages import UniquePages
from models import ConversationUpdated, History, Message

PAGE_SIZE = 25
SESSIONS_PER_PAGE = 100


class Conversations:
    """`conversation:{session_id}` and its pages; `sessions:{user_hash}` lists a user's, so that all can be forgotten.

    A turn costs the same at the end of a long conversation as at its start: it reads and writes its page only.
    """

    def __init__(self, store: StateStore[Object]) -> None:
        self._store = store

    async def append(self, user_hash: str, turn: ConversationUpdated) -> int:
        """Add the turn unless it is there; return its page. Raise Refused if it is another user's session."""
        pages = self._turns(turn.session_id)
        head = await pages.head()
        if head is None:
            # The list first: a conversation that is on no list would survive the forgetting of its user.
            sessions = self._sessions(user_hash)
            await sessions.open({})
            await sessions.append(turn.session_id, {"session_id": turn.session_id})
            head = await pages.open({"user_hash": user_hash})
        if head["user_hash"] != user_hash:
            raise Refused(409, "session_id: the session belongs to another user.")
        item = turn.model_dump(mode="json", include={"user_message", "assistant_reply", "timestamp", "message_id"})
        return await pages.append(turn.message_id, item, head)

    def keys_of(self, session_id: str, message_id: str) -> tuple[str, str]:
        """Return the keys that `append` begins with."""
        pages = self._turns(session_id)
        return pages.key, pages.place(message_id)

    def key_of(self, session_id: str) -> str:
        """Return the key that `history` begins with."""
        return self._turns(session_id).key

    async def turns(self, session_id: str, count: int) -> list[Object]:
        """Return the newest turns, oldest first."""
        some = await self._turns(session_id).newest(count)
        return sorted((turn for _, turn in some.entries), key=lambda turn: datetime.fromisoformat(turn["timestamp"]))

    async def history(
        self, session_id: str, limit: int, before: int | None = None, *, user_hash: str | None = None
    ) -> History | None:
        """Return up to `limit` messages older than number `before`; None if there is no such conversation.

        With a user, only if it is theirs. A turn is two messages, numbered by arrival, so that a page of them stays the
        same while turns are added. Within an answer they are in the order of their time, because events overtake each
        other.
        """
        pages = self._turns(session_id)
        head = await pages.head()
        if head is None or user_hash not in (None, head["user_hash"]):
            return None
        # One turn more than the limit needs: a page may begin or end with half a turn, and older ones may be left.
        some = await pages.newest(limit // 2 + 2, None if before is None else (before + 1) // 2, head)
        # Newest first; each turn twice, under the numbers of its two sides.
        messages = [(2 * number + side, turn) for number, turn in some.entries for side in (1, 0)]
        within = [one for one in messages if before is None or one[0] < before]
        page = sorted(within[:limit], key=lambda one: (datetime.fromisoformat(one[1]["timestamp"]), one[0]))
        following = str(within[limit - 1][0]) if len(within) > limit else None
        return History(session_id=session_id, history=[_message(*one) for one in page], next=following)

    async def sessions(self, user_hash: str) -> list[str]:
        """Return every session of the user."""
        pages = self._sessions(user_hash)
        found: list[str] = []
        before: int | None = None
        while True:
            some = await pages.newest(SESSIONS_PER_PAGE, before)
            found += [session["session_id"] for _, session in some.entries]
            if (before := some.next) is None:
                return found

    async def purge(
        self,
        user_hash: str,
        session_id: str,
        keep: Callable[[datetime], bool],
        page: int = 0,
        message_id: str | None = None,
    ) -> None:
        """Delete the user's turns of a session, except those of a time to `keep`.

        page: one that surely exists. message_id: of a turn that may have a place, and never got to its page.
        """
        pages = self._turns(session_id)
        head = await pages.head()
        if head is None or head["user_hash"] == user_hash:
            await pages.purge(lambda turn: keep(datetime.fromisoformat(turn["timestamp"])), page)
            if message_id:
                await pages.remove(message_id)

    async def purge_list(self, user_hash: str) -> None:
        """Delete the list of the user's sessions."""
        await self._sessions(user_hash).purge(lambda _: False)

    def _turns(self, session_id: str) -> UniquePages:
        return UniquePages(self._store, f"conversation:{session_id}", PAGE_SIZE)

    def _sessions(self, user_hash: str) -> UniquePages:
        return UniquePages(self._store, f"sessions:{user_hash}", SESSIONS_PER_PAGE)


def _message(number: int, turn: Object) -> Message:
    about = {"timestamp": turn["timestamp"], "message_id": turn["message_id"]}
    if number % 2:
        return Message(role="assistant", content=turn["assistant_reply"], **about)
    return Message(role="user", content=turn["user_message"], **about)
