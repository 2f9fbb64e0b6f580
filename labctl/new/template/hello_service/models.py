"""The contracts of hello."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, Field

NAME, ORDER_ID = r"^[A-Za-z]{1,40}$", r"^[0-9a-f]{32}$"
EXAMPLE_ID = "8a6a2ad58f9d4a4ca1d07b2f8b0c3a77"

Name = Annotated[str, Path(pattern=NAME, examples=["Ada"])]
OrderId = Annotated[str, Path(pattern=ORDER_ID, examples=[EXAMPLE_ID])]


class Greeting(BaseModel):
    """A greeting by callee-app."""

    message: str = Field(examples=["Hello, Ada from callee-app!"])


class Order(BaseModel):
    """A greeting to ask for. It is the data of the job and of the event, and the input of the workflow."""

    order_id: str = Field(pattern=ORDER_ID, examples=[EXAMPLE_ID])
    name: str = Field(pattern=NAME, examples=["Ada"])


class Progress(BaseModel):
    """How far an order is."""

    status: str = Field(description="Of the workflow, in Dapr's word", examples=["completed"])
    message: str | None = Field(default=None, examples=["Hello, Ada from callee-app!"])


class EventAnswer(BaseModel):
    """The answer to Dapr's deliveries: SUCCESS and DROP end them."""

    status: Literal["SUCCESS", "DROP"] = Field(examples=["SUCCESS"])
