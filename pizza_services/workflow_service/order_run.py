"""One run of an order, as its workflow sees it: its steps, their compensations, and its end."""

from datetime import timedelta
from typing import Any

from dapr.ext.workflow import TaskFailedError

from kit.engine.context import Context, Steps, Task, when_any
from messages import Cancellation, Check, OrderInput, RemoteCheck, Step, StepResult, ValidationStep, read
from models import Status
from rules import Retry
from statuses import Statuses

CANCEL = "CancelOrder"
# The activities that compensate a step, the last first.
COMPENSATED_BY = {
    "order_pizza": ("cancel_order", "refund_order"),
    "cook_pizza": ("discard_pizza",),
    "deliver_pizza": ("recall_delivery",),
}


class OrderEnded(Exception):
    """The order ends here, without a delivery."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status: Status = status


class OrderRun(Statuses):
    """Do the steps of one run, race each against a cancellation and the deadline, and compensate them.

    Everything here is replayed: no clock but the workflow's, no setting but the rules in its input, no random value, no
    I/O.
    """

    def __init__(self, ctx: Context, order_input: OrderInput, sequence: int = 0) -> None:
        super().__init__(ctx, order_input, sequence)
        self.rules = order_input.rules
        self.compensations: list[tuple[str, int]] = []
        self._not_compensated: list[str] = []

    def watch(self) -> None:
        """Let cancellation and expiry end the order from now on."""
        # One durable wait for both: the event, or the timer that the SDK creates for its timeout.
        limit = timedelta(seconds=self.rules.deadline_seconds)
        self._interrupt = self.ctx.wait_for_external_event(CANCEL, timeout=limit)

    def do(self, activity: str, status: Status | None = None) -> Steps:
        """Do a step, which may begin with a status, unless the order is cancelled or expires first.

        Return its answer. Raise OrderEnded, or TaskFailedError when all attempts failed.
        """
        self.enter(activity)
        if status:
            self.change_status(status)
        # Noted before it begins: a step that fails, or that a cancellation overtakes, may have been done all the same.
        self.compensations += [(name, self.attempt) for name in COMPENSATED_BY[activity]]
        return (yield from self._race(activity, self._step_input(self.attempt)))

    def wait_for_validation(self, quality: str) -> Steps:
        """Record that the pizza waits for a verdict, with that status. Return the verdict if there is one already."""
        self.enter("validate_pizza")
        waiting = self.new_event("pending_validation", quality)
        step = ValidationStep(**dict(self._step_input(self.attempt)), quality=quality, waiting=waiting)
        try:
            verdict = yield from self._race("validate_pizza", step)
        except OrderEnded:
            # Overtaken, the activity may have published the status or may still do so. It is published again.
            self.add(waiting)
            raise
        self.add(waiting, published=True)
        return verdict

    def first_of(self, *tasks: Task) -> Steps:
        """Return the first of the tasks that completes. Raise OrderEnded if the order is cancelled or expires first.

        The engine replays events in the order of their arrival, so the same task wins each time. If several are
        complete already, the first in the list wins.
        """
        winner = yield when_any([self._interrupt, *tasks])
        if winner is not self._interrupt:
            return winner
        if self._interrupt.is_failed:
            raise OrderEnded("expired", f"not delivered within {self.rules.deadline_seconds:g} s")
        raise OrderEnded("cancelled", (read(Cancellation, self._interrupt.get_result()) or Cancellation()).reason)

    def stop(self) -> Steps:
        """Stop the order's own workflow. Return how it ended."""
        self.enter("stop_order")
        stopped = yield from self._call("stop_order", self._step_input(self.attempt))
        return stopped and stopped["ended"]

    def compensate(self, *steps: tuple[str, int]) -> Steps:
        """Compensate these steps, the last first. `end` reports those that failed."""
        for activity, attempt in reversed(steps):
            self.enter(activity)
            try:
                yield from self._call(activity, self._step_input(attempt))
            except TaskFailedError as error:
                # The others must be compensated all the same.
                self._not_compensated.append(f"not compensated: {activity}: {reason_of(error)}")

    def end(self, status: Status, reason: str | None = None, **more: Any) -> Steps:
        """Give the order its final status, publish it and those not yet published, and return the workflow's output."""
        reason = "; ".join(filter(None, [reason, *self._not_compensated])) or None
        self.change_status(status, reason, final=True)
        try:
            yield from self._call("publish_status", self._step_input(self.attempt))
        except TaskFailedError:
            # The pizza matters more than its status events.
            count = len(self.unpublished)
            reason = "; ".join(filter(None, [reason, f"{count} statuses could not be published"]))
        kind = "completed" if status == "delivered" else "failed"
        result = {"order_id": self.order.order_id, "status": kind, "final_status": status, **more}
        return result | {"error": reason} if reason else result

    def remote_check(self) -> RemoteCheck:
        """Return the input of the kitchen's check."""
        order_id, pizza_type = self.order.order_id, self.order.pizza_type
        check = Check(order_id=order_id, pizza_type=pizza_type, run=self.input.run, attempt=self.attempt)
        return RemoteCheck(app_id=self.input.kitchen_app_id, check=check, retry=self.rules.quality_check)

    def _step_input(self, attempt: int) -> Step:
        events = list(self.unpublished)
        return Step(order=self.order, run=self.input.run, attempt=attempt, events=events)

    def _race(self, activity: str, step: Step) -> Steps:
        task = self._schedule(activity, step)
        yield from self.first_of(task)
        return self._answer_of(task)

    def _call(self, activity: str, step: Step) -> Steps:
        task = self._schedule(activity, step)
        yield task
        return self._answer_of(task)

    def _schedule(self, activity: str, step: Step) -> Task:
        # The compensations have one rule together.
        retry: Retry = getattr(self.rules, activity, self.rules.compensate)
        return self.ctx.call_activity(activity, input=step, retry_policy=retry.policy())

    def _answer_of(self, task: Task) -> dict[str, Any] | None:
        # An activity that failed or was overtaken leaves its events unpublished: the next one publishes them again.
        result = StepResult.model_validate(task.get_result())
        self.unpublished = result.unpublished
        return result.answer


def reason_of(error: TaskFailedError) -> str:
    """Return why an activity failed, for the result of the order."""
    return error.details.message[:300]
