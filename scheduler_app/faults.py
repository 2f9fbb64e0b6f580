"""Faults on purpose: callbacks that fail or come late, so that the scheduler's failure policy has something to do.

They live in this process: each replica has its own.
"""

import asyncio

from fastapi import APIRouter

from models import FaultOrder, FaultState
from problems import documented


class SimulatedError(Exception):
    """A callback that fails because it was told to, with this HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__("Simulated error from scheduler-test-py")
        self.status = status


class Faults:
    """Decides which callbacks are late and which fail."""

    def __init__(self) -> None:
        self._order = FaultOrder()
        self._calls = 0

    def set(self, order: FaultOrder) -> None:
        """Replaces the faults that are on."""
        self._order = order.model_copy()

    def state(self) -> FaultState:
        """The faults that are still on, and the number of callbacks."""
        return FaultState(calls=self._calls, **self._order.model_dump())

    async def strike(self) -> SimulatedError | None:
        """Waits as long as ordered, and returns the error with which this callback is to fail."""
        self._calls += 1
        # Decided before the wait: of two callbacks at once, the first to come is the first to fail.
        delay, error = self._order.delay_ms / 1000, None
        if self._order.fail_next > 0:
            self._order.fail_next -= 1
            error = SimulatedError(self._order.status)
        if delay:
            await asyncio.sleep(delay)
        return error


def switches(faults: Faults) -> APIRouter:
    """The routes that turn faults on and off; for labs and tests, never for production."""
    routes = APIRouter(prefix="/faults", tags=["faults"])

    @routes.put("", responses=documented(413, 422))
    async def set_faults(order: FaultOrder) -> FaultState:
        """Replaces the faults that are on."""
        faults.set(order)
        return faults.state()

    @routes.get("")
    async def get_faults() -> FaultState:
        """The faults that are still on, and how many callbacks came."""
        return faults.state()

    @routes.delete("", status_code=204)
    async def clear_faults() -> None:
        """Turns all faults off. The number of calls stays."""
        faults.set(FaultOrder())

    return routes
