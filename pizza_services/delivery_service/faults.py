"""Faults on purpose: calls that fail or come late, so that Dapr's resiliency and the workflow's have something to do.

They live in this process: each replica has its own.
"""

import asyncio

from fastapi import APIRouter

from models import FaultOrder, FaultState
from problems import documented


class SimulatedError(Exception):
    """A call that fails because it was told to, with this HTTP status."""

    def __init__(self, app_id: str, status: int, number: int) -> None:
        super().__init__(f"Simulated temporary error from {app_id} (attempt {number})")
        self.status = status


class Faults:
    """Decides which calls are late and which fail."""

    def __init__(self, app_id: str) -> None:
        self._app_id = app_id
        self._order = FaultOrder()
        self._failed_in_a_row = 0
        self._calls = 0

    def set(self, order: FaultOrder) -> None:
        """Replaces the faults that are on."""
        self._order = order.model_copy()
        self._failed_in_a_row = 0

    def state(self) -> FaultState:
        """The faults that are still on, and the number of calls."""
        return FaultState(calls=self._calls, **self._order.model_dump())

    async def strike(self) -> None:
        """Waits as long as ordered, then raises SimulatedError if this call is to fail."""
        self._calls += 1
        # Decided before the wait: of two calls at once, the first to come is the first to fail.
        delay, error = self._order.delay_ms / 1000, self._next_error()
        if delay:
            await asyncio.sleep(delay)
        if error:
            raise error

    def _next_error(self) -> SimulatedError | None:
        if self._order.fail_next == 0:
            self._failed_in_a_row = 0
            return None
        self._order.fail_next -= 1
        self._failed_in_a_row += 1
        return SimulatedError(self._app_id, self._order.status, self._failed_in_a_row)


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
        """The faults that are still on, and the number of calls."""
        return faults.state()

    @routes.delete("", status_code=204)
    async def clear_faults() -> None:
        """Turns all faults off. The number of calls stays."""
        faults.set(FaultOrder())

    return routes
