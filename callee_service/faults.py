"""Faults on purpose: greetings that fail or come late, so that Dapr's resiliency has something to do.

They live in this process, like the counts in attempts.py: each replica has its own.
"""

import asyncio

from fastapi import APIRouter, HTTPException

from attempts import Attempts
from models import AttemptCount, FaultOrder, FaultState
from problems import documented


class SimulatedError(Exception):
    """A greeting that fails because it was told to, with this HTTP status."""

    def __init__(self, status: int, number: int) -> None:
        super().__init__(f"Simulated temporary error from callee-service (attempt {number})")
        self.status = status


class Faults:
    """Decides which greetings are late and which fail.

    What PUT /faults ordered comes first. Otherwise `fails_per_success` (SIMULATE_FAILURE) greetings fail with status
    500, the next one succeeds, and the count starts over.
    """

    def __init__(self, fails_per_success: int = 0) -> None:
        self._fails_per_success = fails_per_success
        self._order = FaultOrder()
        self._failed_in_a_row = 0
        self._calls = 0

    def set(self, order: FaultOrder) -> None:
        """Replaces the faults that are on."""
        self._order = order.model_copy()
        self._failed_in_a_row = 0

    def state(self) -> FaultState:
        """The faults that are still on, and the number of greetings asked for."""
        return FaultState(calls=self._calls, **self._order.model_dump())

    async def strike(self) -> None:
        """Waits as long as ordered, then raises SimulatedError if this greeting is to fail."""
        self._calls += 1
        # Decided before the wait: of two greetings at once, the first to come is the first to fail.
        delay, error = self._order.delay_ms / 1000, self._next_error()
        if delay:
            await asyncio.sleep(delay)
        if error:
            raise error

    def _next_error(self) -> SimulatedError | None:
        if self._order.fail_next > 0:
            self._order.fail_next -= 1
            status = self._order.status
        elif self._failed_in_a_row < self._fails_per_success:
            status = 500
        else:
            self._failed_in_a_row = 0
            return None
        self._failed_in_a_row += 1
        return SimulatedError(status, self._failed_in_a_row)


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
        """The faults that are still on, and how many greetings were asked for."""
        return faults.state()

    @routes.delete("", status_code=204)
    async def clear_faults() -> None:
        """Turns all faults off. The number of calls stays."""
        faults.set(FaultOrder())

    @routes.get("/attempts/{request_id}", responses=documented(404))
    async def get_attempts(request_id: str) -> AttemptCount:
        """How often the request with this `x-request-id` arrived, whether or not it succeeded in the end."""
        count = attempts.of(request_id)
        if count is None:
            raise HTTPException(404, "request_id: no call with this x-request-id was seen.")
        return AttemptCount(request_id=request_id, attempts=count)

    return routes
