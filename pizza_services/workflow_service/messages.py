"""The messages between the workflow, its activities and the services. Dapr keeps them all in the workflow's history.

Dapr encrypts values of the state API, but not the histories of workflows. So no message has the customer: the
activities that need the name and address read them from the order's claim (records/claims.py).
"""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models import Pizza, Status, StatusEntry
from rules import Retry, Rules

VERSION = 1
T = TypeVar("T", bound=BaseModel)


def instance_of(order_id: str) -> str:
    """Return the id of the workflow instance that drives an order."""
    return f"pizza-order-{order_id}"


class StatusChange(BaseModel):
    """The data of an OrderStatusChanged event (asyncapi.yaml)."""

    order_id: str
    run: str
    sequence: int
    status: Status
    step: str
    attempt: int
    at: str
    final: bool = False
    note: str | None = None
    order: Pizza | None = None


class StatusEvent(BaseModel):
    """A status to publish. The id is the same each time it is published, so that readers drop repetitions."""

    event_id: str
    change: StatusChange


class Resumed(BaseModel):
    """Where the second workflow of a run continues: the pizza, and the statuses of the first."""

    attempt: int
    timeline: list[StatusEntry]
    unpublished: list[StatusEvent]


class OrderInput(BaseModel):
    """The input of an order's workflow.

    `run` tells the runs of one order id apart: each step is done once for a run and attempt. `version` is the version
    of workflow.py that the order follows to its end. `resumed` is set for the second workflow of a run
    (rescue/watchdog.py).
    """

    order: Pizza
    run: str
    rules: Rules
    version: int = VERSION
    kitchen_app_id: str = "pizza-kitchen"
    resumed: Resumed | None = None


class CompensationInput(BaseModel):
    """The input of the workflow that compensates a whole order from outside."""

    of: OrderInput
    reason: str


def read(kind: type[T], found: Any) -> T | None:
    """Return an event or result as a model, or None if it is none: any app beside the sidecar can send any event."""
    try:
        return kind.model_validate(found)
    except ValidationError:
        return None


def run_of(serialized_input: str | None) -> str:
    """Return the run of an instance, whose input is an OrderInput or the CompensationInput of one.

    Return "" before the first turn of the instance: the engine does not show the input until then. Return "" for any
    other input too. Only its form counts: an order in flight keeps its run if the models have become stricter since.
    """
    found = json.loads(serialized_input) if serialized_input else None
    match found:
        case {"of": {"run": str(run), "order": dict(), "rules": dict()}}:
            return run
        case {"run": str(run), "order": dict(), "rules": dict()}:
            return run
        case _:
            return ""


def is_foreign(serialized_input: str | None) -> bool:
    """Return whether an instance has another input than ours: anyone beside a sidecar can start one under any id."""
    return bool(serialized_input) and not run_of(serialized_input)


class Step(BaseModel):
    """The input of an activity: the idempotency key of its step, and the statuses to publish with it."""

    order: Pizza
    run: str
    attempt: int
    events: list[StatusEvent] = []


class ValidationStep(Step):
    """The input of validate_pizza: `waiting` is published once the pizza waits."""

    quality: str
    waiting: StatusEvent


class StepResult(BaseModel):
    """The result of an activity. The next one publishes the events that this one could not."""

    answer: dict[str, Any] | None = None
    unpublished: list[StatusEvent] = []


class Check(BaseModel):
    """The input of the kitchen's quality check, in the kitchen's own app."""

    order_id: str
    pizza_type: str
    run: str
    attempt: int


class RemoteCheck(BaseModel):
    """The input of the workflow that waits for the kitchen's check."""

    app_id: str
    check: Check
    retry: Retry


class Checked(BaseModel):
    """The part of the kitchen's report that is kept."""

    passed: bool
    note: str = Field(max_length=500)


class Done(BaseModel):
    """The part of a service's answer that is kept; it may have more members."""

    # The answer repeats the customer, and the error of an activity becomes part of history, event and result.
    model_config = ConfigDict(hide_input_in_errors=True)

    order_id: str
    run: str
    attempt: int
    status: str


class Verdict(BaseModel):
    """The event ValidationComplete. It counts for one attempt of one run only."""

    run: str
    attempt: int
    approved: bool


class Cancellation(BaseModel):
    """The event CancelOrder."""

    reason: str = "cancelled by request"


class Progress(BaseModel):
    """A workflow's custom status. The next workflow of the order publishes the events that may be unpublished."""

    order_id: str
    run: str
    status: str
    step: str
    attempt: int
    timeline: list[StatusEntry]
    unpublished: list[StatusEvent] = []
