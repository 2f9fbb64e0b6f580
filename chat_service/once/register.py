"""The claim and the session of a message, read in one call and saved in one call.

The two are not saved together: each has its own ETag, and one may be saved without the other. So every change can be
repeated, and after a conflict both are changed one after the other.
"""

from dataclasses import dataclass

from kit.sidecar.store import StateStore, Stored, Write
from messages import Answered, Message, Turn
from once.claims import Claim, Claims, claim_key, claim_of, digest_of, instance_id, parts_of, settled
from once.sessions import HeadFull, OfAnotherUser, Session, Sessions, queued, session_key, without

Object = dict[str, object]


@dataclass(frozen=True)
class Admitted:
    """The claim of a message; whether this request made it, and so starts its workflow; its place in the queue.

    recent: the turns that memory may not have yet, if the message is new and no other can add one before it is
    answered.
    """

    claim: Claim
    is_new: bool
    is_head: bool = False
    recent: list[Turn] | None = None


@dataclass(frozen=True)
class Settled:
    """The reply that a message has from now on, and the instance whose turn is next."""

    answered: Answered | None
    following: str | None


class Register:
    """Admit messages, and settle them."""

    def __init__(self, store: StateStore[Object], claims: Claims, sessions: Sessions, claim_ttl_seconds: int) -> None:
        self._store, self.claims, self.sessions = store, claims, sessions
        self._ttl = claim_ttl_seconds

    async def admit(self, message: Message) -> Admitted:
        """Claim a message and put it into its session's queue, unless it was claimed before.

        Raise OfAnotherUser or QueueFull.
        """
        digest = digest_of(message)
        async with self._store.read_ahead(claim_key(digest), session_key(message.session_id)):
            session = await self.sessions.get(message.session_id)
            if session.value and session.value.user_hash != message.user_hash:
                raise OfAnotherUser(message.session_id)
            if claim := await self.claims.of(digest):
                return Admitted(claim, is_new=False)
            if not session.value:
                await self.sessions.list_for_user(message.user_hash, message.session_id)
            return await self._save_new(message, session) or await self._one_by_one(message)

    async def _save_new(self, message: Message, session: Stored[Session]) -> Admitted | None:
        claim, instance = claim_of(message), instance_id(digest_of(message), 1)
        try:
            head = queued(session.value, message, instance)
        except HeadFull:
            return None
        if head is None:
            return None
        writes = [
            Write(claim_key(digest_of(message)), _json(claim), None, self._ttl),
            Write(session.key, _json(head), session.etag),
        ]
        if not await self._store.save_many(writes):
            return None
        is_head = head.queue[0].instance_id == instance
        return Admitted(claim, is_new=True, is_head=is_head, recent=head.recent if is_head else None)

    async def _one_by_one(self, message: Message) -> Admitted:
        claim, is_new = await self.claims.make(message)
        if not is_new:
            return Admitted(claim, is_new=False)
        is_head = await self.sessions.enqueue(message, instance_id(digest_of(message), 1))
        return Admitted(claim, is_new=True, is_head=is_head)

    async def noted(self, message: Message) -> tuple[Answered | None, list[Turn]]:
        """Return the reply that a message has already, if any, and the turns that memory may not have yet."""
        if message.recent is not None:
            return None, message.recent
        digest = digest_of(message)
        async with self._store.read_ahead(claim_key(digest), session_key(message.session_id)):
            claim, session = await self.claims.of(digest), (await self.sessions.get(message.session_id)).value
        return claim.answered if claim else None, session.recent if session else []

    async def settle(
        self, message: Message, instance: str, answered: Answered | None, remembered: list[str]
    ) -> Settled:
        """Note the reply for repeats of the message and for the next of the session, unless there is one already.

        answered: None notes that this workflow has no reply. remembered: the turns that memory has by now.
        """
        digest, run = parts_of(instance)
        key, session_id = claim_key(digest), message.session_id
        async with self._store.read_ahead(key, session_key(session_id)):
            claim = await self._store.of(Claim).get(key)
            session = await self.sessions.get(session_id)
            # Another workflow of the same message may have been faster. Its reply counts.
            answered = (claim.value and claim.value.answered) or answered
            turn = turn_of(message, answered)
            noted = settled(claim.value, run, answered)
            head = without(session.value, instance, turn, remembered)
            writes = [Write(key, _json(noted), claim.etag, self._ttl)] if noted else []
            if head:
                writes.append(Write(session.key, _json(head), session.etag))
            if not await self._store.save_many(writes):
                answered = await self.claims.settle(digest, run, answered) or answered
                head = await self.sessions.leave(session_id, instance, turn_of(message, answered), remembered)
        return Settled(answered, head.queue[0].instance_id if head and head.queue else None)


def turn_of(message: Message, answered: Answered | None) -> Turn | None:
    """Return a message with its reply, or None without a reply."""
    if answered is None:
        return None
    return Turn(message_id=message.message_id, user_message=message.text, assistant_reply=answered.reply)


def _json(value: Claim | Session) -> Object:
    return value.model_dump(mode="json")
