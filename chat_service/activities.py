"""The steps of the workflow: each has a time limit, and may run twice without harm.

generate_response may ask the model twice if the process dies before its result is kept; only one reply goes further.
save_conversation may publish twice; the event id is the message id, and memory keeps each id once. That it also passes
the turn on is because a step of its own would cost a tenth of the whole (`./lab bench chat`).
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from dapr.ext.workflow import WorkflowActivityContext
from pydantic import BaseModel

import claims
import sessions
from claims import Claim, Claims, digest_of, parts_of
from engine import Engines, ModelBusy
from events import Events
from failures import Unreachable, within
from faults import Faults
from memory import MemoryService
from prompts import shortened, with_recent
from sessions import Sessions
from settings import Settings
from store import Store
from turn import Answered, ChatTurn, Context, Generated, Memory, MyTurn, Outcome, Prompt, Turn
from workflow import YOUR_TURN
from workflows import Workflows

log = logging.getLogger("chat")

In = TypeVar("In", bound=BaseModel)
Activity = Callable[[WorkflowActivityContext, In], Awaitable[Any]]


@dataclass(frozen=True)
class Tools:
    """What the activities work with: clients and stores, made once, which belong to the app's event loop."""

    settings: Settings
    memory: MemoryService
    engines: Engines
    events: Events
    store: Store
    claims: Claims
    sessions: Sessions
    workflows: Workflows
    faults: Faults


def activities(tools: Tools, loop: asyncio.AbstractEventLoop) -> list[Activity[Any]]:
    """The activities, ready to be registered under their names."""
    settings = tools.settings

    def on_app_loop(activity: Activity[In]) -> Activity[In]:
        # The SDK runs async activities on an event loop of its own, in its own thread; clients made on the app's loop
        # work only there.
        @functools.wraps(activity)
        async def run(ctx: WorkflowActivityContext, given: In) -> Any:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_call(activity, ctx, given), loop))

        return run

    @on_app_loop
    async def take_turn(_: WorkflowActivityContext, waiting: Outcome) -> MyTurn:
        """Asks whether a waiting message is the next of its session."""
        turn = waiting.turn
        async with within(settings.state_store_name, settings.turn_seconds):
            mine = await tools.sessions.is_turn_of(
                turn.session_id, turn.user_hash, waiting.instance_id, datetime.now(UTC), tools.workflows.has_ended
            )
        return MyTurn(yours=mine)

    @on_app_loop
    async def fetch_context(_: WorkflowActivityContext, turn: ChatTurn) -> Context:
        """Reads what is known of the user, what was said, and whether this message has its reply already."""
        await tools.faults.strike("fetch_context")
        async with within(settings.memory_app_id, settings.fetch_seconds):
            (claim, recent), recalled = await asyncio.gather(
                _noted(turn),
                tools.memory.recall(turn.user_id, turn.session_id, settings.history_turns, turn.traceparent),
            )
        said = with_recent(recalled.history, recent)
        # A repeat may find memory ahead of the workflow: its own turn is no history of it.
        before = [one for one in said if one.message_id != turn.message_id]
        return Context(
            memory=Memory(**recalled.model_dump(exclude={"history"})),
            history=shortened(before, settings.history_tokens),
            remembered=list(dict.fromkeys(one.message_id for one in recalled.history if one.message_id)),
            answered=claim.answered if claim else None,
        )

    @on_app_loop
    async def generate_response(_: WorkflowActivityContext, prompt: Prompt) -> Generated:
        """Asks the model. One that is busy, and says for how long, is waited for by the workflow."""
        await tools.faults.strike("generate_response")
        async with within("model", settings.model_timeout_seconds):
            engine = await tools.engines.get()
            try:
                reply = await engine.reply(prompt)
            except ModelBusy as busy:
                if not prompt.may_wait or busy.retry_after_seconds > settings.max_retry_after_seconds:
                    raise Unreachable(busy.dependency, busy.detail) from busy
                return Generated(retry_after_seconds=busy.retry_after_seconds)
        return Generated(answered=Answered(reply=reply[:16_000], model=engine.name))

    @on_app_loop
    async def save_conversation(_: WorkflowActivityContext, outcome: Outcome) -> None:
        """Publishes the turn, which memory keeps when the event arrives. Then notes the reply for repeats of the
        message, and for the next of the session, whose turn it now is."""
        assert outcome.answered is not None
        await tools.faults.strike("save_conversation")
        if not outcome.published:
            async with within(settings.pubsub_name, settings.save_seconds):
                await tools.events.conversation_updated(outcome.turn, outcome.answered.reply)
        await tools.faults.strike("pass_turn")
        await _end(outcome)

    @on_app_loop
    async def handle_error(_: WorkflowActivityContext, outcome: Outcome) -> None:
        """Records a failure, and lets the next message have its turn."""
        failure = outcome.failure
        assert failure is not None
        fields = {"instance_id": outcome.instance_id, **failure.model_dump()}
        log.error("A chat failed.", extra={"fields": fields})
        await _end(outcome)

    async def _end(outcome: Outcome) -> None:
        turn, answered = outcome.turn, outcome.answered
        said = answered and Turn(message_id=turn.message_id, user_message=turn.text, assistant_reply=answered.reply)
        async with within(settings.state_store_name, settings.turn_seconds):
            async with tools.store.read_ahead(*_keys(turn)):
                await tools.claims.settle(turn, parts_of(outcome.instance_id)[1], answered)
                next_one = await tools.sessions.leave(turn.session_id, outcome.instance_id, said, outcome.remembered)
            if next_one is not None:
                await tools.workflows.tell(next_one, YOUR_TURN)

    async def _noted(turn: ChatTurn) -> tuple[Claim | None, list[Turn]]:
        async with tools.store.read_ahead(*_keys(turn)):
            return await tools.claims.of(digest_of(turn)), await tools.sessions.recent(turn.session_id)

    return [take_turn, fetch_context, generate_response, save_conversation, handle_error]


def _keys(turn: ChatTurn) -> tuple[str, str]:
    return claims.key_of(digest_of(turn)), sessions.key_of(turn.session_id)


async def _call(activity: Activity[In], ctx: WorkflowActivityContext, given: In) -> Any:
    return await activity(ctx, given)
