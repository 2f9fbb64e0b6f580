"""From a message to its reply: admit it, start its workflow, wait for the end."""

from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

from answers import answer_of, failure_in, status_of
from kit.engine.instances import AlreadyActive, Instances
from kit.sidecar.secrets import UserHashes
from messages import Failure, Message
from models import ChatAnswer, ChatMessage, MessageMetadata
from once.claims import Claim, digest_of, instance_id, parts_of
from once.register import Register
from settings import Settings


class InOtherSession(Exception):
    """A message id was used before, in another session."""


class NoReply(Exception):
    """The workflow of a message failed."""

    def __init__(self, instance_id: str, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.instance_id, self.failure = instance_id, failure


class Chat:
    """Answer messages, each once."""

    def __init__(self, settings: Settings, users: UserHashes, register: Register, instances: Instances) -> None:
        self._settings, self._users = settings, users
        self._register, self._instances = register, instances

    async def say(self, posted: ChatMessage, wait: bool) -> ChatAnswer:
        """Return the reply or, past the wait limit, an answer without one.

        Raise NoReply, InOtherSession, OfAnotherUser, QueueFull or Unavailable.
        """
        message = await self._message(posted)
        claim, new = await self._register.admit(message)
        if new:
            instance = instance_id(digest_of(message), 1)
            await self._start(new, instance)
        elif posted.metadata and posted.metadata.session_id and claim.session_id != message.session_id:
            raise InOtherSession(claim.session_id)
        else:
            instance, claim = await self._join(message, claim)
        if claim.answered:
            return answer_of(instance, claim)
        state = await self._instances.wait(instance, self._settings.wait_seconds) if wait else None
        if status_of(state) == "failed":
            raise NoReply(instance, failure_in(state))
        return answer_of(instance, claim, state)

    async def look_up(self, instance: str) -> ChatAnswer | None:
        """Return the answer to a message as it is now, or None if nothing is known of the message."""
        claim = await self._register.claim(parts_of(instance)[0])
        return claim and answer_of(instance, claim, await self._instances.state(instance))

    async def _message(self, posted: ChatMessage) -> Message:
        now, metadata = datetime.now(UTC), posted.metadata or MessageMetadata()
        return Message(
            user_id=posted.user_id,
            user_hash=await self._users.of(posted.user_id),
            session_id=metadata.session_id or uuid4().hex,
            message_id=metadata.message_id or uuid4().hex,
            text=posted.text,
            timestamp=metadata.timestamp or now,
            received_at=now,
            tags=posted.tags or [],
        )

    async def _join(self, message: Message, claim: Claim) -> tuple[str, Claim]:
        """Join the requests that wait for a message, and start its workflow again if it failed or never started."""
        digest = digest_of(message)
        instance = instance_id(digest, claim.run)
        if claim.answered:
            return instance, claim
        state = await self._instances.state(instance)
        if claim.failed or status_of(state) in ("failed", "terminated"):
            claim = await self._register.run_again(digest, claim.run) or claim
            instance = instance_id(digest, claim.run)
            state = None
        if state is None and not claim.answered:
            # The request that claimed it died before the start, or is about to start it. Starting the same id twice
            # does no harm: the second workflow ends with the reply of the first.
            message = message.model_copy(update={"session_id": claim.session_id, "timestamp": claim.timestamp})
            is_head = await self._register.enqueue(message, instance)
            await self._start(message.model_copy(update={"is_head": is_head}), instance)
        return instance, claim

    async def _start(self, message: Message, instance: str) -> None:
        with suppress(AlreadyActive):  # another request for the same message has started it
            await self._instances.schedule("chat_workflow", instance, message)
