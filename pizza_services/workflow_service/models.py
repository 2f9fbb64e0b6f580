"""What goes over the wire of the workflow service."""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationInfo, field_validator

# Order ids become part of state keys, instance ids and URLs.
ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
OrderId = Annotated[str, Field(pattern=ID_PATTERN, examples=["123"])]
OrderIdPath = Annotated[str, Path(pattern=ID_PATTERN, examples=["123"])]
# One line of text. The services that do the steps, and pizza-order, take no other: such an order must not be accepted.
LINE = r"^[^\x00-\x1f\x7f]*$"

Status = Literal[
    "confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering", "delivered",
    "rejected", "failed", "cancelled", "expired",
]  # fmt: skip
# After one of these an order is done or undone, and tells no other.
FINAL: frozenset[Status] = frozenset(("delivered", "failed", "cancelled", "expired"))


class Customer(BaseModel):
    """Who gets the pizza."""

    name: str = Field(min_length=1, max_length=100, pattern=LINE, examples=["Ada Lovelace"])
    address: str = Field(min_length=1, max_length=200, pattern=LINE, examples=["12 St James's Square"])
    phone: str = Field(pattern=r"^[0-9+() -]{3,30}$", examples=["+44 20 7946 0000"])


class Order(BaseModel):
    """An order, as the customer gives it."""

    order_id: OrderId
    pizza_type: str = Field(min_length=1, max_length=50, pattern=LINE, examples=["pepperoni"])
    size: Literal["small", "medium", "large"] = Field(examples=["large"])
    customer: Customer


class OrderRef(BaseModel):
    """Names an order."""

    order_id: OrderId


class CancelRequest(OrderRef):
    """Which order to cancel, and how."""

    reason: str = Field(default="", max_length=200, examples=["ordered twice"])
    force: StrictBool = Field(default=False, description="Stop the workflow at once, and undo everything from outside")


class Validation(OrderRef):
    """The verdict on a cooked pizza: `approved`, or as it is also taught, `validation_status`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"order_id": "123", "approved": True}]})

    validation_status: Literal["approved", "rejected"] | None = None
    approved: StrictBool | None = Field(default=None, validate_default=True)
    attempt: int | None = Field(
        default=None, ge=1, le=100, description="Which pizza is meant; without it, the one that waits now"
    )

    @field_validator("approved")
    @classmethod
    def _one_verdict(cls, approved: bool | None, others: ValidationInfo) -> bool | None:
        # Of the field, and not of the model, whose errors name none. The other one comes before it, unless it is wrong.
        if "validation_status" in others.data and (approved is None) == (others.data["validation_status"] is None):
            raise ValueError("give one of approved and validation_status")
        return approved

    @property
    def verdict(self) -> bool:
        """True for an approval."""
        return bool(self.approved) or self.validation_status == "approved"


class Accepted(BaseModel):
    """What was asked for will be done; GET /orders/{order_id} shows when it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"order_id": "123", "instance_id": "pizza-order-123", "accepted": "start"}],
        }
    )

    order_id: str
    instance_id: str
    accepted: Literal["start", "pause", "resume", "cancel", "approve", "reject"]


class Moment(BaseModel):
    """A status that the order had, and since when."""

    status: str = Field(examples=["cooking"])
    at: str = Field(examples=["2026-11-21T12:00:00.000Z"])
    attempt: int = Field(default=1, examples=[1])


class OrderState(BaseModel):
    """Where an order is."""

    order_id: str = Field(examples=["123"])
    instance_id: str = Field(examples=["pizza-order-123"])
    status: str = Field(description="The last status told; `accepted` before the first", examples=["cooking"])
    step: str = Field(description="The step that is being done, or the last one", examples=["cook_pizza"])
    attempt: int = Field(description="Which pizza of this order", examples=[1])
    paused: bool = False
    timeline: list[Moment]
    result: dict[str, Any] | None = Field(
        default=None,
        description="Of an order that has ended; `delivery_result` as long as Dapr keeps the workflow",
        examples=[{"order_id": "123", "status": "completed", "final_status": "delivered", "delivery_result": {}}],
    )


class Welcome(BaseModel):
    """One line that names the main routes."""

    message: str


class Health(BaseModel):
    """The state of the process, or of what it needs before it can serve."""

    status: str = Field(examples=["ok"])


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["customer.name"])
    message: str = Field(examples=["String should have at most 100 characters"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it; `code` says which conflict, `dependency` and `errorCode` what failed."""

    type: str = "about:blank"
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["Order 123 has ended; DELETE /orders/123 of pizza-order before it is started again."])
    errors: list[FieldError] | None = Field(default=None, description="For invalid input: one entry a field")
    code: str | None = Field(default=None, description="For a conflict", examples=["ORDER_FINISHED"])
    dependency: str | None = Field(default=None, description="What failed", examples=["pizza-order"])
    errorCode: str | None = Field(default=None, description="Dapr's code for it", examples=["ERR_DIRECT_INVOKE"])
