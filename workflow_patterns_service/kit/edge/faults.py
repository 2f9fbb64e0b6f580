"""Fault switches: calls fail or are late on purpose, so that Dapr's resiliency has something to do.

For labs and tests, never for production: the routes exist only when FAULTS_ENABLED is true. The switches live in this
process, so each replica has its own.
"""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from kit.edge.problems import Refused, documented
from kit.edge.token import only_dapr


class FaultOrder(BaseModel):
    """The faults to switch on; a field that is left out is off."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"fail_next": 2}]})

    fail_next: int = Field(default=0, ge=0, le=1_000_000, description="Number of the next calls that fail")
    delay_ms: int = Field(default=0, ge=0, le=30_000, description="Delay before each call, in milliseconds")
    status: int = Field(default=500, ge=400, le=599, description="HTTP status of the calls that fail")


class FaultState(FaultOrder):
    """The faults that are on, and the number of calls since the start."""

    calls: int = Field(description="Calls since the process started, failed ones included")


class SimulatedError(Refused):
    """A call that fails on purpose, with this HTTP status."""

    def __init__(self, service: str, status: int, number: int) -> None:
        super().__init__(status, f"Simulated temporary error from {service} (attempt {number})")
        self.number = number


class Faults:
    """Decide which calls of `service` are late and which fail.

    The order of PUT /faults counts first. Otherwise `fails_per_success` calls fail with status 500, the next one
    succeeds, and the count starts over.
    """

    def __init__(self, service: str, fails_per_success: int = 0) -> None:
        self._service = service
        self._fails_per_success = fails_per_success
        self._order = FaultOrder()
        self._failed_in_a_row = 0
        self._calls = 0

    def set(self, order: FaultOrder) -> None:
        """Replace the faults that are on."""
        self._order = order.model_copy()
        self._failed_in_a_row = 0

    def state(self) -> FaultState:
        """Return the faults that are still on, and the number of calls."""
        return FaultState(calls=self._calls, **self._order.model_dump())

    async def strike(self) -> None:
        """Wait for the ordered delay, then raise SimulatedError if this call is to fail."""
        self._calls += 1
        # Decided before the delay: of two calls at once, the first to arrive is the first to fail.
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
        return SimulatedError(self._service, status, self._failed_in_a_row)


async def faults_of(request: Request) -> Faults:
    """Return the fault switches of the app that serves this request."""
    return request.app.state.faults


Switches = Annotated[Faults, Depends(faults_of)]


async def may_fail(faults: Switches) -> None:
    """Fail or delay this call if a switch says so: a dependency of the routes that the switches are for."""
    await faults.strike()


router = APIRouter(prefix="/faults", tags=["faults"], dependencies=[Depends(only_dapr)])


@router.put("", responses=documented(422))
async def set_faults(order: FaultOrder, faults: Switches) -> FaultState:
    """Replace the faults that are on."""
    faults.set(order)
    return faults.state()


@router.get("")
async def get_faults(faults: Switches) -> FaultState:
    """Return the faults that are still on, and the number of calls."""
    return faults.state()


@router.delete("", status_code=204)
async def clear_faults(faults: Switches) -> None:
    """Turn all faults off. The number of calls stays."""
    faults.set(FaultOrder())
