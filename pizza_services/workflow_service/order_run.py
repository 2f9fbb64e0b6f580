"""One run of an order, as its workflow sees it: its steps, what would undo them, and what is told about it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dapr.ext.workflow import TaskFailedError
from pydantic import ValidationError

from durable import Context, Task, Wait, when_any
from messages import Cancellation, Check, OrderInput, Progress, RemoteCheck, Result, Step, Telling, Told
from models import Moment, Status
from rules import Retry

CANCEL = "CancelOrder"


class OrderEnded(Exception):
    """The order ends here, without a delivery."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status: Status = status


class OrderRun:
    """Does the steps of one run, races each against a cancellation and the deadline, and undoes them.

    Everything here is replayed: no clock but the workflow's, no setting but the rules in its input, no chance, no I/O.
    """

    def __init__(self, ctx: Context, given: OrderInput, sequence: int = 0, timeline: Sequence[Moment] = ()) -> None:
        self.ctx, self.given, self.rules, self.order = ctx, given, given.rules, given.order
        self.step, self.attempt = "accepted", 1
        self._sequence = sequence
        self._timeline = list(timeline)
        self._undo: list[tuple[str, int]] = []
        self._not_undone: list[str] = []
        self._telling: list[Task] = []
        self._show()

    def watch(self) -> None:
        """From now on the order can be cancelled, and can expire."""
        # One durable wait for both: the event, or the timer that the SDK sets up for its time limit.
        limit = timedelta(seconds=self.rules.deadline_seconds)
        self._interrupt = self.ctx.wait_for_external_event(CANCEL, timeout=limit)

    def enter(self, step: str) -> None:
        """From now on this step is being done."""
        self.step = step
        self._show()

    def tell(self, status: Status, note: str | None = None, *, final: bool = False) -> None:
        """Publishes a status, as a step of its own that nothing waits for before `all_told`."""
        self._sequence += 1
        moment = Moment(status=status, at=_text(self.ctx.current_utc_datetime), attempt=self.attempt)
        self._timeline.append(moment)
        self._show()
        told = Told(
            order_id=self.order.order_id, run=self.given.run, sequence=self._sequence, status=status, step=self.step,
            attempt=self.attempt, at=moment.at, final=final, note=note and note[:500],
            order=None if self._telling else self.order,
        )  # fmt: skip
        # The same id when it is published again, whoever does it: who listens drops what has come before.
        event_id = f"{self.ctx.instance_id}-{self.given.run}-{self._sequence}"
        telling = Telling(event_id=event_id, told=told, trace=self.given.trace)
        self._telling.append(self._call("publish_status", telling, self.rules.publish_status))

    def do(self, activity: str, given: Any, retry: Retry, undone_by: tuple[str, ...] = ()) -> Wait:
        """Does a step, unless the order is cancelled or expires first; returns its result.

        What undoes it is noted before it begins: a step that fails, or is overtaken by a cancellation, may have been
        done all the same. Raises OrderEnded, or TaskFailedError when all attempts failed.
        """
        self._undo += [(name, self.attempt) for name in undone_by]
        step = self._call(activity, given, retry)
        yield from self.first_of(step)
        return step.get_result()

    def first_of(self, *tasks: Task) -> Wait:
        """Waits for one of the tasks and returns it; raises OrderEnded when the order is cancelled or expires first.

        The engine replays events in the order in which they came, so the same task wins each time. Of those that are
        complete before anybody waits, the first in the list does.
        """
        winner = yield when_any([self._interrupt, *tasks])
        if winner is not self._interrupt:
            return winner
        if self._interrupt.is_failed:
            raise OrderEnded("expired", f"not delivered within {self.rules.deadline_seconds:g} s")
        raise OrderEnded("cancelled", _reason(self._interrupt.get_result()))

    def undo(self, steps: list[tuple[str, int]] | None = None) -> Wait:
        """Undoes these steps, or all that were begun, the last first; `end` tells those that could not be undone."""
        for activity, attempt in reversed(self._undo if steps is None else steps):
            self.enter(activity)
            given = Step(order=self.order, run=self.given.run, attempt=attempt, trace=self.given.trace)
            try:
                yield self._call(activity, given, self.rules.undo)
            except TaskFailedError as error:
                # The rest must be undone all the same; the result says what was not.
                self._not_undone.append(f"not undone: {activity}: {_words(error)}")

    def undo_last(self) -> Wait:
        """Undoes the last step alone."""
        yield from self.undo([self._undo.pop()])

    def end(self, status: Status, reason: str | None = None, **more: Any) -> Wait:
        """Tells the end, waits until all that was told is published, and returns the workflow's result."""
        reason = "; ".join(filter(None, [reason, *self._not_undone])) or None
        self.tell(status, reason, final=True)
        unpublished = 0
        for telling in self._telling:
            try:
                yield telling
            except TaskFailedError:
                # The pizza matters more than the news of it.
                unpublished += 1
        if unpublished:
            reason = "; ".join(filter(None, [reason, f"{unpublished} statuses could not be published"]))
        kind = "completed" if status == "delivered" else "failed"
        result = Result(order_id=self.order.order_id, status=kind, final_status=status, error=reason, **more)
        return result.model_dump(exclude_none=True)

    def here(self) -> Step:
        """What an activity must know about the step that is done now."""
        return Step(order=self.order, run=self.given.run, attempt=self.attempt, trace=self.given.trace)

    def check(self) -> RemoteCheck:
        """What the kitchen must know to check the pizza."""
        order_id, pizza_type = self.order.order_id, self.order.pizza_type
        check = Check(order_id=order_id, pizza_type=pizza_type, run=self.given.run, attempt=self.attempt)
        return RemoteCheck(app_id=self.given.kitchen_app_id, check=check, retry=self.rules.quality_check)

    def _call(self, activity: str, given: Any, retry: Retry) -> Task:
        return self.ctx.call_activity(activity, input=given, retry_policy=retry.policy())

    def _show(self) -> None:
        status = self._timeline[-1].status if self._timeline else "accepted"
        progress = Progress(
            order_id=self.order.order_id, run=self.given.run, status=status, step=self.step, attempt=self.attempt,
            timeline=self._timeline,
        )  # fmt: skip
        self.ctx.set_custom_status(progress.model_dump_json())


def reason_of(error: TaskFailedError, step: str) -> str:
    """Why a step failed, in words for the result of the order."""
    return f"{step} failed: {_words(error)}"


def _words(error: TaskFailedError) -> str:
    return error.details.message[:300]


def _reason(event: Any) -> str:
    try:
        return Cancellation.model_validate(event).reason
    except ValidationError:
        # Whoever can reach the sidecar can send an event of any form; a cancellation it is all the same.
        return Cancellation().reason


def _text(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
