"""Turns of conversations, in pages (pages.py), and which conversations a user has."""

from collections.abc import Callable
from datetime import datetime

from models import ConversationUpdated, History, Message
from pages import PagedLog
from store import Object, StateStore

PAGE_SIZE = 25
SESSIONS_PER_PAGE = 100


class NotTheirs(Exception):
    """The session belongs to another user."""


class Conversations:
    """`conversation:{session_id}` and its pages; `sessions:{user_hash}` lists a user's, so that all can be forgotten.

    A turn costs the same at the end of a long conversation as at its start: it reads and writes its page only.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store

    async def append(self, user_hash: str, event: ConversationUpdated) -> int:
        """Adds the turn unless it is there; returns its page. Raises NotTheirs."""
        log = self._turns(event.session_id)
        head = await log.head()
        if head is None:
            # The list first: a conversation that is on no list would survive the forgetting of its user.
            sessions = self._sessions(user_hash)
            await sessions.open({})
            await sessions.append(event.session_id, {"session_id": event.session_id})
            head = await log.open({"user_hash": user_hash})
        if head["user_hash"] != user_hash:
            raise NotTheirs(event.session_id)
        turn = event.model_dump(mode="json", include={"user_message", "assistant_reply", "timestamp", "message_id"})
        return await log.append(event.message_id, turn, head)

    def keys_of(self, session_id: str, message_id: str) -> tuple[str, str]:
        """The keys that `append` begins with."""
        log = self._turns(session_id)
        return log.key, log.place(message_id)

    def key_of(self, session_id: str) -> str:
        """The key that `newest` begins with."""
        return self._turns(session_id).key

    async def turns(self, session_id: str, count: int) -> list[Object]:
        """The newest turns, oldest first."""
        return _in_time([turn for _, turn in await self._turns(session_id).read(count)])

    async def history(self, session_id: str, limit: int, before: int | None) -> History | None:
        """Up to `limit` messages older than number `before`; None when there is no such conversation.

        A turn is two messages, numbered by arrival, so that a page of them stays the same while turns are added. Within
        an answer they are in the order of their time, which is another one when events overtook each other.
        """
        log = self._turns(session_id)
        # One turn more than the limit needs, for a page that begins or ends with half a turn, and to see what is left.
        turns = await log.read(limit // 2 + 2, None if before is None else (before + 1) // 2)
        if not turns and await log.head() is None:
            return None
        within = [one for one in _numbered(turns) if before is None or one[0] < before]
        page = within[-limit:]
        following = str(page[0][0]) if len(within) > limit else None
        return History(session_id=session_id, history=_told(page), next=following)

    async def newest(self, user_hash: str, session_id: str, limit: int) -> list[Message]:
        """The newest messages of a conversation, oldest first; none of one that is not this user's."""
        log = self._turns(session_id)
        head = await log.head()
        if head is None or head["user_hash"] != user_hash:
            return []
        return _told(_numbered(await log.read(limit // 2 + 1, head=head))[-limit:])

    async def sessions(self, user_hash: str) -> list[str]:
        """Every session of the user."""
        log = self._sessions(user_hash)
        found: list[str] = []
        before: int | None = None
        while some := await log.read(SESSIONS_PER_PAGE, before):
            before = some[0][0]
            found += [session["session_id"] for _, session in some]
        return found

    async def purge(self, user_hash: str, session_id: str, keep: Callable[[datetime], bool], page: int = 0) -> None:
        """Deletes the user's turns of a session whose time `keep` says no to. page: one that is known to be there."""
        log = self._turns(session_id)
        head = await log.head()
        if head is None or head["user_hash"] == user_hash:
            await log.purge(lambda turn: keep(datetime.fromisoformat(turn["timestamp"])), page)

    async def purge_list(self, user_hash: str) -> None:
        """Deletes the list of the user's sessions."""
        await self._sessions(user_hash).purge(lambda _: False)

    def _turns(self, session_id: str) -> PagedLog:
        return PagedLog(self._store, f"conversation:{session_id}", PAGE_SIZE)

    def _sessions(self, user_hash: str) -> PagedLog:
        return PagedLog(self._store, f"sessions:{user_hash}", SESSIONS_PER_PAGE)


def _numbered(turns: list[tuple[int, Object]]) -> list[tuple[int, Object]]:
    """The messages of turns: each turn twice, under the numbers of its two sides."""
    return [(2 * number + side, turn) for number, turn in turns for side in (0, 1)]


def _told(messages: list[tuple[int, Object]]) -> list[Message]:
    ordered = sorted(messages, key=lambda one: (datetime.fromisoformat(one[1]["timestamp"]), one[0]))
    return [_message(turn, number % 2) for number, turn in ordered]


def _message(turn: Object, side: int) -> Message:
    about = {"timestamp": turn["timestamp"], "message_id": turn["message_id"]}
    if side == 0:
        return Message(role="user", content=turn["user_message"], **about)
    return Message(role="assistant", content=turn["assistant_reply"], **about)


def _in_time(turns: list[Object]) -> list[Object]:
    return sorted(turns, key=lambda turn: datetime.fromisoformat(turn["timestamp"]))
