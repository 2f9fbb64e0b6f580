"""The settings of pizza-workflow."""

from typing import Self

from pydantic import BaseModel, Field, model_validator
from pydantic_settings import SettingsConfigDict

from kit.edge.settings import ServiceSettings
from rules import Rules


class TimeLimits(BaseModel):
    """The seconds that one attempt of a step may take: `call_activity` itself has no limit.

    Longer than the sidecar's policy for the service that is called (components/pizza-resiliency.yaml).
    """

    order_pizza: float = Field(default=30.0, gt=0)
    cook_pizza: float = Field(default=60.0, gt=0)
    deliver_pizza: float = Field(default=60.0, gt=0)
    compensate: float = Field(default=30.0, gt=0)
    validate_pizza: float = Field(default=10.0, gt=0)
    publish_status: float = Field(default=10.0, gt=0)
    stop_order: float = Field(default=30.0, gt=0)

    @property
    def idle(self) -> float:
        """Once an instance has been idle this long, none of its activities can still be running."""
        return max(self.model_dump().values()) + 10


class Settings(ServiceSettings):
    """A member of a group is set as `RULES__VALIDATION_SECONDS=60` or `RULES__COOK_PIZZA__ATTEMPTS=5`."""

    model_config = SettingsConfigDict(env_nested_delimiter="__")

    app_port: int = Field(default=8025, ge=1, le=65535)

    order_app_id: str = "pizza-order"
    storefront_app_id: str = "pizza-storefront"
    kitchen_app_id: str = "pizza-kitchen"
    delivery_app_id: str = "pizza-delivery"
    statestore_name: str = "pizzastatestore"
    pubsub_name: str = "pizzapubsub"
    orders_topic: str = "orders"
    # An order's records are removed this long after their last change, as at pizza-order. 90 days. Among them is the
    # claim, the one place that has the customer while the order runs.
    record_retention_seconds: int = Field(default=7_776_000, ge=1)

    # The time limit of a route's calls to Dapr and to pizza-order. Without the scheduler a start would wait for ever.
    call_timeout_seconds: float = Field(default=10.0, gt=0)
    time_limits: TimeLimits = TimeLimits()
    rules: Rules = Rules()
    # After this time a pause or resume that the engine has not carried out may be sent again.
    pause_grace_seconds: float = Field(default=60.0, gt=0)
    # How often the engine is pinged and the sidecar's workers are counted, and how long it may have none.
    engine_check_seconds: float = Field(default=10.0, gt=0)
    worker_lockout_seconds: float = Field(default=45.0, gt=0)
    # The watchdog: the time between two checks, the idle time before a nudge, and the time after the deadline before it
    # compensates. A compensation may take 45 minutes (rules.py).
    watch_every_seconds: int = Field(default=60, ge=1)
    watch_idle_seconds: float = Field(default=120.0, gt=0)
    watch_grace_seconds: float = Field(default=3600.0, gt=0)

    # 2 MiB, so that a field of a megabyte is refused by name (422) and not only by size (413).
    max_body_bytes: int = Field(default=2_097_152, ge=1)

    @model_validator(mode="after")
    def _keeps_the_records_of_running_orders(self) -> Self:
        longest = self.rules.deadline_seconds + self.watch_grace_seconds
        if self.record_retention_seconds <= longest:
            raise ValueError(
                f"RECORD_RETENTION_SECONDS must be more than {longest:g}, "
                "the sum of RULES__DEADLINE_SECONDS and WATCH_GRACE_SECONDS"
            )
        return self
