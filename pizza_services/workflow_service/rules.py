"""The rules an order runs by. They go into its workflow's input when it starts.

A workflow is replayed with the code of today. If it read these numbers from today's settings, a changed setting would
make the replay of an order that is under way differ from what was done, and the order would fail.
"""

from datetime import timedelta

from dapr.ext.workflow import RetryPolicy
from pydantic import BaseModel, Field


class Retry(BaseModel):
    """How often a step is tried, and the pauses in between, in seconds."""

    attempts: int = Field(default=12, ge=1, le=10_000)
    first_seconds: float = Field(default=1.0, gt=0)
    factor: float = Field(default=2.0, ge=1)
    longest_seconds: float = Field(default=10.0, gt=0)

    def policy(self) -> RetryPolicy:
        """The same in the SDK's words."""
        return RetryPolicy(
            first_retry_interval=timedelta(seconds=self.first_seconds),
            max_number_of_attempts=self.attempts,
            backoff_coefficient=self.factor,
            max_retry_interval=timedelta(seconds=self.longest_seconds),
        )


class Rules(BaseModel):
    """Limits of an order, and a retry for each of its steps.

    With the defaults a step outlasts an outage of 85 s, and what was done is undone through one of 45 minutes.
    """

    pizzas: int = Field(default=3, ge=1, le=20, description="How many are cooked at most, rejected ones included")
    deadline_seconds: float = Field(default=3600, gt=0, description="From the start to the delivery")
    validation_seconds: float = Field(default=900, gt=0, description="How long a pizza waits for a verdict")
    quality_check_seconds: float = Field(default=10, gt=0, description="After that the pizza goes on unchecked")

    order_pizza: Retry = Retry()
    cook_pizza: Retry = Retry()
    validate_pizza: Retry = Retry()
    deliver_pizza: Retry = Retry()
    quality_check: Retry = Retry(attempts=3)
    publish_status: Retry = Retry(attempts=60)
    undo: Retry = Retry(attempts=100, longest_seconds=30.0)
