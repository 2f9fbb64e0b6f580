"""The messages of a session are answered one after the other: its queue, and what was said last.

`session:{session_id}` holds the queue, the turns that memory may not have yet, and the ids of the workflows that were
started for it. A full list of those becomes a page, `session:{session_id}:{n}`, which expires with the last of its
claims: so the head stays small, and forgetting finds every workflow that may still be there. `user:{user_hash}` lists
the sessions that a user opened last; memory names the older ones when it forgets somebody.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from pydantic import BaseModel

from store import Store
from turn import Turn

PAGE_SIZE = 25
RECENT_TURNS = 5
LONGEST_QUEUE = 100
SESSIONS_PER_USER = 200

# Whether the workflow of an instance has ended; None when there is no such workflow.
HasEnded = Callable[[str], Awaitable[bool | None]]


class OfAnotherUser(Exception):
    """A session belongs to the user that opened it."""


class QueueFull(Exception):
    """Too many messages of a session wait already."""


class Waiting(BaseModel):
    """A message in the queue."""

    instance_id: str
    since: datetime


class Session(BaseModel):
    """The value of `session:{session_id}`."""

    user_hash: str
    opened_at: datetime
    queue: list[Waiting] = []
    recent: list[Turn] = []
    instances: list[str] = []
    pages: int = 0


class Page(BaseModel):
    """Instance ids that no longer fit into their session's head."""

    instances: list[str]


class UserSessions(BaseModel):
    """The value of `user:{user_hash}`, newest last."""

    session_ids: list[str]


class Sessions:
    """The sessions in the state store."""

    def __init__(self, store: Store, page_ttl_seconds: int, unstarted_seconds: float) -> None:
        self._store, self._page_ttl = store, page_ttl_seconds
        self._unstarted = timedelta(seconds=unstarted_seconds)

    async def check_owner(self, session_id: str, user_hash: str) -> None:
        """Raises OfAnotherUser. A session that nobody has opened is opened for this user."""
        found, _ = await self._store.read(key_of(session_id), Session)
        if found is None:
            # The user's list first: a list with a session too many does no harm, a session in no list would be missed.
            await self._store.update(f"user:{user_hash}", UserSessions, lambda known: _with(known, session_id))
        elif found.user_hash != user_hash:
            raise OfAnotherUser(session_id)

    async def enqueue(self, session_id: str, user_hash: str, instance_id: str, now: datetime) -> bool:
        """Puts a message at the end of the queue, unless it is in it. Returns whether it is the first."""
        full: list[Session] = []

        def change(found: Session | None) -> Session | None:
            full.clear()
            session = found or Session(user_hash=user_hash, opened_at=now)
            if session.user_hash != user_hash:
                raise OfAnotherUser(session_id)
            if any(one.instance_id == instance_id for one in session.queue):
                return None
            if len(session.queue) >= LONGEST_QUEUE:
                raise QueueFull(session_id)
            if len(session.instances) >= PAGE_SIZE:
                full.append(session)
                return None
            return session.model_copy(
                update={
                    "queue": [*session.queue, Waiting(instance_id=instance_id, since=now)],
                    "instances": [*(one for one in session.instances if one != instance_id), instance_id],
                }
            )

        while True:
            session = await self._store.update(key_of(session_id), Session, change)
            if not full:
                return session is not None and session.queue[0].instance_id == instance_id
            await self._turn_page(session_id, full[0])

    async def _turn_page(self, session_id: str, full: Session) -> None:
        # Two that find the head full write the same page; only then is the head emptied, by one of them.
        page = Page(instances=full.instances)
        await self._store.update(page_key(session_id, full.pages), Page, lambda _: page, self._page_ttl)

        def empty(found: Session | None) -> Session | None:
            if found is None or found.pages != full.pages:
                return None
            return found.model_copy(update={"instances": [], "pages": full.pages + 1})

        await self._store.update(key_of(session_id), Session, empty)

    async def recent(self, session_id: str) -> list[Turn]:
        """The last turns that memory may not have yet, oldest first."""
        found, _ = await self._store.read(key_of(session_id), Session)
        return found.recent if found else []

    async def is_turn_of(
        self, session_id: str, user_hash: str, instance_id: str, now: datetime, ended: HasEnded
    ) -> bool:
        """Whether a message is the first of its queue, once those before it whose workflow has ended are dropped."""
        while True:
            found, _ = await self._store.read(key_of(session_id), Session)
            if found is None:
                return True  # forgotten: there is no order left to keep
            if all(one.instance_id != instance_id for one in found.queue):
                await self.enqueue(session_id, user_hash, instance_id, now)
                continue
            head = found.queue[0]
            if head.instance_id == instance_id:
                return True
            over = await ended(head.instance_id)
            # Without a workflow it may be about to be started, by a request that is just here.
            if over is False or (over is None and now - head.since < self._unstarted):
                return False
            await self.leave(session_id, head.instance_id)

    async def leave(
        self, session_id: str, instance_id: str, turn: Turn | None = None, remembered: list[str] | None = None
    ) -> str | None:
        """Takes a message from the queue and keeps its turn for the next. Returns the instance that is next, if any.

        `remembered` are the turns that memory has by now. A session that is gone stays gone: its user was forgotten.
        """

        def change(session: Session | None) -> Session | None:
            if session is None:
                return None
            known = {*(remembered or ()), turn.message_id if turn else ""}
            recent = [one for one in session.recent if one.message_id not in known]
            queue = [one for one in session.queue if one.instance_id != instance_id]
            return session.model_copy(
                update={"queue": queue, "recent": [*recent, *([turn] if turn else [])][-RECENT_TURNS:]}
            )

        session = await self._store.update(key_of(session_id), Session, change)
        return session.queue[0].instance_id if session and session.queue else None

    async def of_user(self, user_hash: str) -> list[str]:
        """The sessions that a user opened last."""
        found, _ = await self._store.read(f"user:{user_hash}", UserSessions)
        return found.session_ids if found else []

    async def instances(self, session_id: str, user_hash: str) -> tuple[list[str], list[str]]:
        """Every workflow of a user's session that may still be there; and those that have not ended by themselves."""
        found, _ = await self._store.read(key_of(session_id), Session)
        if found is None or found.user_hash != user_hash:
            return [], []
        listed = list(found.instances)
        for number in reversed(range(found.pages)):
            page, _ = await self._store.read(page_key(session_id, number), Page)
            if page is None:
                break  # older pages expired before this one
            listed += page.instances
        return listed, [one.instance_id for one in found.queue]

    async def drop(self, session_id: str, user_hash: str, opened_before: datetime) -> None:
        """Removes a user's session: its pages, then, last, what leads to them. One opened since stays."""
        found, _ = await self._store.read(key_of(session_id), Session)
        if found is not None and found.user_hash == user_hash and found.opened_at <= opened_before:
            for number in reversed(range(found.pages)):
                if (await self._store.read(page_key(session_id, number), Page))[0] is None:
                    break
                await self._store.delete(page_key(session_id, number))
            await self._store.delete(key_of(session_id))

    async def drop_list(self, user_hash: str) -> None:
        """Removes the list of a user's sessions."""
        await self._store.delete(f"user:{user_hash}")


def _with(known: UserSessions | None, session_id: str) -> UserSessions | None:
    listed = known.session_ids if known else []
    if session_id in listed:
        return None
    return UserSessions(session_ids=[*listed, session_id][-SESSIONS_PER_USER:])


def key_of(session_id: str) -> str:
    return f"session:{session_id}"


def page_key(session_id: str, number: int) -> str:
    return f"session:{session_id}:{number}"
