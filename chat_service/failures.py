"""Failed steps: how a failure passes through the workflow engine, and switches that cause one.

The switches give the workflow's retries something to do in labs and tests. Never use them in production. They live in
this process, so each replica has its own.
"""

import asyncio
import functools
import logging
from typing import Annotated, Any, Literal, cast

from dapr.ext.workflow import TaskFailedError
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from kit.edge.problems import documented
from kit.edge.service import from_state
from kit.edge.token import only_dapr
from kit.engine.worker import Activity
from kit.sidecar.unavailable import Unavailable
from messages import Failure

log = logging.getLogger("chat")

# A defect of this service: the log has its words, the user gets none of them.
DEFECT = Failure(step="", dependency="chat-service", status=502, detail="The workflow failed unexpectedly.")
# Dapr's codes for a component that this app cannot use as it is set up, and the kit's for a missing secret.
SET_UP_WRONGLY = {"FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED"}


class Refused(Unavailable):
    """A dependency refused a call. Another attempt would fail alike."""


class ModelBusy(Unavailable):
    """The model said when to ask again (Retry-After)."""

    def __init__(self, dependency: str, detail: str, seconds: float) -> None:
        super().__init__(503, dependency, detail)
        self.seconds = seconds


class StepFailed(Exception):
    """A step failed. Of an exception in an activity Dapr keeps the class name, and the message: a Failure as JSON."""


class NonRetryableError(StepFailed):
    """A step failed, and another attempt would fail alike. The SDK retries no error of this name."""


# pass_turn is the second half of save_conversation: the turn is published, and the next message may start.
StepName = Literal["fetch_context", "generate_response", "save_conversation", "pass_turn"]


class FaultOrder(BaseModel):
    """The faults of one step of the workflow."""

    model_config = ConfigDict(extra="forbid", strict=True)

    fail_next: int = Field(default=0, ge=0, le=1_000_000, description="Number of attempts that fail", examples=[2])
    delay_ms: int = Field(
        default=0, ge=0, le=60_000, description="Delay before each attempt, in milliseconds", examples=[0]
    )


class Faults:
    """The faults that are on, step by step."""

    def __init__(self) -> None:
        self.orders: dict[StepName, FaultOrder] = {}

    async def strike(self, step: str) -> None:
        """Wait for the ordered delay, then raise Unavailable if this attempt is to fail."""
        order = self.orders.get(cast("StepName", step))
        if order is None:
            return
        # Decided before the delay: of two attempts at once, the first to arrive is the first to fail.
        fails = order.fail_next > 0
        order.fail_next -= fails
        if order.delay_ms:
            await asyncio.sleep(order.delay_ms / 1000)
        if fails:
            raise Unavailable(503, "simulated fault", f"simulated fault: {step} fails on purpose.")


def step(activity: Activity, faults: Faults) -> Activity:
    """Fail on purpose if a switch says so, and let each failure of an activity survive the way through the engine."""
    name = getattr(activity, "__name__")  # noqa: B009

    @functools.wraps(activity)
    async def run(argument: Any) -> Any:
        try:
            await faults.strike(name)
            return await activity(argument)
        except Unavailable as error:
            failure = Failure(step=name, dependency=error.dependency, status=error.status, detail=error.detail)
            # Without the error's reason: a model's may repeat a part of the texts.
            log.warning("step failed", extra={**failure.model_dump(), "errorCode": error.error_code})
            is_final = isinstance(error, Refused) or error.error_code in SET_UP_WRONGLY
            raise (NonRetryableError if is_final else StepFailed)(failure.model_dump_json()) from error

    return run


def failure_of(error: TaskFailedError) -> Failure:
    """Return the failure of an activity whose retries are used up."""
    if error.details.error_type in (StepFailed.__name__, NonRetryableError.__name__):
        return Failure.model_validate_json(error.details.message)
    return DEFECT


Switches = Annotated[Faults, Depends(from_state("faults"))]
router = APIRouter(prefix="/faults", tags=["faults"], dependencies=[Depends(only_dapr)])


@router.put("/{step}", responses=documented(422))
async def set_fault(step: StepName, order: FaultOrder, faults: Switches) -> FaultOrder:
    """Replace the faults of one step."""
    faults.orders[step] = order
    return order


@router.get("")
async def get_faults(faults: Switches) -> dict[StepName, FaultOrder]:
    """Return the faults that are still on."""
    return faults.orders


@router.delete("", status_code=204)
async def clear_faults(faults: Switches) -> None:
    """Turn all faults off."""
    faults.orders.clear()
