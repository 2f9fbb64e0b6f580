"""The messages of a session are answered one after the other: its queue, and its last turns.

`session:{session_id}` holds the queue, the turns that memory may not have yet, and the ids of the workflows that were
started for it. When that list is full, it becomes a page, `session:{session_id}:{n}`, which expires with the last of
its claims. So the head stays small, and forgetting finds every workflow that may still exist. `user:{user_hash}` lists
the sessions that a user opened last. The event by which memory forgets a user names the older ones.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from pydantic import BaseModel

from kit.sidecar.store import StateStore, Stored
from messages import Message, Turn

PAGE_SIZE = 25
RECENT_TURNS = 5
LONGEST_QUEUE = 100
SESSIONS_PER_USER = 200

# Returns whether the workflow of an instance has ended, or None if there is no such workflow.
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
    """The value of `session:{session_id}`: the head of a session."""

    user_hash: str
    opened_at: datetime
    queue: list[Waiting] = []
    recent: list[Turn] = []
    instances: list[str] = []
    pages: int = 0


class HeadFull(Exception):
    """The instance ids of a session must move to a page first."""

    def __init__(self, head: Session) -> None:
        super().__init__()
        self.head = head


class Page(BaseModel):
    """Instance ids that no longer fit into their session's head."""

    instances: list[str]


class UserSessions(BaseModel):
    """The value of `user:{user_hash}`, newest last."""

    session_ids: list[str]


class Sessions:
    """The sessions in the state store."""

    def __init__(self, store: StateStore[dict[str, object]], page_ttl_seconds: int, unstarted_seconds: float) -> None:
        self._heads, self._pages, self._users = store.of(Session), store.of(Page), store.of(UserSessions)
        self._page_ttl, self._unstarted = page_ttl_seconds, timedelta(seconds=unstarted_seconds)

    async def get(self, session_id: str) -> Stored[Session]:
        """Return the head of a session as it is stored."""
        return await self._heads.get(session_key(session_id))

    async def list_for_user(self, user_hash: str, session_id: str) -> None:
        """Add a session to the list of its user, before it is opened: a session in no list would be missed later."""

        def added(known: UserSessions | None) -> UserSessions | None:
            listed = known.session_ids if known else []
            if session_id in listed:
                return None
            return UserSessions(session_ids=[*listed, session_id][-SESSIONS_PER_USER:])

        await self._users.change(f"user:{user_hash}", added)

    async def enqueue(self, message: Message, instance_id: str) -> bool:
        """Put a message at the end of the queue, unless it is queued already. Return whether it is the first.

        Raise OfAnotherUser or QueueFull.
        """
        key = session_key(message.session_id)
        while True:
            try:
                head = await self._heads.change(key, lambda found: queued(found, message, instance_id))
            except HeadFull as full:
                await self._turn_page(message.session_id, full.head)
            else:
                return head is not None and head.queue[0].instance_id == instance_id

    async def _turn_page(self, session_id: str, full: Session) -> None:
        # Two that find the head full write the same page. Only then is the head emptied, by one of them.
        page = Page(instances=full.instances)
        await self._pages.change(page_key(session_id, full.pages), lambda _: page, self._page_ttl)

        def emptied(found: Session | None) -> Session | None:
            if found is None or found.pages != full.pages:
                return None
            return found.model_copy(update={"instances": [], "pages": full.pages + 1})

        await self._heads.change(session_key(session_id), emptied)

    async def is_next(self, message: Message, instance_id: str, now: datetime, has_ended: HasEnded) -> bool:
        """Check whether a message is the first of its queue. Drop those before it whose workflow has ended."""
        while True:
            found = (await self.get(message.session_id)).value
            if found is None:
                return True  # its user was forgotten, so there is no order left to keep
            if all(each.instance_id != instance_id for each in found.queue):
                await self.enqueue(message.model_copy(update={"received_at": now}), instance_id)
                continue
            first = found.queue[0]
            if first.instance_id == instance_id:
                return True
            ended = await has_ended(first.instance_id)
            # A message without a workflow may be about to get one, from a request in flight.
            if ended is False or (ended is None and now - first.since < self._unstarted):
                return False
            await self.leave(message.session_id, first.instance_id)

    async def leave(
        self, session_id: str, instance_id: str, turn: Turn | None = None, remembered: list[str] | None = None
    ) -> Session | None:
        """Take a message out of the queue and keep its turn for the next one. Return the head, if there is one."""
        return await self._heads.change(
            session_key(session_id), lambda found: without(found, instance_id, turn, remembered or [])
        )

    async def of_user(self, user_hash: str) -> list[str]:
        """Return the sessions that a user opened last."""
        found = (await self._users.get(f"user:{user_hash}")).value
        return found.session_ids if found else []

    async def instances(self, session_id: str, user_hash: str) -> tuple[list[str], list[str]]:
        """Return every workflow of a user's session that may still exist, and those of messages in the queue."""
        found = (await self.get(session_id)).value
        if found is None or found.user_hash != user_hash:
            return [], []
        listed = list(found.instances)
        for number in reversed(range(found.pages)):
            page = (await self._pages.get(page_key(session_id, number))).value
            if page is None:
                break  # older pages expired before this one
            listed += page.instances
        return listed, [each.instance_id for each in found.queue]

    async def drop(self, session_id: str, user_hash: str, opened_before: datetime) -> None:
        """Delete a user's session: its pages, then the head that leads to them. Keep one that was opened since."""
        found = (await self.get(session_id)).value
        if found is not None and found.user_hash == user_hash and found.opened_at <= opened_before:
            for number in reversed(range(found.pages)):
                if (await self._pages.get(page_key(session_id, number))).value is None:
                    break
                await self._pages.delete(page_key(session_id, number))
            await self._heads.delete(session_key(session_id))

    async def drop_list(self, user_hash: str) -> None:
        """Delete the list of a user's sessions."""
        await self._users.delete(f"user:{user_hash}")


def queued(found: Session | None, message: Message, instance_id: str) -> Session | None:
    """Return the session with a message at the end of its queue, or None if it is queued already.

    Raise OfAnotherUser, QueueFull or HeadFull.
    """
    session = found or Session(user_hash=message.user_hash, opened_at=message.received_at)
    if session.user_hash != message.user_hash:
        raise OfAnotherUser(message.session_id)
    if any(each.instance_id == instance_id for each in session.queue):
        return None
    if len(session.queue) >= LONGEST_QUEUE:
        raise QueueFull(message.session_id)
    if len(session.instances) >= PAGE_SIZE:
        raise HeadFull(session)
    return session.model_copy(
        update={
            "queue": [*session.queue, Waiting(instance_id=instance_id, since=message.received_at)],
            "instances": [*(each for each in session.instances if each != instance_id), instance_id],
        }
    )


def without(found: Session | None, instance_id: str, turn: Turn | None, remembered: list[str]) -> Session | None:
    """Return the session with a message taken out of its queue, and its turn added to the recent ones.

    Turns that memory has by now are dropped. A deleted session stays deleted: its user was forgotten.
    """
    if found is None:
        return None
    known = {*remembered, turn.message_id if turn else ""}
    recent = [each for each in found.recent if each.message_id not in known]
    queue = [each for each in found.queue if each.instance_id != instance_id]
    return found.model_copy(update={"queue": queue, "recent": [*recent, *([turn] if turn else [])][-RECENT_TURNS:]})


def session_key(session_id: str) -> str:
    """Return the state key of a session's head."""
    return f"session:{session_id}"


def page_key(session_id: str, number: int) -> str:
    """Return the state key of a page of a session."""
    return f"session:{session_id}:{number}"
