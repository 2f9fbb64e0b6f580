"""The workflow that answers one message. Each step is an activity, so a crash between two loses and repeats nothing.

It is replayed from its history after each step. So it reads no clock, makes no ids and does no I/O: times and ids are
part of the message.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from dapr.ext.workflow import RetryPolicy, TaskFailedError

from failures import failure_of
from kit.engine.context import Context, Steps, retry, when_any
from messages import Fetched, Generated, Message, Outcome, Prompt
from settings import Settings

YOU_ARE_NEXT = "YourTurn"


class ChatFailed(Exception):
    """The message has no reply. The workflow ends as failed."""


@dataclass(frozen=True)
class ChatWorkflow:
    """The workflow with the retry policies of these settings."""

    settings: Settings

    def chat_workflow(self, ctx: Context, message: Message) -> Steps:
        """Answer a message. Return an Answered, or fail as ChatFailed with the Failure as the custom status."""
        try:
            if not message.is_head:
                yield from self._wait_in_queue(ctx, message)
            found = yield ctx.call_activity("fetch_context", input=message, retry_policy=self._retry("fetch"))
            fetched = Fetched.model_validate(found)
            message = message.model_copy(update={"recent": None})  # the history has them now
            answered = yield from self._generate_response(ctx, message.text, fetched)
            outcome = Outcome(
                message=message, instance_id=ctx.instance_id, answered=answered, remembered=fetched.remembered
            )
            # Its result is the reply that counts: another workflow of the same message may have been faster.
            return (yield ctx.call_activity("save_conversation", input=outcome, retry_policy=self._retry("save")))
        except TaskFailedError as error:
            failure = failure_of(error)
            ctx.set_custom_status(failure.model_dump_json())
            outcome = Outcome(message=message, instance_id=ctx.instance_id, failure=failure)
            yield ctx.call_activity("handle_error", input=outcome, retry_policy=self._retry("save"))
            raise ChatFailed(failure.detail) from error

    def _wait_in_queue(self, ctx: Context, message: Message) -> Steps:
        # The check is first, because the message before may have ended before this workflow started: its event then
        # found no workflow. From here on the event finds this one, waiting or not.
        waiting = Outcome(message=message, instance_id=ctx.instance_id)
        while True:
            if (yield ctx.call_activity("take_turn", input=waiting, retry_policy=self._retry("save"))):
                return
            called = ctx.wait_for_external_event(YOU_ARE_NEXT)
            yield when_any([called, ctx.create_timer(timedelta(seconds=self.settings.queue_check_seconds))])

    def _generate_response(self, ctx: Context, text: str, fetched: Fetched) -> Steps:
        for waits_left in reversed(range(self.settings.model_busy_waits + 1)):
            prompt = Prompt(text=text, context=fetched.context, may_wait=waits_left > 0)
            result = yield ctx.call_activity("generate_response", input=prompt, retry_policy=self._retry("generate"))
            generated = Generated.model_validate(result)
            if generated.answered is not None:
                return generated.answered
            # The model said when to ask again. A durable timer holds no thread and no connection until then.
            yield ctx.create_timer(timedelta(seconds=generated.retry_after_seconds or 0))
        raise AssertionError("without waits left the activity answers or raises")

    def _retry(self, step: Literal["fetch", "generate", "save"]) -> RetryPolicy:
        attempts = getattr(self.settings, f"{step}_attempts")
        return retry(attempts, self.settings.retry_seconds, self.settings.max_retry_seconds)
