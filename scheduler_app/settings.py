"""Everything the scheduler app takes from its environment, in one place."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The app's settings: each field is the environment variable of that name, or a line of `.env`.

    Dapr sets APP_PORT, DAPR_HTTP_PORT and the two tokens for the app; the defaults serve a start without Dapr.
    """

    # A deployment template that leaves a variable empty means "not set", not "the empty token".
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    app_host: str = "127.0.0.1"
    app_port: int = Field(default=8003, ge=1, le=65535)
    dapr_http_port: int = Field(default=3500, ge=1, le=65535)
    dapr_api_token: SecretStr | None = None
    app_api_token: SecretStr | None = None

    state_store: str = Field(default="statestore", min_length=1)
    # While the scheduler is down the sidecar holds a call for 30 s, and says nothing.
    scheduler_timeout_seconds: float = Field(default=5.0, gt=0)
    store_timeout_seconds: float = Field(default=5.0, gt=0)
    # How long after its last entry a page of a log is kept.
    retention_seconds: int = Field(default=7 * 24 * 3600, ge=60)
    # A run is a retry of the failed one before it if it comes within the policy's interval and this.
    retry_slack_seconds: float = Field(default=5.0, ge=0)

    stream_poll_seconds: float = Field(default=0.5, gt=0)
    stream_heartbeat_seconds: float = Field(default=15.0, gt=0)
    max_streams: int = Field(default=100, ge=1)

    faults_enabled: bool = False

    # Dapr takes 4 MiB to publish by default. In an event a text has two bytes for each of its quotes and line ends, and
    # there is the envelope. One that is refused for its size would be tried again, and lost on its way to the dead
    # letters.
    max_body_bytes: int = Field(default=9 * 1024 * 1024, ge=1)
    max_body_seconds: float = Field(default=10.0, gt=0)
    shutdown_grace_seconds: int = Field(default=10, ge=0)
    # Longer than a sidecar waits between two tries: a call that comes just as a connection is closed is lost.
    keep_alive_seconds: int = Field(default=120, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
