"""From a message to its reply: admit it, start its workflow, wait for the end."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from dapr.ext.workflow import WorkflowState, WorkflowStatus

from failures import DEFECT
from kit.engine.instances import AlreadyActive, Instances
from kit.sidecar.secrets import Secrets
from messages import Answered, Failure, Message
from models import AnswerMetadata, ChatAnswer, ChatMessage
from once.claims import Claim, claim_of, digest_of, instance_id, parts_of
from once.hashes import user_hash
from once.register import Register
from settings import Settings

NO_DETAILS = "It failed; the details of that are no longer kept."
Status = Literal["running", "completed", "failed", "terminated"]
STATUSES: dict[WorkflowStatus, Status] = {
    WorkflowStatus.COMPLETED: "completed",
    WorkflowStatus.FAILED: "failed",
    WorkflowStatus.TERMINATED: "terminated",
}


class InOtherSession(Exception):
    """A message id was used before, in another session."""


class NoReply(Exception):
    """The workflow of a message failed."""

    def __init__(self, instance_id: str, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.instance_id, self.failure = instance_id, failure


class Chat:
    """Answer messages, each once."""

    def __init__(self, settings: Settings, secrets: Secrets, register: Register, instances: Instances) -> None:
        self._settings, self._secrets = settings, secrets
        self._register, self._instances = register, instances

    async def say(self, posted: ChatMessage, traceparent: str | None, wait: bool) -> ChatAnswer:
        """Return the reply or, past the wait limit, an answer without one.

        Raise NoReply, InOtherSession, OfAnotherUser, QueueFull or Unavailable.
        """
        message = await self._message(posted, traceparent)
        instance, claim = await self._accept(message, is_named=posted.metadata.session_id is not None)
        if claim.answered:
            return _answer(instance, claim, "completed", claim.answered)
        state = await self._instances.wait(instance, self._settings.wait_seconds) if wait else None
        answer = self._answer_now(instance, claim, state)
        if answer.status == "failed":
            raise NoReply(instance, failure_in(state))
        return answer

    async def look_up(self, instance: str) -> ChatAnswer | None:
        """Return the answer to a message as it is now, or None if nothing is known of the message."""
        claim = await self._register.claims.of(parts_of(instance)[0])
        state = await self._instances.state(instance)
        if state is None and claim is None:
            return None
        if claim is None:
            assert state is not None
            claim = claim_of(Message.model_validate_json(state.serialized_input or ""))
        return self._answer_now(instance, claim, state)

    async def _message(self, posted: ChatMessage, traceparent: str | None) -> Message:
        key = await self._secrets.need("USER_HASH_KEY")
        now, metadata = datetime.now(UTC), posted.metadata
        return Message(
            user_id=posted.user_id,
            user_hash=user_hash(key.get_secret_value(), posted.user_id),
            session_id=metadata.session_id or uuid4().hex,
            message_id=metadata.message_id or uuid4().hex,
            text=posted.text,
            timestamp=metadata.timestamp or now,
            received_at=now,
            tags=posted.tags,
            traceparent=traceparent,
        )

    async def _accept(self, message: Message, *, is_named: bool) -> tuple[str, Claim]:
        """Claim a message and start its workflow, or join the requests that wait for it."""
        admitted = await self._register.admit(message)
        if admitted.is_new:
            instance = instance_id(digest_of(message), 1)
            await self._start(message.model_copy(update={"recent": admitted.recent}), instance, admitted.is_head)
            return instance, admitted.claim
        if is_named and admitted.claim.session_id != message.session_id:
            raise InOtherSession(admitted.claim.session_id)
        return await self._join(message, admitted.claim)

    async def _join(self, message: Message, claim: Claim) -> tuple[str, Claim]:
        digest = digest_of(message)
        instance = instance_id(digest, claim.run)
        if claim.answered:
            return instance, claim
        state = await self._instances.state(instance)
        if claim.failed or (state and STATUSES.get(state.runtime_status) in ("failed", "terminated")):
            claim = await self._register.claims.run_again(digest, claim.run) or claim
            instance = instance_id(digest, claim.run)
            state = None
        if state is None and not claim.answered:
            # The request that claimed it died before the start, or is about to start it. Starting the same id twice
            # does no harm: the second workflow finds the reply of the first.
            message = message.model_copy(update={"session_id": claim.session_id, "timestamp": claim.timestamp})
            await self._start(message, instance, await self._register.sessions.enqueue(message, instance))
        return instance, claim

    async def _start(self, message: Message, instance: str, is_head: bool) -> None:
        with suppress(AlreadyActive):  # another request for the same message has started it
            await self._instances.schedule("chat_workflow", instance, message.model_copy(update={"is_head": is_head}))

    def _answer_now(self, instance: str, claim: Claim, state: WorkflowState | None) -> ChatAnswer:
        if state is None and claim.answered:
            return _answer(instance, claim, "completed", claim.answered)
        if state is None:
            # Dapr removes a finished workflow after a while (stateRetentionPolicy), and the claim is kept for longer.
            # There is a next run only of a run that failed.
            run = parts_of(instance)[1]
            has_failed = run < claim.run or (run == claim.run and claim.failed)
            return _answer(instance, claim, "failed", error=NO_DETAILS) if has_failed else _answer(instance, claim)
        status = STATUSES.get(state.runtime_status, "running")
        if status == "completed":
            return _answer(instance, claim, status, Answered.model_validate(json.loads(state.serialized_output or "")))
        return _answer(instance, claim, status, error=failure_in(state).detail if status == "failed" else None)


def failure_in(state: WorkflowState | None) -> Failure:
    """Return the failure that a failed workflow left as its custom status."""
    left = state and state.serialized_custom_status
    return Failure.model_validate_json(left) if left else DEFECT


def _answer(
    instance: str, claim: Claim, status: Status = "running", answered: Answered | None = None, error: str | None = None
) -> ChatAnswer:
    metadata = AnswerMetadata(
        session_id=claim.session_id,
        message_id=claim.message_id,
        timestamp=claim.timestamp,
        model=answered.model if answered else None,
        tags=claim.tags,
    )
    reply = answered.reply if answered else None
    return ChatAnswer(
        user_id=claim.user_id, reply=reply, status=status, instance_id=instance, metadata=metadata, error=error
    )
