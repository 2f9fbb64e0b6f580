"""The settings of task-api."""

from pydantic import Field

from kit.edge.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of task-api: each field is the environment variable of that name."""

    app_port: int = Field(default=8031, ge=1, le=65535)

    state_store: str = Field(default="taskstore", min_length=1)
    pubsub_name: str = Field(default="taskpubsub", min_length=1)
    task_topic: str = Field(default="task-events", min_length=1)
    announcement_topic: str = Field(default="announcements", min_length=1)
    notification_app_id: str = Field(default="notification-service", min_length=1)

    # Of each call of the sidecar that sets no other limit.
    call_timeout_seconds: float = Field(default=5.0, gt=0)
    # Of each call of the workflow engine, which keeps a caller waiting while the scheduler is down.
    engine_timeout_seconds: float = Field(default=10.0, gt=0)
