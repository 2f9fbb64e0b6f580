"""Starting an order once.

An instance id is no idempotency key: once an instance has ended, Dapr starts another under the same id. So a start
first claims the order's key in the state store, which only one request can do, and then schedules the workflow.
"""

from secrets import token_hex

import refusals
from claims import Claim, Claims
from instances import AlreadyActive, Instances, Unreadable, active
from lost_orders import LostOrders
from messages import run_of
from models import Order
from names import instance_of
from order_book import Entry, OrderBook, is_deleted
from restarts import Restarts
from store import Conflict
from undoings import Undoings, came_to_an_end
from watchdog import Watchdog


class Starting:
    """Starts orders; a claim whose workflow was never scheduled, because of a crash, is taken up again."""

    def __init__(
        self,
        instances: Instances,
        undoings: Undoings,
        lost: LostOrders,
        claims: Claims,
        book: OrderBook,
        restarts: Restarts,
        watchdog: Watchdog,
    ) -> None:
        self._instances, self._undoings, self._lost = instances, undoings, lost
        self._claims, self._book, self._restarts, self._watchdog = claims, book, restarts, watchdog

    async def start(self, order: Order, trace: str | None) -> None:
        """Starts the order's workflow; raises Refused when it is under way or has ended."""
        claim, etag = await self._claims.read(order.order_id)
        if claim is None or await self._may_run_again(claim):
            claim = Claim(order=order, run=token_hex(4))
            try:
                await self._claims.write(claim, etag)
            except Conflict:
                raise refusals.running(order.order_id) from None
        elif claim.order != order:
            raise refusals.running(order.order_id)
        # Before the workflow: what is not watched has not begun.
        await self._watchdog.watch(order.order_id)
        await self._schedule(claim, trace)

    async def _may_run_again(self, claim: Claim) -> bool:
        order_id = claim.order.order_id
        try:
            state = await self._instances.state(instance_of(order_id))
        except Unreadable:
            await self._lost.refuse(order_id, refusals.lost)
            raise
        undoing = await self._undoings.of(order_id)
        if active(state) or active(undoing.state):
            raise refusals.running(order_id)
        found = await self._book.find(order_id)
        if is_deleted(found, claim.run):
            return True
        if state and (begun := run_of(state.serialized_input)) and begun != claim.run:
            return False  # what is there is of the run before: this one was claimed, and never begun
        if state is not None and not came_to_an_end(state, undoing):
            taken_up = await self._restarts.takes_up(order_id, state, undoing)
            raise refusals.running(order_id) if taken_up else refusals.broken_off(order_id)
        # The claim's word counts also where pizza-order's does not: it may never have heard of the end.
        if state is not None or claim.finished or (isinstance(found, Entry) and found.final):
            raise refusals.finished(order_id)
        # Claimed, but never begun. Should it have been begun and lost, this run's steps are still done only once.
        return False

    async def _schedule(self, claim: Claim, trace: str | None) -> None:
        given = self._claims.input_of(claim, trace)
        try:
            await self._instances.start("pizza_workflow", instance_of(claim.order.order_id), given)
        except AlreadyActive:
            raise refusals.running(claim.order.order_id) from None
