"""What goes over caller's wire, and what it expects of callee's."""

from enum import StrEnum
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field


class Via(StrEnum):
    """How callee is reached through the sidecar."""

    url = "url"
    header = "header"
    sdk = "sdk"
    grpc = "grpc"


NamePath = Annotated[
    str, Path(min_length=1, max_length=100, description="Who is greeted", examples=["Ada", "Dapr User"])
]
ViaQuery = Annotated[
    Via,
    Query(
        description="`url`: Dapr's invoke URL. `header`: the plain path and a `dapr-app-id` header. "
        "`sdk`: the Dapr SDK for Python. `grpc`: gRPC proxying to callee's Greeter."
    ),
]


class Greeting(BaseModel):
    """callee's answer, as its contract has it (contracts/callee.openapi.json)."""

    message: str


class CallResult(BaseModel):
    """The greeting that callee gave, and what it took to get it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"message": "Hello, Ada from callee-app!", "via": "url", "attempts": 1, "elapsed_ms": 4.2}]
        }
    )

    message: str
    via: Via
    attempts: int | None = Field(description="How often callee saw this request; null if it did not say")
    elapsed_ms: float


class Welcome(BaseModel):
    """One line that names the main routes."""

    message: str


class Health(BaseModel):
    """The state of the process, or of what it needs before it can serve."""

    status: str = Field(examples=["ok"])


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["name"])
    message: str = Field(examples=["String should have at most 100 characters"])


class Problem(BaseModel):
    """An error, as RFC 9457 has it; the last three fields tell of a failed call to another service."""

    type: str = "about:blank"
    title: str = Field(examples=["Bad Gateway"])
    status: int = Field(examples=[502])
    detail: str = Field(examples=["callee-app answered 500: Simulated temporary error from callee-service (attempt 4)"])
    errors: list[FieldError] | None = Field(default=None, description="For invalid input: one entry a field")
    dependency: str | None = Field(default=None, description="What failed", examples=["callee-app"])
    errorCode: str | None = Field(default=None, description="Dapr's code for it", examples=["ERR_DIRECT_INVOKE"])
    attempts: int | None = Field(default=None, description="How often callee saw this request, if it said so")
