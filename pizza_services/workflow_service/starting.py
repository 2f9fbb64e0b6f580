"""Starting an order once.

An instance id is no idempotency key: once an instance has ended, Dapr starts another under the same id. So a start
first claims the order's key in the state store, which only one request can do, and then schedules the workflow.
"""

from secrets import token_hex

from pydantic import BaseModel

import refusals
from instances import AlreadyActive, Instances, active, came_to_an_end
from messages import OrderInput
from models import Order
from names import compensation_of, instance_of
from order_book import Entry, OrderBook, is_deleted
from settings import Settings
from store import Conflict, Store
from watchdog import Watchdog


class Claim(BaseModel):
    """The state `start_{order_id}`: the order was started, as this run of it."""

    order: Order
    run: str


class Starting:
    """Starts orders; a claim whose workflow was never scheduled, because of a crash, is taken up again."""

    def __init__(
        self, settings: Settings, instances: Instances, store: Store, book: OrderBook, watchdog: Watchdog
    ) -> None:
        self._settings, self._instances, self._store, self._book = settings, instances, store, book
        self._watchdog = watchdog

    async def start(self, order: Order, trace: str | None) -> None:
        """Starts the order's workflow; raises Refused when it is under way or has ended."""
        claim, etag = await self._store.read(_key(order), Claim)
        if claim is None or await self._may_run_again(claim):
            claim = Claim(order=order, run=token_hex(4))
            try:
                await self._store.write(_key(order), claim, etag)
            except Conflict:
                raise refusals.running(order.order_id) from None
        elif claim.order != order:
            raise refusals.running(order.order_id)
        # Before the workflow: what is not watched has not begun.
        await self._watchdog.watch(order.order_id)
        await self._schedule(claim, trace)

    async def _may_run_again(self, claim: Claim) -> bool:
        order_id = claim.order.order_id
        state = await self._instances.state(instance_of(order_id))
        undoing = await self._instances.state(compensation_of(order_id))
        if active(state) or active(undoing):
            raise refusals.running(order_id)
        found = await self._book.find(order_id)
        if is_deleted(found, claim.run):
            return True
        if state is not None and not came_to_an_end(state, undoing):
            raise refusals.broken_off(order_id)
        if state is not None or (isinstance(found, Entry) and found.final):
            raise refusals.finished(order_id)
        # Claimed, but never begun. Should it have been begun and lost, this run's steps are still done only once.
        return False

    async def _schedule(self, claim: Claim, trace: str | None) -> None:
        given = OrderInput(
            order=claim.order,
            run=claim.run,
            rules=self._settings.rules,
            kitchen_app_id=self._settings.kitchen_app_id,
            trace=trace,
        )
        try:
            await self._instances.start("pizza_workflow", instance_of(claim.order.order_id), given)
        except AlreadyActive:
            raise refusals.running(claim.order.order_id) from None


def _key(order: Order) -> str:
    # Dapr puts the app id and "||" before it, and refuses a key that has "||" of its own.
    return f"start_{order.order_id}"
