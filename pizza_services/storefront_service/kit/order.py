"""The order that each pizza service with a ledger gets."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from kit.ledger import Done, Task

# Free text, but no control characters: it ends up in logs and terminals.
LINE = r"^[^\x00-\x1f\x7f]*$"
PizzaType = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=LINE)]
Size = Literal["small", "medium", "large"]

ADA: dict[str, JsonValue] = {"name": "Ada", "address": "12 St James's Square", "phone": "+44 20 7946 0018"}
KEY: dict[str, JsonValue] = {"order_id": "123", "run": "1", "attempt": 1}
ORDER: dict[str, JsonValue] = {**KEY, "pizza_type": "pepperoni", "size": "large", "customer": ADA}


class Customer(BaseModel):
    """The customer of an order."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=LINE)]
    address: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE)]
    phone: Annotated[str, StringConstraints(pattern=r"^[0-9+() -]{3,30}$")]


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
