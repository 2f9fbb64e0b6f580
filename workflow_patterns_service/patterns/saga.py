"""Saga: steps in places that share no transaction, all of them or none. A trip that is cancelled if its car fails.

The compensation of a step is noted before the step begins, because a step that failed may have been done all the same.
Compensations run in reverse order. They are retried for long, because nothing compensates a compensation.
"""

from collections.abc import Sequence

from dapr.ext.workflow import TaskFailedError

from kit.engine.context import Context, Steps, retry
from kit.engine.worker import Activity
from models import PatternInput, Step
from pattern import Pattern, Tools

BOOKINGS = ("flight", "hotel", "car")
# 17 minutes in total.
PATIENT = retry(100, first_seconds=0.2, longest_seconds=10.0)


class Package(PatternInput):
    """A trip that is booked as a whole. `fail` knows flight, hotel, car, and cancel_flight and so on."""

    STEPS = (*BOOKINGS, *(f"cancel_{booking}" for booking in BOOKINGS))


def saga(ctx: Context, package: Package) -> Steps:
    """Book flight, hotel and car, or nothing."""
    compensations: list[Step] = []
    try:
        for booking in BOOKINGS:
            compensations.append(package.step(f"cancel_{booking}"))
            step = package.step(booking, unless=f"cancel_{booking}")
            yield ctx.call_activity("book", input=step, retry_policy=package.policy)
            ctx.set_custom_status(f"{booking} booked")
    except TaskFailedError as error:
        reason = str(error)
    else:
        return {"outcome": "booked"}

    not_cancelled: list[str] = []
    for compensation in reversed(compensations):
        ctx.set_custom_status(f"compensating: {compensation.name}")
        try:
            yield ctx.call_activity("cancel", input=compensation, retry_policy=PATIENT)
        except TaskFailedError:
            # The others must be compensated all the same.
            not_cancelled.append(compensation.name)
    return {"outcome": "cancelled", "reason": reason, "not_cancelled": not_cancelled}


def activities(tools: Tools) -> Sequence[Activity]:
    """Return the steps. A booking that was cancelled is not made any more, however late its activity runs."""

    async def book(step: Step) -> None:
        await tools.deeds.do(step)

    async def cancel(step: Step) -> None:
        await tools.deeds.do(step)

    return book, cancel


PATTERN = Pattern("saga", "All steps or none, by compensation", Package, [saga], activities)
