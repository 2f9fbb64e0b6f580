"""An order as the pizza services know it: its ids, its customer, and the step that is asked for."""

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

ID = r"^[A-Za-z0-9_-]{1,64}$"
# Both become parts of keys, so characters with a meaning there or in a URL are refused.
OrderId = Annotated[str, StringConstraints(pattern=ID)]
Run = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]
OrderIdPath = Annotated[str, Path(pattern=ID, description="The order", examples=["123"])]
Limit = Annotated[int, Query(ge=1, le=100, description="Page size")]
Before = Annotated[
    str | None, Query(pattern=r"^\d{1,9}\.\d{1,5}$", description="`next` of the page before", examples=["0.42"])
]
# Free text, but no control characters: it ends up in logs and terminals.
LINE = r"^[^\x00-\x1f\x7f]*$"
PizzaType = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=LINE)]
Size = Literal["small", "medium", "large"]

ADA: dict[str, JsonValue] = {"name": "Ada", "address": "12 St James's Square", "phone": "+44 20 7946 0018"}
KEY: dict[str, JsonValue] = {"order_id": "123", "run": "1", "attempt": 1}
ORDER: dict[str, JsonValue] = {**KEY, "pizza_type": "pepperoni", "size": "large", "customer": ADA}


class Customer(BaseModel):
    """The customer of an order."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=LINE)]
    address: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE)]
    phone: Annotated[str, StringConstraints(pattern=r"^[0-9+() -]{3,30}$")]


class Task(BaseModel):
    """The idempotency key of a step: order, run and attempt."""

    model_config = ConfigDict(extra="forbid")

    order_id: OrderId = Field(description="The order", examples=["123"])
    run: Run = Field(default="1", description="The run of the order; an order that was deleted gets another run")
    attempt: int = Field(default=1, ge=1, le=1000, strict=True, description="The pizza of the order; 2 is the remake")


class Done(BaseModel):
    """A step that is done."""

    order_id: str = Field(examples=["123"])
    run: str = Field(examples=["1"])
    attempt: int = Field(examples=[1])
    status: str = Field(examples=["confirmed"])


class OrderTask(Task):
    """An order, and the idempotency key of the step that it asks for."""

    model_config = ConfigDict(json_schema_extra={"examples": [ORDER]})

    pizza_type: PizzaType
    size: Size
    customer: Customer


class OrderDone(Done):
    """The order, and the status that it has after the step."""

    status: str = Field(examples=["confirmed", "cooked", "delivered"])
    pizza_type: str = Field(examples=[ORDER["pizza_type"]])
    size: str = Field(examples=[ORDER["size"]])
    customer: Customer = Field(examples=[ADA])
