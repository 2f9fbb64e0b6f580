"""Pause, resume, cancel and validate orders, as far as their standing allows it. Raise Refused or Unavailable."""

import asyncio

from messages import Cancellation, instance_of
from models import CancelRequest, Validation
from order_run import CANCEL
from orders import refusals
from orders.standing import Position, Standing
from wiring import Services

UNDER_WAY = (Standing.NOT_BEGUN, Standing.RUNNING, Standing.PAUSED)
BEFORE_ITS_END = (
    Standing.RUNNING, Standing.PAUSED, Standing.RESTARTING, Standing.BROKEN_OFF, Standing.COMPENSATING, Standing.LOST,
)  # fmt: skip
REFUSALS = {
    Standing.NOT_BEGUN: refusals.NOT_BEGUN,
    Standing.RESTARTING: refusals.RESTARTING,
    Standing.ENDING: refusals.FINISHED,
    Standing.ENDED: refusals.FINISHED,
    Standing.BROKEN_OFF: refusals.BROKEN_OFF,
    Standing.COMPENSATING: refusals.BROKEN_OFF,
}


async def pause(services: Services, order_id: str) -> None:
    """Pause the order after its present step."""
    position = await _allowed(services, order_id, Standing.RUNNING, Standing.PAUSED)
    await services.pauses.send("pause", order_id, position.run)


async def resume(services: Services, order_id: str) -> None:
    """Resume a paused order. Do nothing for one that has not begun: it cannot have been paused."""
    position = await _allowed(services, order_id, *UNDER_WAY, Standing.ENDING)
    if position.standing is not Standing.NOT_BEGUN:
        await services.pauses.send("resume", order_id, position.run)


async def validate(services: Services, validation: Validation) -> None:
    """Pass the verdict on a cooked pizza to its workflow."""
    order_id = validation.order_id
    position, found = await asyncio.gather(
        _allowed(services, order_id, *UNDER_WAY, Standing.ENDING), services.verdicts.find(order_id)
    )
    await services.verdicts.give(validation, position.progress, found)


async def cancel(services: Services, request: CancelRequest) -> None:
    """Let the workflow compensate the order, or with `force` stop the workflow and compensate from outside."""
    order_id = request.order_id
    if request.force:
        position = await _allowed(services, order_id, *BEFORE_ITS_END)
        # A compensation that failed may be repeated: the services do each step of it once.
        await services.compensations.start(order_id, position.input, request.reason or "cancelled by force")
        return
    position = await _allowed(services, order_id, *UNDER_WAY)
    await services.claims.cancel(order_id)
    event = Cancellation(reason=request.reason) if request.reason else Cancellation()
    await services.instances.raise_event(instance_of(order_id), CANCEL, event.model_dump())
    if position.standing is not Standing.NOT_BEGUN:
        await services.pauses.send("resume", order_id, position.run)


async def _allowed(services: Services, order_id: str, *allowed: Standing) -> Position:
    position = await services.standings.of(order_id)
    if position.standing not in allowed:
        if position.standing is Standing.LOST and position.lost:
            raise position.lost
        raise REFUSALS.get(position.standing, refusals.UNKNOWN).of(order_id)
    return position
