"""The workflow that answers one message: every step is an activity, so a crash between two loses and repeats nothing.

It is replayed from its history after each step, so it reads no clock, makes no ids and touches nothing outside: times
and ids come with the message.
"""

# The SDK does not say of what its tasks are made.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

from dapr.ext.workflow import DaprWorkflowContext, RetryPolicy, TaskFailedError, when_any

from failures import ChatFailed, failure_of
from settings import Settings
from turn import Answered, ChatTurn, Context, Failure, Generated, MyTurn, Outcome, Prompt

YOUR_TURN = "YourTurn"

Steps = Generator[Any, Any, Any]


def chat_workflow_with(settings: Settings) -> Callable[[DaprWorkflowContext, ChatTurn], Steps]:
    """chat_workflow with the retry policies of these settings."""

    def policy(step: str) -> RetryPolicy:
        return RetryPolicy(
            first_retry_interval=timedelta(seconds=getattr(settings, f"{step}_retry_seconds")),
            max_number_of_attempts=getattr(settings, f"{step}_attempts"),
            backoff_coefficient=2,
            max_retry_interval=timedelta(seconds=settings.max_retry_seconds),
        )

    fetch, generate, save, turns = policy("fetch"), policy("generate"), policy("save"), policy("turn")

    def chat_workflow(ctx: DaprWorkflowContext, turn: ChatTurn) -> Steps:
        """Answers a message. Returns an Answered; fails as ChatFailed, with the Failure as its custom status."""
        step = "wait_for_turn"
        try:
            if not turn.is_head:
                yield from wait_for_turn(ctx, turn)

            step = "fetch_context"
            context = Context.model_validate((yield ctx.call_activity(step, input=turn, retry_policy=fetch)))

            # Only a second workflow for the same message finds it answered; it ends with the same reply.
            answered = context.answered
            if answered is None:
                step = "generate_response"
                answered = yield from generate_response(ctx, turn, context)

            step = "save_conversation"
            outcome = Outcome(
                turn=turn,
                instance_id=ctx.instance_id,
                answered=answered,
                published=context.answered is not None,
                remembered=context.remembered,
            )
            yield ctx.call_activity(step, input=outcome, retry_policy=save)
        except TaskFailedError as error:
            failure = failure_of(step, error)
            yield from handle_error(ctx, turn, failure)
            raise ChatFailed(failure) from error
        return answered.model_dump()

    def wait_for_turn(ctx: DaprWorkflowContext, turn: ChatTurn) -> Steps:
        # Asked first, because the one before may have ended between this message's queueing and this workflow's start:
        # the event would have found nobody. From here on it finds this workflow, waiting or not.
        while not (yield from is_my_turn(ctx, turn)):
            called = ctx.wait_for_external_event(YOUR_TURN)
            yield when_any([called, ctx.create_timer(timedelta(seconds=settings.turn_check_seconds))])

    def is_my_turn(ctx: DaprWorkflowContext, turn: ChatTurn) -> Steps:
        waiting = Outcome(turn=turn, instance_id=ctx.instance_id)
        return MyTurn.model_validate((yield ctx.call_activity("take_turn", input=waiting, retry_policy=turns))).yours

    def generate_response(ctx: DaprWorkflowContext, turn: ChatTurn, context: Context) -> Steps:
        for waits_left in reversed(range(settings.model_busy_waits + 1)):
            prompt = Prompt(turn=turn, context=context, may_wait=waits_left > 0)
            result = yield ctx.call_activity("generate_response", input=prompt, retry_policy=generate)
            generated = Generated.model_validate(result)
            if generated.answered is not None:
                return generated.answered
            # The model said when to come again. A durable timer waits without holding anything meanwhile.
            yield ctx.create_timer(timedelta(seconds=generated.retry_after_seconds or 0))
        raise AssertionError("without waits left the activity answers or raises")

    def handle_error(ctx: DaprWorkflowContext, turn: ChatTurn, failure: Failure) -> Steps:
        ctx.set_custom_status(failure.model_dump_json())
        outcome = Outcome(turn=turn, instance_id=ctx.instance_id, failure=failure)
        yield ctx.call_activity("handle_error", input=outcome, retry_policy=turns)

    return chat_workflow


def answered_of(output: Any) -> Answered:
    """The result of a finished chat_workflow."""
    return Answered.model_validate(output)
