"""Orders, as users see and steer them."""

import json
from typing import Any

from dapr.ext.workflow import WorkflowState, WorkflowStatus

import refusals
from claims import Claims
from instances import EngineDown, Instances, Unreadable, active, not_begun
from lost_orders import LostOrders
from messages import Cancellation, OrderInput, Progress, run_of
from models import FINAL, CancelRequest, Moment, OrderState, Validation
from names import instance_of
from order_book import Deleted, Entry, OrderBook, is_deleted
from order_run import CANCEL
from pauses import Pauses
from peers import PeerFailed
from restarts import Restarts
from store import Conflict
from undoings import Undoings, came_to_an_end
from validations import Validations


class Orders:
    """Shows, pauses, resumes, cancels and validates orders. Raises Refused where an order's state does not allow it."""

    def __init__(
        self,
        instances: Instances,
        undoings: Undoings,
        lost: LostOrders,
        claims: Claims,
        book: OrderBook,
        pauses: Pauses,
        validations: Validations,
        restarts: Restarts,
    ) -> None:
        self._instances, self._undoings, self._lost, self._book = instances, undoings, lost, book
        self._claims, self._pauses, self._validations, self._restarts = claims, pauses, validations, restarts

    async def show(self, order_id: str) -> OrderState:
        """Where an order is: from its workflow, or when Dapr has purged or lost that, from pizza-order."""
        lost: Unreadable | None = None
        try:
            state = await self._instances.state(instance_of(order_id))
        except Unreadable as error:
            state, lost = None, error
        if state is None:
            found = await self._book.find(order_id)
            if not isinstance(found, Entry):
                if lost and await self._lost.end_of(order_id) != "deleted":
                    raise lost
                raise refusals.unknown(order_id)
            return _from_book(order_id, found)
        progress = _progress(order_id, state)
        if active(state):
            return _shown(progress, instance_of(order_id), state)
        found = await self._found(order_id)
        if is_deleted(found, progress.run):
            if isinstance(found, Entry):
                return _from_book(order_id, found)
            raise refusals.unknown(order_id)
        if state.runtime_status is not WorkflowStatus.COMPLETED:
            undoing = await self._undoings.of(order_id)
            if undoing.state and (undone := _progress(order_id, undoing.state)).run == progress.run:
                undone.timeline = progress.timeline + undone.timeline
                return _shown(undone, undoing.instance_id, undoing.state)
            if await self._restarts.takes_up(order_id, state, undoing):
                return _shown(progress, instance_of(order_id), state, goes_on=True)
        return _shown(progress, instance_of(order_id), state)

    async def pause(self, order_id: str) -> None:
        """Holds the order after the step that is under way."""
        progress = await self._before_its_end(order_id)
        if not progress.run:
            raise not_begun(order_id)
        await self._pauses.pause(order_id, progress.run)

    async def resume(self, order_id: str) -> None:
        """Lets a paused order go on."""
        progress = await self._under_way(order_id)
        if progress.run:  # else it has not begun, and cannot have been paused
            await self._pauses.resume(order_id, progress.run)

    async def validate(self, validation: Validation) -> None:
        """Passes the verdict on a cooked pizza to its workflow."""
        await self._validations.give(validation, await self._under_way(validation.order_id))

    async def cancel(self, request: CancelRequest) -> None:
        """Has the workflow undo what was done; with `force`, stops the workflow and undoes everything from outside."""
        if request.force:
            await self._cancel_by_force(request)
            return
        progress = await self._before_its_end(request.order_id)
        try:
            await self._claims.cancel(request.order_id)
        except Conflict:
            raise refusals.clash(request.order_id) from None
        event = Cancellation(reason=request.reason) if request.reason else Cancellation()
        await self._instances.raise_event(instance_of(request.order_id), CANCEL, event.model_dump())
        if progress.run:
            await self._pauses.resume(request.order_id, progress.run)

    async def _cancel_by_force(self, request: CancelRequest) -> None:
        order_id, reason = request.order_id, request.reason or "cancelled by force"
        try:
            state = await self._existing(order_id)
        except Unreadable:
            await self._lost.undo(order_id, reason)
            return
        # A compensation that failed may be asked for again: the services do each step of it once.
        over = came_to_an_end(state, await self._undoings.of(order_id))
        if over or (active(state) and _progress(order_id, state).status in FINAL):
            raise refusals.finished(order_id)
        if not state.serialized_input:
            raise not_begun(order_id)
        await self._undoings.start(order_id, OrderInput.model_validate_json(state.serialized_input), reason)

    async def _under_way(self, order_id: str) -> Progress:
        state = await self._existing(order_id)
        if not active(state):
            undoing = await self._undoings.of(order_id)
            if await self._restarts.takes_up(order_id, state, undoing):
                raise EngineDown(503, f"Order {order_id} was broken off, and is begun once more; ask again.")
            over = came_to_an_end(state, undoing)
            raise refusals.finished(order_id) if over else refusals.broken_off(order_id)
        return _progress(order_id, state)

    async def _before_its_end(self, order_id: str) -> Progress:
        # After it the workflow only waits until all statuses are published, and looks at nothing else any more.
        progress = await self._under_way(order_id)
        if progress.status in FINAL:
            raise refusals.finished(order_id)
        return progress

    async def _existing(self, order_id: str) -> WorkflowState:
        try:
            state = await self._instances.state(instance_of(order_id))
        except Unreadable:
            await self._lost.refuse(order_id, refusals.unknown)
            raise
        if state is None:
            found = await self._book.find(order_id)
            raise refusals.finished(order_id) if isinstance(found, Entry) and found.run else refusals.unknown(order_id)
        return state

    async def _found(self, order_id: str) -> Entry | Deleted | None:
        try:
            return await self._book.find(order_id)
        except PeerFailed:
            # What the workflow knows is worth showing also while pizza-order is down.
            return None


def _progress(order_id: str, state: WorkflowState) -> Progress:
    if told := state.serialized_custom_status:
        return Progress.model_validate_json(told)
    # Its first turn is still to come.
    run = run_of(state.serialized_input)
    return Progress(order_id=order_id, run=run, status="accepted", step="accepted", attempt=1, timeline=[])


def _shown(progress: Progress, instance_id: str, state: WorkflowState, *, goes_on: bool = False) -> OrderState:
    goes_on = goes_on or active(state)
    return OrderState(
        **progress.model_dump(exclude={"run", "status"}),
        status="failed" if state.runtime_status is WorkflowStatus.FAILED and not goes_on else progress.status,
        instance_id=instance_id,
        paused=state.runtime_status is WorkflowStatus.SUSPENDED,
        result=None if goes_on else _result(progress, state),
    )


def _result(progress: Progress, state: WorkflowState) -> dict[str, Any]:
    if state.runtime_status is WorkflowStatus.COMPLETED:
        return json.loads(state.serialized_output)
    failure = state.failure_details
    error = failure.message if failure else f"the workflow was {state.runtime_status.name.lower()}"
    return {"order_id": progress.order_id, "status": "failed", "error": error}


def _from_book(order_id: str, found: Entry) -> OrderState:
    kind = "completed" if found.status == "delivered" else "failed"
    result = {"order_id": order_id, "status": kind, "final_status": found.status}
    if found.timeline and (error := found.timeline[-1].note):
        result["error"] = error
    return OrderState(
        order_id=order_id,
        instance_id=instance_of(order_id),
        status=found.status,
        step=found.step or found.status,
        attempt=found.attempt or 1,
        timeline=[Moment(status=heard.status, at=heard.at, attempt=heard.attempt) for heard in found.timeline],
        result=result if found.final else None,
    )
