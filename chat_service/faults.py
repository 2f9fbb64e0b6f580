"""Faults on purpose: steps that fail or take long, so that the workflow's retries have something to do.

They live in this process: each replica has its own.
"""

import asyncio
from typing import Literal

from fastapi import APIRouter

from failures import Unreachable
from models import FaultOrder
from problems import documented

# pass_turn is the second half of save_conversation, once the turn was published.
StepName = Literal["fetch_context", "generate_response", "save_conversation", "pass_turn"]


class Faults:
    """What is to go wrong, step by step."""

    def __init__(self) -> None:
        self.orders: dict[StepName, FaultOrder] = {}

    async def strike(self, step: StepName) -> None:
        """Waits as long as ordered, then raises Unreachable if this attempt is to fail."""
        order = self.orders.get(step)
        if order is None:
            return
        # Decided before the wait: of two attempts at once, the first to come is the first to fail.
        fails = order.fail_next > 0
        order.fail_next -= fails
        if order.delay_ms:
            await asyncio.sleep(order.delay_ms / 1000)
        if fails:
            raise Unreachable("simulated fault", f"{step} fails on purpose.")


def switches(faults: Faults) -> APIRouter:
    """The routes that turn faults on and off; for labs and tests, never for production."""
    routes = APIRouter(prefix="/faults", tags=["faults"])

    @routes.put("/{step}", responses=documented(413, 422))
    async def set_fault(step: StepName, order: FaultOrder) -> FaultOrder:
        """Replaces the faults of one step."""
        faults.orders[step] = order
        return order

    @routes.get("")
    async def get_faults() -> dict[StepName, FaultOrder]:
        """The faults that are still on."""
        return faults.orders

    @routes.delete("", status_code=204)
    async def clear_faults() -> None:
        """Turns all faults off."""
        faults.orders.clear()

    return routes
