"""Everything the order service takes from its environment, in one place."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The order service's settings: each field is the environment variable of that name, or a line of `.env`.

    Dapr sets the ports and the two tokens for the app; the defaults of its sidecar's ports are Dapr's own.
    """

    # A deployment template that leaves a variable empty means "not set", not "the empty token".
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    app_host: str = "127.0.0.1"
    app_port: int = Field(default=8021, ge=1, le=65535)
    dapr_http_port: int = Field(default=3500, ge=1, le=65535)
    dapr_grpc_port: int = Field(default=50001, ge=1, le=65535)
    dapr_api_token: SecretStr | None = None
    app_api_token: SecretStr | None = None

    order_store: str = "pizzastatestore"
    # Of each call to the store.
    store_timeout_seconds: float = Field(default=1.5, gt=0)
    orders_per_page: int = Field(default=100, ge=1, le=1000)

    # 2 MiB, so that a field of a megabyte is refused by name (422) and not only by size (413).
    max_body_bytes: int = Field(default=2_097_152, ge=1)
    max_body_seconds: float = Field(default=10.0, gt=0)
    shutdown_grace_seconds: int = Field(default=10, ge=0)
    # Longer than a sidecar waits between two tries: a call that comes just as a connection is closed is lost.
    keep_alive_seconds: int = Field(default=120, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
