"""Admit messages, and settle them when they are answered.

The claim and the session of a message are read in one call and saved in one call. The two are not saved together: each
has its own ETag, and one may be saved without the other. Then both are read and changed again.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from kit.sidecar.store import StateStore, Write, attempts
from messages import Answered, Message, Turn
from once.claims import Claim, claim_key, claim_of, digest_of, instance_id, parts_of, settled
from once.sessions import (
    PAGE_SIZE,
    SESSIONS_PER_USER,
    Session,
    page_key,
    queued,
    session_key,
    user_key,
    without,
)

Object = dict[str, object]
# Returns whether the workflow of an instance has ended, or None if there is no such workflow.
HasEnded = Callable[[str], Awaitable[bool | None]]


class Register:
    """Keep the claims and the sessions in the state store."""

    def __init__(self, store: StateStore[Object], claim_ttl_seconds: int, unstarted_seconds: float) -> None:
        self._store, self._ttl, self._unstarted = store, claim_ttl_seconds, timedelta(seconds=unstarted_seconds)
        self._claims, self._sessions = store.of(Claim), store.of(Session)
        self._lists = store.of(list[str])

    async def claim(self, digest: str) -> Claim | None:
        """Return the claim of a message, if there is one."""
        return (await self._claims.get(claim_key(digest))).value

    async def admit(self, message: Message) -> tuple[Claim, Message | None]:
        """Claim a message and put it into its session's queue, unless it was claimed before.

        Return its claim and, if it is new, the input of its workflow. Raise OfAnotherUser or QueueFull.
        """
        # Two requests in one microsecond may both take the claim for theirs. Both then start one instance.
        mine, instance = claim_of(message), instance_id(digest_of(message), 1)
        keys = _keys(message)
        async for _ in attempts(self._store.name, keys[1]):
            async with self._store.read_ahead(*keys):
                claim, session = await self._claims.get(keys[0]), await self._sessions.get(keys[1])
                if claim.value not in (None, mine):
                    return claim.value, None
                if not session.value:
                    await self._list_for_user(message.user_hash, message.session_id)
                entered = queued(session.value, message, instance)
                writes = [
                    Write(claim.key, _json(mine), claim.etag, self._ttl),
                    Write(session.key, _json(entered), session.etag),
                ]
                if await self._store.save_many(writes):
                    is_head = entered.queue[0].instance_id == instance
                    # At the head no other message can add a turn before this one is answered.
                    recent = entered.recent if is_head else None
                    return mine, message.model_copy(update={"is_head": is_head, "recent": recent})
        raise AssertionError("attempts() ends by raising")

    async def run_again(self, digest: str, failed_run: int) -> Claim | None:
        """Count up the run of a message whose workflow failed. Of several callers at once, one does."""

        def next_run(claim: Claim | None) -> Claim | None:
            if claim is None or claim.answered or claim.run != failed_run:
                return None
            return claim.model_copy(update={"run": failed_run + 1, "failed": False})

        return await self._claims.change(claim_key(digest), next_run, self._ttl)

    async def enqueue(self, message: Message, instance_id: str) -> bool:
        """Put a message at the end of the queue, unless it is queued already. Return whether it is the first.

        Raise OfAnotherUser or QueueFull.
        """
        entered = await self._sessions.change(
            session_key(message.session_id), lambda session: queued(session, message, instance_id)
        )
        return entered is not None and entered.queue[0].instance_id == instance_id

    async def is_next(self, message: Message, instance_id: str, has_ended: HasEnded) -> bool:
        """Check whether no message is before this one in its queue. Drop those whose workflow has ended."""
        key = session_key(message.session_id)
        while True:
            session = (await self._sessions.get(key)).value
            if session is None:
                return True  # its user was forgotten, so there is no order left to keep
            if instance_id not in [each.instance_id for each in session.queue]:
                # The next one dropped it, because its workflow started so late.
                await self.enqueue(message, instance_id)
                continue
            first = session.queue[0]
            if first.instance_id == instance_id:
                return True
            ended = await has_ended(first.instance_id)
            # A message without a workflow may be about to get one, from a request in flight.
            if ended is False or (ended is None and datetime.now(UTC) - first.since < self._unstarted):
                return False
            await self._sessions.change(key, lambda session, ended=first: without(session, ended.instance_id))

    async def recent(self, message: Message) -> list[Turn]:
        """Return the turns of a message's session that memory may not have yet."""
        if message.recent is not None:
            return message.recent
        session = (await self._sessions.get(session_key(message.session_id))).value
        return session.recent if session else []

    async def settle(
        self, message: Message, instance: str, answered: Answered | None, remembered: list[str]
    ) -> tuple[Answered | None, str | None]:
        """Note the reply for repeats of the message and for the next of the session, unless there is one already.

        answered: None notes that this workflow has no reply. remembered: the turns that memory has by now.

        Return the reply that the message has from now on, and the instance that is next in the queue.
        """
        keys = _keys(message)
        async for _ in attempts(self._store.name, keys[1]):
            async with self._store.read_ahead(*keys):
                claim, session = await self._claims.get(keys[0]), await self._sessions.get(keys[1])
                # Another workflow of the same message may have been faster. Its reply counts.
                reply = (claim.value and claim.value.answered) or answered
                noted = settled(claim.value, parts_of(instance)[1], reply)
                left = without(session.value, instance, _turn_of(message, reply), remembered)
                writes = [Write(claim.key, _json(noted), claim.etag, self._ttl)] if noted else []
                if left:
                    left = await self._paged(message.session_id, left)
                    writes.append(Write(session.key, _json(left), session.etag))
                if await self._store.save_many(writes):
                    return reply, left.queue[0].instance_id if left and left.queue else None
        raise AssertionError("attempts() ends by raising")

    async def _list_for_user(self, user_hash: str, session_id: str) -> None:
        # Before the session is opened: a session on no list would be missed when its user is forgotten.
        def added(listed: list[str] | None) -> list[str]:
            known = listed or []
            return known if session_id in known else [*known, session_id][-SESSIONS_PER_USER:]

        await self._lists.change(user_key(user_hash), added)

    async def _paged(self, session_id: str, session: Session) -> Session:
        """Return the session without its instance ids once there are many. They are on a page before that is saved."""
        if len(session.instances) < PAGE_SIZE:
            return session

        def extended(page: list[str] | None) -> list[str]:
            # Another writer may have begun this page with a few ids more or less.
            known = page or []
            return [*known, *(each for each in session.instances if each not in known)]

        await self._lists.change(page_key(session_id, session.pages), extended, self._ttl)
        return session.model_copy(update={"instances": [], "pages": session.pages + 1})


def _keys(message: Message) -> tuple[str, str]:
    return claim_key(digest_of(message)), session_key(message.session_id)


def _turn_of(message: Message, answered: Answered | None) -> Turn | None:
    if answered is None:
        return None
    return Turn(message_id=message.message_id, user_message=message.text, assistant_reply=answered.reply)


def _json(value: Claim | Session) -> Object:
    return value.model_dump(mode="json")
