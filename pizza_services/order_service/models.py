"""The orders and answers of the order service, the events of the topic `orders`, and the record of an order."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from kit.edge.models import Problem
from kit.order import ADA, Customer, OrderId, PizzaType, Run, Size

LetterIdPath = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="As the list has it", examples=["0a1b" * 8])]
LettersBefore = Annotated[int | None, Query(ge=0, le=2**53, description="`next` of the page before")]

ORDER: dict[str, JsonValue] = {"order_id": "123", "pizza_type": "pepperoni", "size": "large", "customer": ADA}
AT = "2026-01-02T03:04:05.678Z"
CHANGE: dict[str, JsonValue] = {"sequence": 3, "status": "cooked", "step": "cook_pizza", "attempt": 1, "at": AT}
EVENT: dict[str, JsonValue] = {
    "specversion": "1.0",
    "id": "pizza-order-123-9f1c2ab4-3",
    "source": "pizza-workflow",
    "type": "OrderStatusChanged",
    "subject": "123",
    "time": AT,
    "datacontenttype": "application/json",
    "data": {"order_id": "123", "run": "9f1c2ab4", "final": False, **CHANGE},
}
LETTER: dict[str, JsonValue] = {
    "id": "0a1b" * 8,
    "event_id": "",
    "received_at": AT,
    "reason": "data: Field required",
    "event": '{"type": "OrderStatusChanged"}',
}
# Read by kit.sidecar.events: any body is answered, as Dapr would deliver the event again after some errors.
EVENT_BODY: dict[str, JsonValue] = {
    "title": "Event",
    "description": "A CloudEvent 1.0, as Dapr delivers it. A body that is none is taken too, and becomes a dead letter",
    "examples": [EVENT],
}

Status = Literal[
    "confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering", "delivered",
    "rejected", "failed", "cancelled", "expired",
]  # fmt: skip


class Pizza(BaseModel):
    """An order without its customer, as events have it."""

    order_id: OrderId
    pizza_type: PizzaType
    size: Size


class Order(Pizza):
    """An order, as the customer gives it."""

    model_config = ConfigDict(json_schema_extra={"examples": [ORDER]}, extra="forbid")

    customer: Customer


class KnownOrder(Pizza):
    """An order, as far as this service knows it."""

    customer: Customer | None = Field(default=None, description="None if only the workflow's events have the order")


class StatusChange(BaseModel):
    """A change of an order's status."""

    sequence: int = Field(ge=1, strict=True)
    status: Status
    step: str = Field(max_length=50)
    attempt: int = Field(ge=1, strict=True)
    at: datetime
    final: bool
    note: str | None = Field(default=None, max_length=500)


class OrderStatusChanged(StatusChange):
    """The data of an event on the topic `orders` (contracts/workflow.asyncapi.yaml)."""

    order_id: OrderId
    run: Run
    order: Pizza | None = None


class OrderEvent(BaseModel):
    """The members of a CloudEvent that this service reads."""

    id: str = Field(min_length=1, max_length=200)
    type: Literal["OrderStatusChanged"]
    data: OrderStatusChanged


class RecordedChange(StatusChange):
    """A change with the id of its event, by which a duplicate is recognized."""

    event_id: str


class OrderRecord(BaseModel):
    """All that is stored of an order, under one key. Of a deleted order only its runs are left, to drop late events."""

    order_id: str
    order: KnownOrder | None = None
    run: str | None = None
    changes: list[RecordedChange] = []
    deleted: bool = False
    ended_runs: list[str] = []


class StatusEntry(BaseModel):
    """One line of an order's timeline."""

    status: str = Field(examples=["cooked"])
    at: datetime = Field(examples=[AT])
    attempt: int = Field(examples=[1])
    step: str = Field(examples=["cook_pizza"])
    note: str | None = None


class OrderState(BaseModel):
    """An order and its timeline."""

    order_id: str = Field(examples=["123"])
    status: str = Field(description="`stored` until the workflow publishes a status", examples=["cooked"])
    step: str | None = Field(description="The step of the workflow that caused it", examples=["cook_pizza"])
    attempt: int | None = Field(examples=[1])
    run: str | None = Field(description="The run of the order; none before the workflow", examples=["9f1c2ab4"])
    ended_run: str | None = Field(description="The run before it, which was deleted", examples=["07aa31c8"])
    final: bool = Field(description="Whether this run has ended")
    order: KnownOrder | None = Field(description="None until it is stored or an event has it")
    timeline: list[StatusEntry]


class OrderList(BaseModel):
    """Some orders, newest first."""

    orders: list[OrderState]
    next: str | None = Field(default=None, description="The `before` of the next page", examples=["0.42"])


class DeadLetter(BaseModel):
    """An event that could not be processed."""

    id: str = Field(examples=["0a1b" * 8])
    event_id: str = Field(description="The CloudEvent's own id", examples=["pizza-order-123-9f1c2ab4-3"])
    received_at: datetime = Field(examples=[AT])
    reason: str = Field(examples=["data.status: Field required"])
    event: str = Field(description="The event as JSON, its first 16000 characters")


class DeadLetterList(BaseModel):
    """Some events that could not be processed, newest first."""

    dead_letters: list[DeadLetter] = Field(examples=[[LETTER]])
    next: int | None = Field(default=None, description="The `before` of the next page", examples=[20])


class Replayed(BaseModel):
    """A dead letter was processed after all, and is off the list."""

    id: str = Field(examples=["0a1b" * 8])
    status: Literal["processed"] = "processed"


class EventAnswer(BaseModel):
    """The answer to Dapr: SUCCESS, or DROP, which sends the event to the dead-letter topic."""

    status: Literal["SUCCESS", "DROP"] = Field(examples=["SUCCESS"])


class OrderProblem(Problem):
    """An error about an order."""

    run: str | None = Field(default=None, description="With ORDER_DELETED: the last run that was deleted")
