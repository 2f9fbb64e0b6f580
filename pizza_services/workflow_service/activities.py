"""The steps of the workflows. Each has one effect and may run twice, because a crash may repeat it.

While an activity does its step, it publishes the statuses that its workflow passes to it. It handles no failure: the
workflow's retry policy does, and in the end the compensations.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from kit.engine.instances import Instances, LostInstance, active
from kit.sidecar.invoke import Invoker
from kit.sidecar.unavailable import Unavailable
from messages import Done, Progress, Step, StepResult, ValidationStep, instance_of, run_of
from orders.refusals import NOT_BEGUN
from records.claims import Claims
from records.status_events import StatusEvents
from records.verdicts import Verdicts
from settings import Settings

Answer = dict[str, Any] | None


class NonRetryableError(Exception):
    """A service refused the call (4xx). Dapr's workers know this class by its name, and do not retry it."""


class WrongAnswer(Exception):
    """A service answered with another status than its step has."""


class Activities:
    """The activities, under the names by which the workflows call them."""

    def __init__(
        self, settings: Settings, invoker: Invoker, events: StatusEvents, claims: Claims, verdicts: Verdicts,
        instances: Instances,
    ) -> None:  # fmt: skip
        self._settings, self._limits = settings, settings.time_limits
        self._invoker, self._events, self._claims = invoker, events, claims
        self._verdicts, self._instances = verdicts, instances

    def all(self) -> list[Callable[[Any], Awaitable[StepResult]]]:
        """Return the activities, to register them with the worker."""
        return [
            self.order_pizza, self.cook_pizza, self.validate_pizza, self.deliver_pizza, self.publish_status,
            self.recall_delivery, self.discard_pizza, self.refund_order, self.cancel_order, self.stop_order,
        ]  # fmt: skip

    async def order_pizza(self, step: Step) -> StepResult:
        """Place the order with the storefront."""
        return await self._do(self._settings.storefront_app_id, "order", "confirmed", step, self._limits.order_pizza)

    async def cook_pizza(self, step: Step) -> StepResult:
        """Let the kitchen cook the pizza of this attempt."""
        return await self._do(self._settings.kitchen_app_id, "cook", "cooked", step, self._limits.cook_pizza)

    async def validate_pizza(self, step: ValidationStep) -> StepResult:
        """Record that this pizza waits for a verdict. Return the verdict if the record has one already."""
        wait = self._verdicts.wait(step.order.order_id, step.run, step.attempt, step.quality)
        done = await self._with_events(step, wait, self._limits.validate_pizza)
        # Only now: a reader of the event may answer at once.
        unpublished = await self._events.publish([*done.unpublished, step.waiting])
        return StepResult(answer=done.answer, unpublished=unpublished)

    async def deliver_pizza(self, step: Step) -> StepResult:
        """Deliver the pizza."""
        return await self._do(self._settings.delivery_app_id, "deliver", "delivered", step, self._limits.deliver_pizza)

    async def publish_status(self, step: Step) -> StepResult:
        """Publish an order's last statuses, and note in its claim that it has ended."""
        finish = self._claims.finish(step.order.order_id, step.run)
        done = await self._with_events(step, finish, self._limits.publish_status)
        if done.unpublished:
            raise Unavailable(503, self._settings.pubsub_name, f"{len(done.unpublished)} statuses are not published.")
        return done

    async def recall_delivery(self, step: Step) -> StepResult:
        """Compensate deliver_pizza."""
        return await self._compensate(self._settings.delivery_app_id, "recall", "recalled", step)

    async def discard_pizza(self, step: Step) -> StepResult:
        """Compensate cook_pizza of this attempt."""
        return await self._compensate(self._settings.kitchen_app_id, "discard", "discarded", step)

    async def refund_order(self, step: Step) -> StepResult:
        """Compensate the payment in order_pizza."""
        return await self._compensate(self._settings.storefront_app_id, "refund", "refunded", step)

    async def cancel_order(self, step: Step) -> StepResult:
        """Compensate order_pizza."""
        return await self._compensate(self._settings.storefront_app_id, "cancel", "cancelled", step)

    async def stop_order(self, step: Step) -> StepResult:
        """Terminate an order's workflow, and wait until it has ended.

        Return how it ended, if that is known, and the statuses that it may not have published.
        """
        instance_id = instance_of(step.order.order_id)
        async with asyncio.timeout(self._limits.stop_order):
            try:
                state = await self._instances.state(instance_id)
                if state and not state.serialized_input:
                    raise NOT_BEGUN.of(step.order.order_id)
                # A later run of the same order, which started after this one had ended, continues.
                if state is None or run_of(state.serialized_input) != step.run:
                    return StepResult()
                if active(state):
                    await self._instances.terminate(instance_id, {"status": "terminated"})
                    state = await self._instances.state(instance_id) or state
            except LostInstance:
                return StepResult()
        shown = state.serialized_custom_status
        unpublished = Progress.model_validate_json(shown).unpublished if shown else []
        return StepResult(answer={"ended": state.runtime_status.name}, unpublished=unpublished)

    async def _do(self, app_id: str, method: str, status: str, step: Step, seconds: float) -> StepResult:
        async def deed() -> Answer:
            order = await self._claims.order_of(step.order.order_id, step.run)
            return await self._post(app_id, method, order.model_dump(), status, step)

        return await self._with_events(step, deed(), seconds)

    async def _compensate(self, app_id: str, method: str, status: str, step: Step) -> StepResult:
        deed = self._post(app_id, method, {"order_id": step.order.order_id}, status, step)
        return await self._with_events(step, deed, self._limits.compensate)

    async def _post(self, app_id: str, method: str, body: dict[str, Any], status: str, step: Step) -> Answer:
        """Return the answer of a service, which must have this status.

        Only the idempotency key and the status are kept: the answer may repeat the customer, whom the workflow's
        history must not have.
        """
        body |= {"run": step.run, "attempt": step.attempt}
        answer = await self._invoker.post(app_id, method, body)
        if answer.status >= 300:
            raise NonRetryableError(f"{app_id} answered {answer.status} to {method}: {answer.reason}")
        done = Done.model_validate(answer.json)
        if done.status != status:
            raise WrongAnswer(f"{app_id} answered {done.status[:50]!r} to {method}, not {status!r}")
        return done.model_dump()

    async def _with_events(self, step: Step, deed: Awaitable[Answer], seconds: float) -> StepResult:
        """Do the deed within its time limit, and publish the step's statuses beside it."""
        publishing = self._events.publish(step.events)
        answer, unpublished = await asyncio.gather(asyncio.wait_for(deed, seconds), publishing, return_exceptions=True)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(unpublished, BaseException):
            raise unpublished
        return StepResult(answer=answer, unpublished=unpublished)
