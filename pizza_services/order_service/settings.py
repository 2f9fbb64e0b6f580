"""The settings of the order service."""

from pydantic import Field

from kit.edge.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of the order service: each field is the environment variable of that name."""

    app_port: int = Field(default=8021, ge=1, le=65535)

    order_store: str = "pizzastatestore"
    # Of each call to the store.
    store_timeout_seconds: float = Field(default=1.5, gt=0)
    orders_per_page: int = Field(default=100, ge=1, le=1000)
    # An order is removed this long after its last change, with the customer's data. 90 days.
    order_retention_seconds: int = Field(default=7_776_000, ge=1)

    # 2 MiB, so that a field of a megabyte is refused by name (422) and not only by size (413).
    max_body_bytes: int = Field(default=2_097_152, ge=1)
