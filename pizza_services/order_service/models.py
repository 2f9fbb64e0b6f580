"""What goes over the order service's wire, what it hears on the topic `orders`, and what it keeps of an order."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

ID = r"^[A-Za-z0-9_-]{1,64}$"
# These become parts of keys, so what has a meaning there, or in a URL, is not let in.
OrderId = Annotated[str, StringConstraints(pattern=ID)]
Run = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]
# Free text, but no control characters: it ends up in logs and terminals.
LINE = r"^[^\x00-\x1f\x7f]*$"

OrderIdPath = Annotated[str, Path(pattern=ID, description="Which order", examples=["123"])]
LetterIdPath = Annotated[
    str, Path(max_length=200, description="As the list gives it", examples=["pizza-order-123-9f1c2ab4-3"])
]
Limit = Annotated[int, Query(ge=1, le=100, description="How many orders")]
Before = Annotated[
    str | None, Query(pattern=r"^\d{1,9}\.\d{1,5}$", description="`next` of the answer before", examples=["0.42"])
]

ADA: dict[str, JsonValue] = {"name": "Ada", "address": "12 St James's Square", "phone": "+44 20 7946 0018"}
ORDER: dict[str, JsonValue] = {"order_id": "123", "pizza_type": "pepperoni", "size": "large", "customer": ADA}
AT = "2026-01-02T03:04:05.678Z"
TOLD: dict[str, JsonValue] = {"sequence": 3, "status": "cooked", "step": "cook_pizza", "attempt": 1, "at": AT}
EVENT: dict[str, JsonValue] = {
    "specversion": "1.0",
    "id": "pizza-order-123-9f1c2ab4-3",
    "source": "pizza-workflow",
    "type": "OrderStatusChanged",
    "subject": "123",
    "time": AT,
    "datacontenttype": "application/json",
    "data": {"order_id": "123", "run": "9f1c2ab4", "final": False, **TOLD},
}
# Any object: what is no event of ours is dropped by an answer to Dapr (main.py), which a 422 would not be everywhere.
AnyEvent = Annotated[dict[str, Any], Body(description="A CloudEvent 1.0, as Dapr delivers it", examples=[EVENT])]

Status = Literal[
    "confirmed",
    "cooking",
    "cooked",
    "pending_validation",
    "approved",
    "delivering",
    "delivered",
    "rejected",
    "failed",
    "cancelled",
    "expired",
]


class Customer(BaseModel):
    """Who gets the pizza."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=LINE)]
    address: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE)]
    phone: Annotated[str, StringConstraints(pattern=r"^[0-9+() -]{3,30}$")]


class Order(BaseModel):
    """What was ordered, and by whom."""

    model_config = ConfigDict(json_schema_extra={"examples": [ORDER]})

    order_id: OrderId
    pizza_type: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=LINE)]
    size: Literal["small", "medium", "large"]
    customer: Customer


class StatusChange(BaseModel):
    """A change of an order's status, as the workflow told it."""

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
    order: Order | None = None


class OrderEvent(BaseModel):
    """Of a CloudEvent, what this service reads."""

    id: str = Field(min_length=1, max_length=200)
    type: Literal["OrderStatusChanged"]
    data: OrderStatusChanged


class Heard(StatusChange):
    """A change with the id of the event that told it, by which a repetition is known."""

    event_id: str


class OrderRecord(BaseModel):
    """All that is kept of an order, under one key; of a deleted one, the runs whose late events are dropped."""

    order_id: str
    order: Order | None = None
    run: str | None = None
    heard: list[Heard] = []
    deleted: bool = False
    ended_runs: list[str] = []


class Moment(BaseModel):
    """One line of an order's timeline."""

    status: str = Field(examples=["cooked"])
    at: datetime = Field(examples=[AT])
    attempt: int = Field(examples=[1])
    step: str = Field(examples=["cook_pizza"])
    note: str | None = None


class OrderState(BaseModel):
    """An order and what has happened to it."""

    order_id: str = Field(examples=["123"])
    status: str = Field(description="`stored` until the workflow has told of it", examples=["cooked"])
    step: str | None = Field(description="The step of the workflow that told it", examples=["cook_pizza"])
    attempt: int | None = Field(examples=[1])
    run: str | None = Field(description="Which run of the order; none before the workflow", examples=["9f1c2ab4"])
    ended_run: str | None = Field(description="The run before it, which was deleted", examples=["07aa31c8"])
    final: bool = Field(description="Whether this run has come to its end")
    order: Order | None = Field(description="None until an event of the workflow has brought it")
    timeline: list[Moment]


class OrderList(BaseModel):
    """Some orders, those that came last first."""

    orders: list[OrderState]
    next: str | None = Field(default=None, description="The `before` that goes on from here", examples=["0.42"])


class DeadLetter(BaseModel):
    """An event that could not be used."""

    id: str = Field(examples=["pizza-order-123-9f1c2ab4-3"])
    received_at: datetime = Field(examples=[AT])
    event: str = Field(description="The event as JSON, its first 16000 characters")


class DeadLetters(BaseModel):
    """The events that could not be used, the last one first."""

    dead_letters: list[DeadLetter] = Field(
        examples=[[{"id": "pizza-order-123-9f1c2ab4-3", "received_at": AT, "event": '{"data": "not an order"}'}]]
    )


class Replayed(BaseModel):
    """A dead letter was used after all, and is off the list."""

    id: str = Field(examples=["pizza-order-123-9f1c2ab4-3"])
    status: Literal["processed"] = "processed"


class EventAnswer(BaseModel):
    """What Dapr is told of an event: SUCCESS, or DROP, which sends it to the dead-letter topic."""

    status: Literal["SUCCESS", "DROP"] = Field(examples=["SUCCESS"])


class Welcome(BaseModel):
    """One line that names the main routes."""

    message: str


class Health(BaseModel):
    """The state of the process, or of what it needs before it can serve."""

    status: str = Field(examples=["ok"])


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["order_id"])
    message: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["order_id: order 123 is still running."])
    errors: list[FieldError] | None = Field(default=None, description="For invalid input: one entry a field")
    code: str | None = Field(default=None, description="Which conflict it is", examples=["ORDER_RUNNING"])
    run: str | None = Field(default=None, description="With ORDER_DELETED: the last run that was deleted")
    dependency: str | None = Field(default=None, description="What failed", examples=["pizzastatestore"])
    errorCode: str | None = Field(default=None, description="Dapr's code for it", examples=["INTERNAL"])
