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

    # Dapr accepts events of up to 4 MiB. As JSON their text may have two bytes for each of its characters, and a dead
    # letter arrives in base64. An event that is refused for its size would be lost on its way to the dead letters.
    max_body_bytes: int = Field(default=12 * 1024 * 1024, ge=1)
