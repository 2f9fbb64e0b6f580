"""The requests and answers of callee."""

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


class AttemptCount(BaseModel):
    """How often one request arrived."""

    request_id: str = Field(examples=["6f6f1f2e-9d5c-4b0e-8a51-0d2a1f0c7a11"])
    attempts: int
