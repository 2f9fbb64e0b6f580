"""Multi-app: an activity and a child workflow that run in another app. A rental whose car is at task-api.

While the other app has no worker the call waits, without an error and without end. Dapr then holds back the whole
turn that asked for it, with its timers (docs/dapr-faults.md). So a child of this app makes the calls, and the parent
waits for the child or for a timer. A late child is ended: it must not rent a car that nobody wants any more.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, Field

from kit.engine.context import Context, Steps, when_any
from kit.engine.worker import Activity
from models import PatternInput, Step
from pattern import Pattern, Tools


class Rental(PatternInput):
    """A rental. `fail` knows the steps contract and give_up."""

    STEPS = ("contract", "give_up")
    city: str = Field(default="Lisbon", min_length=1, max_length=100)
    days: int = Field(default=3, ge=1, le=90)
    limit_seconds: float = Field(default=20, gt=0, le=86_400, description="How long it waits for the other app")
    app_id: Literal["task-api", "nobody"] = Field(default="task-api", description="`nobody` is the fault: no such app")


class Car(BaseModel):
    """The input of the other app's activity and workflow."""

    city: str
    days: int


class Errand(BaseModel):
    """The input of the child: the app to ask, and the request."""

    app_id: str
    car: Car


def multi_app(ctx: Context, rental: Rental) -> Steps:
    """Rent a car from another app, or give up after `limit_seconds`."""
    errand = Errand(app_id=rental.app_id, car=Car(city=rental.city, days=rental.days))
    child = ctx.call_child_workflow("rent_elsewhere", input=errand, instance_id=f"{ctx.instance_id}:car")
    timer = ctx.create_timer(timedelta(seconds=rental.limit_seconds))
    if (yield when_any([child, timer])) is timer:
        ended = yield ctx.call_activity("give_up", input=rental.step("give_up"), retry_policy=rental.policy)
        if ended != "COMPLETED":
            return {"outcome": f"{rental.app_id} did not answer in time"}
    rented = yield child
    yield ctx.call_activity("sign_contract", input=rental.step("contract"), retry_policy=rental.policy)
    return {"outcome": "rented", **rented}


def rent_elsewhere(ctx: Context, errand: Errand) -> Steps:
    """Ask the other app for a price, and let its own workflow book the car."""
    quote = yield ctx.call_activity("quote_car", input=errand.car, app_id=errand.app_id)
    booked = yield ctx.call_child_workflow("book_car", input=errand.car, app_id=errand.app_id)
    return {"quoted": quote["price"], "booking": booked["booking"]}


def activities(tools: Tools) -> Sequence[Activity]:
    """Return the steps of this app."""

    async def sign_contract(step: Step) -> None:
        await tools.deeds.do(step)

    async def give_up(step: Step) -> str:
        # Its children in the other app end with it. It may have completed just before.
        ended = await tools.instances.terminate(f"{step.run}:car", {"outcome": "given up"})
        await tools.deeds.do(step)
        return ended.name

    return sign_contract, give_up


PATTERN = Pattern("multi_app", "Steps in another app", Rental, [multi_app, rent_elsewhere], activities)
