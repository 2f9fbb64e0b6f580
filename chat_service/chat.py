"""From a message to its reply: claim it, queue it, start its workflow, wait."""

import json
from datetime import UTC, datetime
from uuid import uuid4

from dapr.ext.workflow import WorkflowState, WorkflowStatus

import sessions
from claims import Claim, Claims, claim_of, digest_of, instance_id, parts_of
from models import AnswerMetadata, ChatAnswer, ChatMessage
from secret_store import Secrets
from sessions import Sessions
from settings import Settings
from store import Store
from turn import Answered, ChatTurn, Failure
from user_hash import user_hash
from workflow import answered_of
from workflows import Workflows, failure_in

UNKNOWN_FAILURE = Failure(step="", dependency="chat-service", status=502, detail="The workflow failed unexpectedly.")
DETAILS_GONE = "It failed; the details of that are no longer kept."


class InOtherSession(Exception):
    """A message id was used before, in another session."""


class NoReply(Exception):
    """The workflow of a message failed."""

    def __init__(self, instance_id: str, failure: Failure) -> None:
        super().__init__(f"{failure.dependency}: {failure.detail}")
        self.instance_id, self.failure = instance_id, failure


class Chat:
    """Answers messages, each once."""

    def __init__(
        self,
        settings: Settings,
        secrets: Secrets,
        store: Store,
        claims: Claims,
        sessions: Sessions,
        workflows: Workflows,
    ) -> None:
        self._settings, self._secrets, self._store = settings, secrets, store
        self._claims, self._sessions, self._workflows = claims, sessions, workflows

    async def say(self, message: ChatMessage, traceparent: str, wait: bool) -> ChatAnswer:
        """The reply, or, past the wait limit, how far it is. Raises NoReply, StepFailed, OfAnotherUser, QueueFull,
        InOtherSession."""
        turn = await self._turn(message, traceparent)
        async with self._store.read_ahead(sessions.key_of(turn.session_id)):
            instance, claim = await self._accept(turn, is_named=message.metadata.session_id is not None)
        if claim.answered:
            return _answer(instance, claim, "completed", claim.answered)
        state = await self._workflows.ended(instance, self._settings.wait_seconds) if wait else None
        answer = await self._told(instance, claim, state)
        if answer.status == "failed":
            raise NoReply(instance, (state and failure_in(state)) or UNKNOWN_FAILURE)
        return answer

    async def look_up(self, instance: str) -> ChatAnswer | None:
        """How far a message is; None when nothing is known of it."""
        claim = await self._claims.of(parts_of(instance)[0])
        state = await self._workflows.state(instance)
        if state is None and claim is None:
            return None
        if claim is None:
            assert state is not None
            claim = claim_of(ChatTurn.model_validate_json(state.serialized_input or ""))
        return await self._told(instance, claim, state)

    async def _turn(self, message: ChatMessage, traceparent: str) -> ChatTurn:
        key = await self._secrets.need("USER_HASH_KEY")
        now, given = datetime.now(UTC), message.metadata
        return ChatTurn(
            user_id=message.user_id,
            user_hash=user_hash(key.get_secret_value(), message.user_id),
            session_id=given.session_id or uuid4().hex,
            message_id=given.message_id or uuid4().hex,
            text=message.text,
            timestamp=given.timestamp or now,
            received_at=now,
            tags=message.tags,
            traceparent=traceparent,
        )

    async def _accept(self, turn: ChatTurn, *, is_named: bool) -> tuple[str, Claim]:
        """Claims a message and starts its workflow, or joins those who wait for it. `is_named`: the session is."""
        if is_named:
            await self._sessions.check_owner(turn.session_id, turn.user_hash)
        claim, is_mine = await self._claims.make(turn)
        if is_mine:
            if not is_named:
                await self._sessions.check_owner(turn.session_id, turn.user_hash)
            instance = instance_id(digest_of(turn), 1)
            await self._start(turn, instance)
            return instance, claim
        if is_named and claim.session_id != turn.session_id:
            raise InOtherSession(claim.session_id)
        return await self._join(turn, claim)

    async def _join(self, turn: ChatTurn, claim: Claim) -> tuple[str, Claim]:
        """Joins those who wait for a message that was claimed before; starts its workflow where there is none."""
        digest = digest_of(turn)
        turn = turn.model_copy(update={"session_id": claim.session_id, "timestamp": claim.timestamp})
        instance = instance_id(digest, claim.run)
        if claim.answered:
            return instance, claim
        state = await self._workflows.state(instance)
        failed = state is not None and state.runtime_status in (WorkflowStatus.FAILED, WorkflowStatus.TERMINATED)
        if claim.failed or failed:
            claim = await self._claims.run_again(digest, claim.run) or claim
            instance = instance_id(digest, claim.run)
            state = None
        if state is None and not claim.answered:
            # The request that claimed it died before the start, or is at it right now. That the same id may so be
            # started twice does no harm: the second finds the reply of the first.
            await self._start(turn, instance)
        return instance, claim

    async def _start(self, turn: ChatTurn, instance: str) -> None:
        is_head = await self._sessions.enqueue(turn.session_id, turn.user_hash, instance, turn.received_at)
        await self._workflows.start(instance, turn.model_copy(update={"is_head": is_head}))

    async def _told(self, instance: str, claim: Claim, state: WorkflowState | None) -> ChatAnswer:
        if state is None and claim.answered:
            return _answer(instance, claim, "completed", claim.answered)
        if state is None:
            # Dapr removes a finished workflow after a while (stateRetentionPolicy), the claim is kept for longer. A
            # next run is only ever made of one that failed.
            run = parts_of(instance)[1]
            has_failed = run < claim.run or (run == claim.run and claim.failed)
            return _failed(instance, claim, DETAILS_GONE) if has_failed else _answer(instance, claim, "running", None)
        status = state.runtime_status
        if status is WorkflowStatus.COMPLETED:
            return _answer(instance, claim, "completed", answered_of(json.loads(state.serialized_output or "null")))
        if status is WorkflowStatus.FAILED:
            failure = failure_in(state) or UNKNOWN_FAILURE
            return _failed(instance, claim, f"{failure.dependency}: {failure.detail}")
        return _answer(instance, claim, "terminated" if status is WorkflowStatus.TERMINATED else "running", None)


def _failed(instance: str, claim: Claim, error: str) -> ChatAnswer:
    return _answer(instance, claim, "failed", None).model_copy(update={"error": error})


def _answer(instance: str, claim: Claim, status: str, answered: Answered | None) -> ChatAnswer:
    metadata = AnswerMetadata(
        session_id=claim.session_id,
        message_id=claim.message_id,
        timestamp=claim.timestamp,
        model=answered.model if answered else None,
        tags=claim.tags,
    )
    reply = answered.reply if answered else None
    return ChatAnswer.model_validate(
        {"user_id": claim.user_id, "reply": reply, "status": status, "instance_id": instance, "metadata": metadata}
    )
