"""Start an order once.

An instance id is no idempotency key: Dapr runs an instance that has ended again under the same id. So a start first
claims the order's key in the state store, which only one request can do, and then schedules the workflow.
"""

import asyncio
from secrets import token_hex

from kit.engine.instances import AlreadyActive, Instances
from kit.sidecar.store import Conflict
from kit.sidecar.unavailable import Unavailable
from messages import instance_of
from models import Order
from orders import refusals
from orders.standing import Position, Standing, Standings
from records.claims import Claim, Claims
from rescue.watchdog import Watchdog

REFUSALS = {
    Standing.ENDED: refusals.FINISHED,
    Standing.BROKEN_OFF: refusals.BROKEN_OFF,
    Standing.DELETED: refusals.LOST,
}


class Start:
    """Start orders. A claim whose workflow was never scheduled, because of a crash, is used by the next request."""

    def __init__(self, instances: Instances, claims: Claims, standings: Standings, watchdog: Watchdog) -> None:
        self._instances, self._claims, self._standings, self._watchdog = instances, claims, standings, watchdog

    async def start(self, order: Order, trace: str | None) -> None:
        """Start the order's workflow. Raise Refused if it is running or has ended."""
        # The workflow comes last: an order that nobody watches must not begin. Both are awaited also if one fails.
        claim, watched = await asyncio.gather(
            self._claim(order), self._watchdog.watch(order.order_id), return_exceptions=True
        )
        if isinstance(claim, BaseException):
            raise claim
        if isinstance(watched, BaseException):
            raise watched
        try:
            order_input = self._claims.input_of(claim, trace)
            await self._instances.schedule("pizza_workflow", instance_of(order.order_id), order_input)
        except AlreadyActive:
            raise refusals.RUNNING.of(order.order_id) from None

    async def _claim(self, order: Order) -> Claim:
        try:
            return await self._claims.claim(order, token_hex(4), None)
        except Conflict:
            return await self._claim_again(order, await self._standings.of(order.order_id))

    async def _claim_again(self, order: Order, position: Position) -> Claim:
        claim, order_id = position.claim, order.order_id
        if isinstance(position.found, Unavailable):
            raise position.found  # it may have deleted the order
        if position.standing is Standing.CLAIMED and claim and claim.whole_order == order:
            return claim
        if position.standing is Standing.LOST and position.lost:
            raise position.lost
        if position.standing is not Standing.DELETED or position.lost:
            raise REFUSALS.get(position.standing, refusals.RUNNING).of(order_id)
        try:
            return await self._claims.claim(order, token_hex(4), position.etag)
        except Conflict:
            raise refusals.RUNNING.of(order_id) from None
