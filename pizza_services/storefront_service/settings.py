"""The settings of the storefront."""

from pydantic import Field

from kit.edge.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of the storefront: each field is the environment variable of that name."""

    app_port: int = Field(default=8022, ge=1, le=65535)

    ledger_store: str = "pizzaledger"
    # Of each call. With the step time it is less than the 6 s of components/pizza-resiliency.yaml.
    store_timeout_seconds: float = Field(default=2.0, gt=0)
    orders_per_page: int = Field(default=100, ge=1, le=1000)
    # An order's steps are removed this long after the last one, as at pizza-order. 90 days.
    ledger_retention_seconds: int = Field(default=7_776_000, ge=86_400)
    step_seconds: float = Field(default=1.0, ge=0, le=60)
