"""What goes between the workflow, its activities and the services they call. Dapr keeps all of it in its history."""

import json
from typing import Any

from pydantic import BaseModel, Field

from models import Moment, Order, Status
from rules import Retry, Rules


class Resumed(BaseModel):
    """Where the second workflow of a run goes on: with which pizza, and after what the first has told."""

    attempt: int
    timeline: list[Moment]


class OrderInput(BaseModel):
    """What the workflow of an order starts with.

    `run` tells the runs of one order id apart: whoever acts on an order does so once for each run, step and attempt.
    `version` is that of workflow.py by which it goes to its end; 0 is in none but those from before it was noted.
    `trace` is the W3C traceparent of the request that started it: the engine starts a trace of its own. `resumed` is in
    the input of the second workflow of a run, after the first was broken off (restarts.py).
    """

    order: Order
    run: str
    rules: Rules
    version: int = 0
    kitchen_app_id: str = "pizza-kitchen"
    trace: str | None = None
    resumed: Resumed | None = None


class Compensation(BaseModel):
    """What the workflow that undoes a whole order from outside starts with."""

    of: OrderInput
    reason: str


def run_of(serialized_input: str | None) -> str:
    """The run of an instance, by what it was started with: an OrderInput, or the Compensation of one.

    Empty before the first turn of the instance: the engine does not tell until then (seen on 1.18.0).
    """
    if not serialized_input:
        return ""
    given: dict[str, Any] = json.loads(serialized_input)
    return given.get("of", given)["run"]


class Step(BaseModel):
    """What an activity that calls a service is given."""

    order: Order
    run: str
    attempt: int
    trace: str | None = None


class Check(BaseModel):
    """What the kitchen's quality check is given, in its own app."""

    order_id: str
    pizza_type: str
    run: str
    attempt: int


class RemoteCheck(BaseModel):
    """What the workflow that waits for the kitchen's check starts with."""

    app_id: str
    check: Check
    retry: Retry


class Checked(BaseModel):
    """What the kitchen's quality check says."""

    order_id: str
    attempt: int
    passed: bool
    note: str = Field(max_length=500)


class Done(BaseModel):
    """What a service answers; it may say more."""

    order_id: str
    status: str


class WaitingPizza(BaseModel):
    """The state `validation_{order_id}`: a pizza that waits for a verdict, or has got one."""

    order_id: str
    run: str
    attempt: int
    status: str = "pending_validation"
    quality: str = ""


class Verdict(BaseModel):
    """The event ValidationComplete. It counts for one attempt of one run only."""

    run: str
    attempt: int
    approved: bool


class Cancellation(BaseModel):
    """The event CancelOrder."""

    reason: str = "cancelled by request"


class Told(BaseModel):
    """A status to publish: the data of an OrderStatusChanged event (asyncapi.yaml)."""

    order_id: str
    run: str
    sequence: int
    status: Status
    step: str
    attempt: int
    at: str
    final: bool = False
    note: str | None = None
    order: Order | None = None


class Telling(BaseModel):
    """What publish_status is given."""

    event_id: str
    told: Told
    trace: str | None = None


class Progress(BaseModel):
    """A workflow's custom status: where the order is and has been."""

    order_id: str
    run: str
    status: str
    step: str
    attempt: int
    timeline: list[Moment]


class Result(BaseModel):
    """What an order's workflow returns."""

    order_id: str
    status: str
    final_status: Status
    delivery_result: dict[str, Any] | None = None
    error: str | None = None
