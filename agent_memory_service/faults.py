"""Faults on purpose: events that fail or take long, so that Dapr's retries and dead letters have something to do.

They live in this process, like the counts in attempts.py: each replica has its own.
"""

import asyncio

from fastapi import APIRouter, HTTPException

from attempts import Attempts
from failures import DependencyFailed
from models import DeliveryCount, FaultOrder, FaultState
from problems import documented


class Faults:
    """Decides which events are late and which fail, as PUT /faults ordered."""

    def __init__(self) -> None:
        self._order = FaultOrder()
        self._calls = 0

    def set(self, order: FaultOrder) -> None:
        """Replaces the faults that are on."""
        self._order = order.model_copy()

    def state(self) -> FaultState:
        """The faults that are still on, and the number of events delivered."""
        return FaultState(calls=self._calls, **self._order.model_dump())

    async def strike(self) -> None:
        """Waits as long as ordered, then raises DependencyFailed if this event is to fail."""
        self._calls += 1
        # Decided before the wait: of two events at once, the first to come is the first to fail.
        fails = self._order.fail_next > 0
        self._order.fail_next -= fails
        if self._order.delay_ms:
            await asyncio.sleep(self._order.delay_ms / 1000)
        if fails:
            raise DependencyFailed(503, "agent-memory-service", "Simulated temporary error from agent-memory-service")


def switches(faults: Faults, attempts: Attempts) -> APIRouter:
    """The routes that turn faults on and off and read the counts; for labs and tests, never for production."""
    routes = APIRouter(prefix="/faults", tags=["faults"])

    @routes.put("", responses=documented(413, 422))
    async def set_faults(order: FaultOrder) -> FaultState:
        """Replaces the faults that are on."""
        faults.set(order)
        return faults.state()

    @routes.get("")
    async def get_faults() -> FaultState:
        """The faults that are still on, and how many events were delivered."""
        return faults.state()

    @routes.delete("", status_code=204)
    async def clear_faults() -> None:
        """Turns all faults off. The number of events stays."""
        faults.set(FaultOrder())

    @routes.get("/deliveries/{event_id}", responses=documented(404))
    async def get_deliveries(event_id: str) -> DeliveryCount:
        """How often the event with this CloudEvent id was delivered to this process, whether or not it succeeded."""
        count = attempts.of(event_id)
        if count is None:
            raise HTTPException(404, "event_id: no event with this id was delivered.")
        return DeliveryCount(event_id=event_id, deliveries=count)

    return routes
