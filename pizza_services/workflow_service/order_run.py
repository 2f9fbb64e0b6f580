"""One run of an order, as its workflow sees it: its steps, their compensations, and its statuses."""

from datetime import timedelta
from typing import Any

from dapr.ext.workflow import TaskFailedError

from kit.engine.context import Context, Steps, Task, timestamp, when_any
from messages import (
    Cancellation,
    Check,
    OrderInput,
    Progress,
    RemoteCheck,
    Result,
    Resumed,
    StatusChange,
    StatusEvent,
    Step,
    StepResult,
    ValidationStep,
    read,
)
from models import Status, StatusEntry
from rules import Retry

CANCEL = "CancelOrder"


class OrderEnded(Exception):
    """The order ends here, without a delivery."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status: Status = status


class OrderRun:
    """Do the steps of one run, race each against a cancellation and the deadline, and compensate them.

    Everything here is replayed: no clock but the workflow's, no setting but the rules in its input, no random value, no
    I/O. A status is decided here, and the next activity publishes it. A step that a cancellation has overtaken may
    still be running. It must not publish a status that this workflow does not have.
    """

    def __init__(
        self, ctx: Context, order_input: OrderInput, sequence: int = 0, resumed: Resumed | None = None
    ) -> None:
        self.ctx, self.input, self.rules, self.order = ctx, order_input, order_input.rules, order_input.order
        self.step, self.attempt = "accepted", 1
        self._sequence, self._first = sequence, sequence + 1
        self._timeline = list(resumed.timeline) if resumed else []
        self._unpublished = list(resumed.unpublished) if resumed else []
        self._compensations: list[tuple[str, int]] = []
        self._not_compensated: list[str] = []
        self._show()

    def watch(self) -> None:
        """Let cancellation and expiry end the order from now on."""
        # One durable wait for both: the event, or the timer that the SDK creates for its timeout.
        limit = timedelta(seconds=self.rules.deadline_seconds)
        self._interrupt = self.ctx.wait_for_external_event(CANCEL, timeout=limit)

    def enter(self, step: str) -> None:
        """Note that this step begins."""
        self.step = step
        self._show()

    def change_status(self, status: Status, note: str | None = None, *, final: bool = False) -> None:
        """Give the order a status. The next activity publishes it."""
        self._add(self._event(status, note, final=final))

    def do(self, activity: str, step: Step, retry: Retry, compensated_by: tuple[str, ...] = ()) -> Steps:
        """Do a step, unless the order is cancelled or expires first. Return its answer.

        Its compensations are noted before it begins: a step that fails, or is overtaken by a cancellation, may have
        been done all the same. Raise OrderEnded, or TaskFailedError when all attempts failed.
        """
        self._compensations += [(name, self.attempt) for name in compensated_by]
        task = self._call(activity, step, retry)
        yield from self.first_of(task)
        return self._answer_of(task)

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

    def wait_for_validation(self, quality: str) -> Steps:
        """Record that the pizza waits for a verdict, with that status. Return the verdict if there is one already."""
        waiting = self._event("pending_validation", quality or None)
        step = ValidationStep(**self._step_input(self.attempt), quality=quality, waiting=waiting)
        try:
            answer = yield from self.do("validate_pizza", step, self.rules.validate_pizza)
        except OrderEnded:
            # Overtaken, the activity may have published the status or may still do so. It is published again.
            self._add(waiting)
            raise
        self._add(waiting, published=True)
        return answer

    def stop(self) -> Steps:
        """Stop the order's own workflow. Return how it ended."""
        task = self._call("stop_order", self.step_input(), self.rules.compensate)
        yield task
        return (self._answer_of(task) or {}).get("ended")

    def compensate(self, steps: list[tuple[str, int]] | None = None) -> Steps:
        """Compensate these steps, or all that began, the last first. `end` reports those that failed."""
        for activity, attempt in reversed(self._compensations if steps is None else steps):
            self.enter(activity)
            task = self._call(activity, self.step_input(attempt), self.rules.compensate)
            try:
                yield task
                self._answer_of(task)
            except TaskFailedError as error:
                # The others must be compensated all the same.
                self._not_compensated.append(f"not compensated: {activity}: {_words(error)}")

    def compensate_last(self) -> Steps:
        """Compensate the last step alone."""
        yield from self.compensate([self._compensations.pop()])

    def end(self, status: Status, reason: str | None = None, **more: Any) -> Steps:
        """Give the order its final status, publish it and those not yet published, and return the workflow's output."""
        reason = "; ".join(filter(None, [reason, *self._not_compensated])) or None
        self.change_status(status, reason, final=True)
        task = self._call("publish_status", self.step_input(), self.rules.publish_status)
        try:
            yield task
            self._answer_of(task)
        except TaskFailedError:
            # The pizza matters more than its status events.
            count = len(self._unpublished)
            reason = "; ".join(filter(None, [reason, f"{count} statuses could not be published"]))
        kind = "completed" if status == "delivered" else "failed"
        result = Result(order_id=self.order.order_id, status=kind, final_status=status, error=reason, **more)
        return result.model_dump(exclude_none=True)

    def step_input(self, attempt: int | None = None) -> Step:
        """Return the input of an activity for this step."""
        return Step(**self._step_input(attempt or self.attempt))

    def remote_check(self) -> RemoteCheck:
        """Return the input of the kitchen's check."""
        order_id, pizza_type = self.order.order_id, self.order.pizza_type
        check = Check(order_id=order_id, pizza_type=pizza_type, run=self.input.run, attempt=self.attempt)
        return RemoteCheck(app_id=self.input.kitchen_app_id, check=check, retry=self.rules.quality_check)

    def _step_input(self, attempt: int) -> dict[str, Any]:
        order, run, trace = self.order, self.input.run, self.input.trace
        return {"order": order, "run": run, "attempt": attempt, "trace": trace, "events": list(self._unpublished)}

    def _call(self, activity: str, step: Step, retry: Retry) -> Task:
        return self.ctx.call_activity(activity, input=step, retry_policy=retry.policy())

    def _answer_of(self, task: Task) -> dict[str, Any] | None:
        # An activity that failed or was overtaken leaves its events unpublished: the next one publishes them again.
        result = StepResult.model_validate(task.get_result())
        self._unpublished = result.unpublished
        return result.answer

    def _event(self, status: Status, note: str | None, *, final: bool = False) -> StatusEvent:
        self._sequence += 1
        change = StatusChange(
            order_id=self.order.order_id, run=self.input.run, sequence=self._sequence, status=status, step=self.step,
            attempt=self.attempt, at=timestamp(self.ctx), final=final, note=note and note[:500],
            order=self.order if self._sequence == self._first else None,
        )  # fmt: skip
        return StatusEvent(event_id=f"{self.ctx.instance_id}-{self.input.run}-{self._sequence}", change=change)

    def _add(self, event: StatusEvent, *, published: bool = False) -> None:
        change = event.change
        self._timeline.append(StatusEntry(status=change.status, at=change.at, attempt=change.attempt))
        if not published:
            self._unpublished.append(event)
        self._show()

    def _show(self) -> None:
        status = self._timeline[-1].status if self._timeline else "accepted"
        progress = Progress(
            order_id=self.order.order_id, run=self.input.run, status=status, step=self.step, attempt=self.attempt,
            timeline=self._timeline, unpublished=self._unpublished,
        )  # fmt: skip
        self.ctx.set_custom_status(progress.model_dump_json())


def reason_of(error: TaskFailedError, step: str) -> str:
    """Return why a step failed, for the result of the order."""
    return f"{step} failed: {_words(error)}"


def _words(error: TaskFailedError) -> str:
    return error.details.message[:300]
