"""Everything the workflow service takes from its environment, in one place."""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from rules import Rules


class TimeLimits(BaseModel):
    """How long one attempt of a step may take, in seconds: `call_activity` itself has no limit.

    Longer than the sidecar's policy for the service that is called (components/pizza-resiliency.yaml).
    """

    order_pizza: float = Field(default=30.0, gt=0)
    cook_pizza: float = Field(default=60.0, gt=0)
    deliver_pizza: float = Field(default=60.0, gt=0)
    undo: float = Field(default=30.0, gt=0)
    validate_pizza: float = Field(default=10.0, gt=0)
    publish_status: float = Field(default=10.0, gt=0)
    stop_order: float = Field(default=30.0, gt=0)

    @property
    def quiet(self) -> float:
        """After so long nothing that was under way is so any more, and its result has come."""
        return max(self.model_dump().values()) + 10


class Settings(BaseSettings):
    """The workflow service's settings: each field is the environment variable of that name, or a line of `.env`.

    A member of a group has two underscores before it: `RULES__VALIDATION_SECONDS=60`, `RULES__COOK_PIZZA__ATTEMPTS=5`.
    Dapr sets the ports and DAPR_API_TOKEN for the app; the defaults serve a start without Dapr.
    """

    # A deployment template that leaves a variable empty means "not set", not "the empty token".
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, env_nested_delimiter="__", extra="ignore")

    app_host: str = "127.0.0.1"
    app_port: int = Field(default=8025, ge=1, le=65535)
    dapr_http_port: int = Field(default=3500, ge=1, le=65535)
    dapr_grpc_port: int = Field(default=50001, ge=1, le=65535)
    dapr_api_token: SecretStr | None = None

    order_app_id: str = "pizza-order"
    storefront_app_id: str = "pizza-storefront"
    kitchen_app_id: str = "pizza-kitchen"
    delivery_app_id: str = "pizza-delivery"
    statestore_name: str = "pizzastatestore"
    pubsub_name: str = "pizzapubsub"
    orders_topic: str = "orders"

    # What a route waits for Dapr or for pizza-order. Without the scheduler a start would wait for ever.
    call_timeout_seconds: float = Field(default=10.0, gt=0)
    time_limits: TimeLimits = TimeLimits()
    rules: Rules = Rules()
    # A pause or resume that the engine has not carried out after this time may be asked for again.
    pause_grace_seconds: float = Field(default=60.0, gt=0)
    # So often the engine is asked for a sign of life (standstill.py).
    standstill_every_seconds: float = Field(default=10.0, gt=0)
    # A sidecar that has had no worker for so long, of which one asks every 15 s at least, is asked to end (lockout.py).
    lockout_seconds: float = Field(default=45.0, gt=0)
    # The watchdog looks at each order so often, nudges one that has been quiet for so long, and holds one for stuck
    # that is not over so long after its deadline: to undo it may take 45 minutes (rules.py).
    watch_every_seconds: int = Field(default=60, ge=1)
    watch_quiet_seconds: float = Field(default=120.0, gt=0)
    watch_grace_seconds: float = Field(default=3600.0, gt=0)

    # 2 MiB, so that a field of a megabyte is refused by name (422) and not only by size (413).
    max_body_bytes: int = Field(default=2_097_152, ge=1)
    max_body_seconds: float = Field(default=10.0, gt=0)
    shutdown_grace_seconds: int = Field(default=10, ge=0)
    # Longer than a sidecar waits between two tries: a call that comes just as a connection is closed is lost.
    keep_alive_seconds: int = Field(default=120, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
