"""The settings of task-api."""

from pydantic import Field

from kit.edge.settings import ServiceSettings


class Settings(ServiceSettings):
    """The settings of task-api: each field is the environment variable of that name."""

    app_port: int = Field(default=8031, ge=1, le=65535)

    state_store: str = Field(default="taskstore", min_length=1)
    pubsub_name: str = Field(default="taskpubsub", min_length=1)
    announcement_topic: str = Field(default="announcements", min_length=1)
    notification_app_id: str = Field(default="notification-service", min_length=1)

    lock_store: str = Field(default="lockstore", min_length=1)
    config_store: str = Field(default="configstore", min_length=1)
    secret_store: str = Field(default="tasksecretstore", min_length=1)
    email_binding: str = Field(default="email-binding", min_length=1)
    webhook_binding: str = Field(default="webhook", min_length=1)
    attachments_binding: str = Field(default="attachments", min_length=1)
    crypto_component: str = Field(default="crypto", min_length=1)
    crypto_key: str = Field(default="attachments.json", min_length=1)
    conversation_component: str = Field(default="conversation", min_length=1)
    # The recipient of the daily digest.
    digest_to: str = Field(default="team@example.com", min_length=1)
    # Longer than the digest takes: reads, one mail and its mark, each limited in time.
    digest_lock_seconds: int = Field(default=60, ge=1)
    # Of an attachment, and of its upload. A JSON body has the limits of kit.edge.
    max_attachment_bytes: int = Field(default=32 * 1024 * 1024, ge=1)
    max_attachment_seconds: float = Field(default=60.0, gt=0)
    # Of a mail, which waits for the ones before it, and of a model's answer.
    mail_timeout_seconds: float = Field(default=10.0, gt=0)
    model_timeout_seconds: float = Field(default=30.0, gt=0)

    # Of each call of the sidecar that sets no other limit.
    call_timeout_seconds: float = Field(default=5.0, gt=0)
