"""The settings of the notification service."""

from pydantic import Field

from kit.edge.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of the notification service: each field is the environment variable of that name."""

    app_port: int = Field(default=8032, ge=1, le=65535)
    # Dapr accepts events of up to 4 MiB. As JSON their text may have two bytes for each of its characters, and a dead
    # letter arrives in base64. A bulk that is larger than this is refused, and each of its events is a dead letter.
    max_body_bytes: int = Field(default=12 * 1024 * 1024, ge=1)

    pubsub: str = Field(default="taskpubsub", min_length=1)
    state_store: str = Field(default="notificationstore", min_length=1)
    store_timeout_seconds: float = Field(default=3.0, gt=0)
    # A notification expires this long after it was stored, and with it the memory of its event. 7 days.
    retention_seconds: int = Field(default=7 * 24 * 3600, ge=60)

    # The dead-letter topic of all four subscriptions.
    dead_letter_topic: str = Field(default="notifications-dead", min_length=1)
    # Of the opening of the stream, which waits until the retries of events in hand on a lost one are used up.
    open_timeout_seconds: float = Field(default=20.0, gt=0)
    # Pause after the stream was lost.
    reconnect_seconds: float = Field(default=1.0, gt=0)
