"""What goes over callee's wire."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

NAME_MAX = 100

Name = Annotated[
    str,
    Path(min_length=1, max_length=NAME_MAX, description="Who is greeted", examples=["Ada", "Dapr User"]),
]


class Greeting(BaseModel):
    """The answer to a greeted name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message": "Hello, Ada from callee-app!"}]})

    message: str


class Welcome(BaseModel):
    """One line that names the main routes."""

    message: str


class Health(BaseModel):
    """The state of the process, or of what it needs before it can serve."""

    status: str = Field(examples=["ok"])


class FaultOrder(BaseModel):
    """The faults to switch on; a field that is left out is off."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"fail_next": 2}]})

    fail_next: int = Field(default=0, ge=0, le=1_000_000, description="How many of the next greetings fail")
    delay_ms: int = Field(default=0, ge=0, le=30_000, description="How long every greeting waits, in milliseconds")
    status: int = Field(default=500, ge=400, le=599, description="The HTTP status of those that fail")


class FaultState(FaultOrder):
    """The faults that are on, and how many greetings were asked for since the start."""

    calls: int = Field(description="Greetings asked for since the process started, failed ones too")


class AttemptCount(BaseModel):
    """How often one request arrived."""

    request_id: str = Field(examples=["6f6f1f2e-9d5c-4b0e-8a51-0d2a1f0c7a11"])
    attempts: int


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["name: String should have at most 100 characters"])
    errors: list["FieldError"] | None = Field(default=None, description="For invalid input: one entry a field")


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["name"])
    message: str = Field(examples=["String should have at most 100 characters"])
