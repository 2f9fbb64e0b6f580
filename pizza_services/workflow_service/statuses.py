"""The statuses of a run, as its workflow decides them."""

from kit.engine.context import Context, timestamp
from messages import OrderInput, Progress, StatusChange, StatusEvent
from models import Status, StatusEntry


class Statuses:
    """Number the statuses of a run, and show them at once. The next activity publishes them.

    A step that a cancellation has overtaken may still be running. It must not publish a status that the workflow does
    not have.
    """

    def __init__(self, ctx: Context, order_input: OrderInput, sequence: int = 0) -> None:
        self.ctx, self.input, self.order = ctx, order_input, order_input.order
        self.step, self.attempt = "accepted", 1
        resumed = order_input.resumed
        self._timeline = list(resumed.timeline) if resumed else []
        self.unpublished = list(resumed.unpublished) if resumed else []
        self._sequence, self._first = sequence, sequence + 1
        self._show()

    def enter(self, step: str) -> None:
        """Note that this step begins."""
        self.step = step
        self._show()

    def change_status(self, status: Status, note: str | None = None, *, final: bool = False) -> None:
        """Give the order a status. The next activity publishes it."""
        self.add(self.new_event(status, note, final=final))

    def new_event(self, status: Status, note: str | None = None, *, final: bool = False) -> StatusEvent:
        """Return the event of the next status."""
        self._sequence += 1
        change = StatusChange(
            order_id=self.order.order_id, run=self.input.run, sequence=self._sequence, status=status, step=self.step,
            attempt=self.attempt, at=timestamp(self.ctx), final=final, note=note and note[:500],
            order=self.order if self._sequence == self._first else None,
        )  # fmt: skip
        return StatusEvent(event_id=f"{self.ctx.instance_id}-{self.input.run}-{self._sequence}", change=change)

    def add(self, event: StatusEvent, *, published: bool = False) -> None:
        """Give the order the status of this event."""
        change = event.change
        self._timeline.append(StatusEntry(status=change.status, at=change.at, attempt=change.attempt))
        if not published:
            self.unpublished.append(event)
        self._show()

    def _show(self) -> None:
        status = self._timeline[-1].status if self._timeline else "accepted"
        progress = Progress(
            order_id=self.order.order_id, run=self.input.run, status=status, step=self.step, attempt=self.attempt,
            timeline=self._timeline, unpublished=self.unpublished,
        )  # fmt: skip
        self.ctx.set_custom_status(progress.model_dump_json())
