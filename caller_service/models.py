"""The requests and answers of caller, and the answer that it expects of callee."""

from enum import StrEnum
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from kit.edge.models import Problem


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
    """callee's answer, by its contract (contracts/callee.openapi.json)."""

    message: str


class CallResult(BaseModel):
    """The greeting of callee, with the attempts and the time that it took."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"message": "Hello, Ada from callee-app!", "via": "url", "attempts": 1, "elapsed_ms": 4.2}]
        }
    )

    message: str
    via: Via
    attempts: int | None = Field(description="How often callee saw this request; null if it did not say")
    elapsed_ms: float


class CallProblem(Problem):
    """A failed call: a problem (RFC 9457) with the attempts that are known."""

    attempts: int | None = Field(default=None, description="How often callee saw this request, if it said so")
