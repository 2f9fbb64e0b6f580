"""The orders, requests and answers of pizza-workflow."""

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationInfo, field_validator

# Order ids become part of state keys, instance ids and URLs.
ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
OrderId = Annotated[str, Field(pattern=ID_PATTERN, examples=["123"])]
OrderIdPath = Annotated[str, Path(pattern=ID_PATTERN, examples=["123"])]
# One line of text. The services that do the steps, and pizza-order, refuse anything else, so such an order is refused
# here.
LINE = r"^[^\x00-\x1f\x7f]*$"

Status = Literal[
    "confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering", "delivered",
    "rejected", "failed", "cancelled", "expired",
]  # fmt: skip
# After one of these an order has no other status.
FINAL: frozenset[Status] = frozenset(("delivered", "failed", "cancelled", "expired"))


class Customer(BaseModel):
    """The customer who gets the pizza."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=LINE, examples=["Ada Lovelace"])
    address: str = Field(min_length=1, max_length=200, pattern=LINE, examples=["12 St James's Square"])
    phone: str = Field(pattern=r"^[0-9+() -]{3,30}$", examples=["+44 20 7946 0000"])


class Pizza(BaseModel):
    """An order without its customer: the part that workflows, logs and events may have."""

    order_id: OrderId
    pizza_type: str = Field(min_length=1, max_length=50, pattern=LINE, examples=["pepperoni"])
    size: Literal["small", "medium", "large"] = Field(examples=["large"])


class Order(Pizza):
    """An order, as the customer gives it. An unknown field is refused: no service would look at it."""

    model_config = ConfigDict(extra="forbid")

    customer: Customer


class OrderRef(BaseModel):
    """A reference to an order."""

    model_config = ConfigDict(extra="forbid")

    order_id: OrderId


class CancelRequest(OrderRef):
    """A request to cancel an order."""

    reason: str | None = Field(default=None, max_length=200, examples=["ordered twice"])
    force: StrictBool | None = Field(
        default=None, description="Stop the workflow at once, and compensate everything from outside"
    )


class Validation(OrderRef):
    """The verdict on a cooked pizza: `approved`, or as it is also taught, `validation_status`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"order_id": "123", "approved": True}]}, extra="forbid")

    validation_status: Literal["approved", "rejected"] | None = None
    approved: StrictBool | None = Field(default=None, validate_default=True)
    attempt: int | None = Field(
        default=None, ge=1, le=100, description="The pizza's attempt; without it, the one that waits now"
    )

    @field_validator("approved")
    @classmethod
    def _one_verdict(cls, approved: bool | None, others: ValidationInfo) -> bool | None:
        # A validator of the field, because errors of a model name no field. The other field is there unless it is
        # invalid.
        if "validation_status" in others.data and (approved is None) == (others.data["validation_status"] is None):
            raise ValueError("give one of approved and validation_status")
        return approved

    @property
    def verdict(self) -> bool:
        """True for an approval."""
        return bool(self.approved) or self.validation_status == "approved"


class Accepted(BaseModel):
    """The request is accepted; GET /orders/{order_id} shows when it is done."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"order_id": "123", "instance_id": "pizza-order-123", "accepted": "start"}],
        }
    )

    order_id: str
    instance_id: str
    accepted: Literal["start", "pause", "resume", "cancel", "approve", "reject"]


class StatusEntry(BaseModel):
    """A line of an order's timeline."""

    status: str = Field(examples=["cooking"])
    at: str = Field(examples=["2026-11-21T12:00:00.000Z"])
    attempt: int = Field(default=1, examples=[1])


class OrderState(BaseModel):
    """The state of an order."""

    order_id: str = Field(examples=["123"])
    instance_id: str = Field(examples=["pizza-order-123"])
    status: str = Field(description="The last status; `accepted` before the first", examples=["cooking"])
    step: str = Field(description="The present step, or the last one", examples=["cook_pizza"])
    attempt: int = Field(description="The number of this order's pizza", examples=[1])
    paused: bool = False
    timeline: list[StatusEntry]
    result: dict[str, Any] | None = Field(
        default=None,
        description="Only for an order that has ended; `delivery_result` as long as Dapr keeps the workflow",
        examples=[{"order_id": "123", "status": "completed", "final_status": "delivered", "delivery_result": {}}],
    )
