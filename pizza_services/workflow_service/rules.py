"""The rules of an order. They become part of its workflow's input at the start.

A workflow is replayed by the code of today. If it read these numbers from today's settings, the replay of a
running order could differ from its history. The order would then fail.
"""

from dapr.ext.workflow import RetryPolicy
from pydantic import BaseModel, Field

from kit.engine.context import retry


class Retry(BaseModel):
    """The attempts of a step, and the pauses between them in seconds."""

    attempts: int = Field(default=12, ge=1, le=10_000)
    first_seconds: float = Field(default=1.0, gt=0)
    factor: float = Field(default=2.0, ge=1)
    longest_seconds: float = Field(default=10.0, gt=0)

    def policy(self) -> RetryPolicy:
        """Return the SDK's form of this policy."""
        return retry(self.attempts, self.first_seconds, self.longest_seconds, self.factor)


class Rules(BaseModel):
    """Limits of an order, and a retry policy for each of its steps.

    With the defaults a step outlasts an outage of 85 s, and a compensation outlasts one of 45 minutes.
    """

    pizzas: int = Field(default=3, ge=1, le=20, description="Pizzas to cook at most, rejected ones included")
    deadline_seconds: float = Field(default=3600, gt=0, description="From the start to the delivery")
    validation_seconds: float = Field(default=900, gt=0, description="How long a pizza waits for a verdict")
    quality_check_seconds: float = Field(default=10, gt=0, description="After that the pizza continues unchecked")

    order_pizza: Retry = Retry()
    cook_pizza: Retry = Retry()
    validate_pizza: Retry = Retry()
    deliver_pizza: Retry = Retry()
    quality_check: Retry = Retry(attempts=3)
    publish_status: Retry = Retry(attempts=60)
    compensate: Retry = Retry(attempts=100, longest_seconds=30.0)
