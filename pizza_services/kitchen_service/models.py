"""What goes over the kitchen's wire, and what its ledger holds."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

ID = r"^[A-Za-z0-9_-]{1,64}$"
# These become parts of keys, so what has a meaning there, or in a URL, is not let in.
OrderId = Annotated[str, StringConstraints(pattern=ID)]
Run = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]
# Free text, but no control characters: it ends up in logs and terminals.
LINE = r"^[^\x00-\x1f\x7f]*$"

OrderIdPath = Annotated[str, Path(pattern=ID, description="Which order", examples=["123"])]
Limit = Annotated[int, Query(ge=1, le=100, description="How many orders")]
Before = Annotated[
    str | None, Query(pattern=r"^\d{1,9}\.\d{1,5}$", description="`next` of the answer before", examples=["0.42"])
]

ADA: dict[str, JsonValue] = {"name": "Ada", "address": "12 St James's Square", "phone": "+44 20 7946 0018"}
ORDER: dict[str, JsonValue] = {"order_id": "123", "pizza_type": "pepperoni", "size": "large", "customer": ADA}
DONE_AT = "2026-01-02T03:04:05.678Z"


class Customer(BaseModel):
    """Who gets the pizza."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=LINE)]
    address: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE)]
    phone: Annotated[str, StringConstraints(pattern=r"^[0-9+() -]{3,30}$")]


class Task(BaseModel):
    """Which order is meant, which run of it, and which attempt: together the key by which a step is done once."""

    order_id: OrderId = Field(description="Which order", examples=["123"])
    run: Run = Field(default="1", description="Which run of the order: another one after it was deleted")
    attempt: int = Field(default=1, ge=1, le=1000, strict=True, description="Which pizza of the order: 2 is the remake")


class OrderTask(Task):
    """An order that something is to be done for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**ORDER, "run": "1", "attempt": 1}]})

    pizza_type: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=LINE)]
    size: Literal["small", "medium", "large"]
    customer: Customer


class QualityTask(Task):
    """Which pizza the workflow activity `quality_check` is to look at."""

    pizza_type: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=LINE)]


class QualityReport(BaseModel):
    """What the quality check found."""

    order_id: str
    attempt: int
    passed: bool
    note: str


class Done(BaseModel):
    """What has become of the order here."""

    order_id: str = Field(examples=["123"])
    run: str = Field(examples=["1"])
    attempt: int = Field(examples=[1])
    status: str = Field(examples=["cooked"])


class Entry(BaseModel):
    """Something that was done, once; asking for it again only counts."""

    order_id: str = Field(examples=["123"])
    run: str = Field(examples=["1"])
    step: str = Field(examples=["cook"])
    attempt: int = Field(examples=[1])
    status: str = Field(examples=["cooked"])
    times_asked: int = Field(description="How often it was asked for; it was done once", examples=[1])
    at: datetime = Field(description="When it was done, or will be", examples=[DONE_AT])


class OrderLedger(BaseModel):
    """All that was done for one order."""

    order_id: str = Field(examples=["123"])
    entries: list[Entry]


class LedgerPage(BaseModel):
    """All that was done for some orders, those that came last first."""

    entries: list[Entry]
    next: str | None = Field(default=None, description="The `before` that goes on from here", examples=["0.42"])


class Welcome(BaseModel):
    """One line that names the main routes."""

    message: str


class Health(BaseModel):
    """The state of the process, or of what it needs before it can serve."""

    status: str = Field(examples=["ok"])


class FaultOrder(BaseModel):
    """The faults to switch on; a field that is left out is off."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"fail_next": 2}]})

    fail_next: int = Field(default=0, ge=0, le=1_000_000, description="How many of the next calls fail")
    delay_ms: int = Field(default=0, ge=0, le=30_000, description="How long every call waits, in milliseconds")
    status: int = Field(default=500, ge=400, le=599, description="The HTTP status of those that fail")


class FaultState(FaultOrder):
    """The faults that are on, and how many calls there were since the start."""

    calls: int = Field(description="Calls since the process started, failed ones too")


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["order_id"])
    message: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["order_id: discard has already undone cook of order 123."])
    errors: list[FieldError] | None = Field(default=None, description="For invalid input: one entry a field")
    code: str | None = Field(default=None, description="Which conflict it is", examples=["ALREADY_CANCELLED"])
    dependency: str | None = Field(default=None, description="What failed", examples=["pizzaledger"])
    errorCode: str | None = Field(default=None, description="Dapr's code for it", examples=["INTERNAL"])
