"""Start an order once.

An instance id is no idempotency key: Dapr runs an instance that has ended again under the same id. So a start first
claims the order's key in the state store, which only one request can do, and then schedules the workflow. A claim whose
workflow was never scheduled, because of a crash, is used by the next request.
"""

import asyncio
from secrets import token_hex

from kit.engine.instances import AlreadyActive
from kit.sidecar.store import Conflict
from kit.sidecar.unavailable import Unavailable
from messages import instance_of
from models import Order
from orders import refusals
from orders.standing import Standing
from records.claims import Claim
from wiring import Services

REFUSALS = {
    Standing.ENDED: refusals.FINISHED,
    Standing.BROKEN_OFF: refusals.BROKEN_OFF,
    Standing.DELETED: refusals.LOST,
}


async def start(services: Services, order: Order) -> None:
    """Start the order's workflow. Raise Refused if it is running or has ended, or Unavailable."""
    order_id = order.order_id
    # The workflow comes last: an order that nobody watches must not begin. Both are awaited also if one fails.
    claim, watched = await asyncio.gather(
        _claim(services, order), services.watchdog.watch(order_id), return_exceptions=True
    )
    if isinstance(claim, BaseException):
        raise claim
    if isinstance(watched, BaseException):
        raise watched
    try:
        await services.instances.schedule("pizza_workflow", instance_of(order_id), services.claims.input_of(claim))
    except AlreadyActive:
        raise refusals.RUNNING.of(order_id) from None


async def _claim(services: Services, order: Order, etag: str | None = None) -> Claim:
    try:
        return await services.claims.claim(order, token_hex(4), etag)
    except Conflict:
        if etag:
            raise refusals.RUNNING.of(order.order_id) from None
    position = await services.standings.of(order.order_id)
    if isinstance(position.found, Unavailable):
        raise position.found  # it may have deleted the order
    if position.standing is Standing.CLAIMED and position.claim and position.claim.whole_order == order:
        return position.claim
    if position.standing is Standing.DELETED and not position.lost:
        return await _claim(services, order, position.etag)
    if position.standing is Standing.LOST and position.lost:
        raise position.lost
    raise REFUSALS.get(position.standing, refusals.RUNNING).of(order.order_id)
