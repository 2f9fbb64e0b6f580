"""The settings of the scheduler app."""

from pydantic import Field

from kit.edge.settings import ServiceSettings


class Settings(ServiceSettings):
    """The scheduler app's settings: each field is the environment variable of that name."""

    app_port: int = Field(default=8003, ge=1, le=65535)
    # Dapr accepts events of up to 4 MiB. As JSON their text may have two bytes for each of its characters, and a dead
    # letter arrives in base64. An event that is refused for its size would be lost on its way to the dead letters.
    max_body_bytes: int = Field(default=12 * 1024 * 1024, ge=1)

    state_store: str = Field(default="statestore", min_length=1)
    # While the scheduler is down the sidecar holds a call for 30 s without an answer.
    scheduler_timeout_seconds: float = Field(default=5.0, gt=0)
    store_timeout_seconds: float = Field(default=5.0, gt=0)
    # Seconds that a page of runs is kept after its last entry.
    retention_seconds: int = Field(default=7 * 24 * 3600, ge=60)
    # A run is a retry of the failed one before it if it arrives within the policy's interval and this.
    retry_slack_seconds: float = Field(default=5.0, ge=0)

    stream_poll_seconds: float = Field(default=0.5, gt=0)
    max_streams: int = Field(default=100, ge=1)
