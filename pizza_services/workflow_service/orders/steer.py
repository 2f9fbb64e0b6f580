"""Pause, resume, cancel and validate orders, as far as their standing allows it."""

import asyncio

from kit.engine.instances import Instances
from messages import Cancellation, instance_of
from models import CancelRequest, Validation
from order_run import CANCEL
from orders import refusals
from orders.standing import Position, Standing, Standings
from records.claims import Claims
from records.pauses import Pauses
from records.verdicts import Verdicts
from rescue.compensations import Compensations

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


class Steer:
    """Steer orders. Raise Refused or Unavailable."""

    def __init__(
        self, instances: Instances, claims: Claims, standings: Standings, pauses: Pauses, verdicts: Verdicts,
        compensations: Compensations,
    ) -> None:  # fmt: skip
        self._instances, self._claims, self._standings = instances, claims, standings
        self._pauses, self._verdicts, self._compensations = pauses, verdicts, compensations

    async def pause(self, order_id: str) -> None:
        """Pause the order after its present step."""
        position = await self._allowed(order_id, Standing.RUNNING, Standing.PAUSED)
        await self._pauses.send("pause", order_id, position.progress.run)

    async def resume(self, order_id: str) -> None:
        """Resume a paused order. Do nothing for one that has not begun: it cannot have been paused."""
        position = await self._allowed(order_id, *UNDER_WAY, Standing.ENDING)
        if position.standing is not Standing.NOT_BEGUN:
            await self._pauses.send("resume", order_id, position.progress.run)

    async def validate(self, validation: Validation) -> None:
        """Pass the verdict on a cooked pizza to its workflow."""
        order_id = validation.order_id
        position, found = await asyncio.gather(
            self._allowed(order_id, *UNDER_WAY, Standing.ENDING), self._verdicts.find(order_id)
        )
        await self._verdicts.give(validation, position.progress, found)

    async def cancel(self, request: CancelRequest) -> None:
        """Let the workflow compensate the order, or with `force` stop the workflow and compensate from outside."""
        order_id = request.order_id
        if request.force:
            position = await self._allowed(order_id, *BEFORE_ITS_END)
            # A compensation that failed may be repeated: the services do each step of it once.
            await self._compensations.start(order_id, position.input, request.reason or "cancelled by force")
            return
        position = await self._allowed(order_id, *UNDER_WAY)
        await self._claims.cancel(order_id)
        event = Cancellation(reason=request.reason) if request.reason else Cancellation()
        await self._instances.raise_event(instance_of(order_id), CANCEL, event.model_dump())
        if position.standing is not Standing.NOT_BEGUN:
            await self._pauses.send("resume", order_id, position.progress.run)

    async def _allowed(self, order_id: str, *allowed: Standing) -> Position:
        position = await self._standings.of(order_id)
        if position.standing not in allowed:
            if position.standing is Standing.LOST and position.lost:
                raise position.lost
            raise REFUSALS.get(position.standing, refusals.UNKNOWN).of(order_id)
        return position
