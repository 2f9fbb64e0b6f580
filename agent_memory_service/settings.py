"""The settings of agent-memory."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from kit.edge.settings import ServiceSettings

Engine = Literal["offline", "gemini", "openai", "ollama", "openai-compatible", "conversation"]


class Settings(ServiceSettings):
    """agent-memory's settings: each field is the environment variable of that name, or a line of `.env`."""

    app_port: int = Field(default=8011, ge=1, le=65535)

    state_store_name: str = "statestore"
    pubsub_name: str = "pubsub"
    secret_stores: list[str] = Field(default=["secretstore", "envsecretstore"])
    # Looked up in the secret stores first, as are the models' keys below.
    user_hash_key: SecretStr | None = None

    # The limit of each call to the sidecar. A store that hangs must not hold an event longer than the broker waits
    # (`processingTimeout` in components/pubsub.yaml).
    sidecar_timeout_seconds: float = Field(default=5.0, gt=0)
    cors_origins: list[str] = Field(default=["http://localhost:3000"])

    # `streamTTL` of components/pubsub.yaml: how long an acknowledged event stays in its Redis stream.
    stream_ttl_seconds: int = Field(default=600, ge=1)
    # How late this service may be, after an outage, and an event that is still retried (resiliency-events.yaml). The
    # time that a DELETE states includes it.
    forgetting_slack_seconds: int = Field(default=120, ge=1)

    # Seconds for which a dead letter is kept, as long as the orders of lab 4.
    dead_letter_retention_seconds: int = Field(default=7_776_000, ge=1)

    summary_delay_seconds: float = Field(default=0.2, ge=0)
    summary_workers: int = Field(default=2, ge=1)
    summary_turns: int = Field(default=8, ge=1, le=25)
    # When the memory is next read, a summary that has been due this long is refreshed again: its process died, or the
    # model failed.
    summary_stale_seconds: float = Field(default=10.0, ge=0)

    # Unset: gemini if there is a key for it, otherwise offline.
    model_engine: Engine | None = None
    model_name: str | None = None
    model_base_url: str | None = None
    conversation_component: str = "conversation"
    model_timeout_seconds: float = Field(default=30.0, gt=0)
    gemini_api_key: SecretStr | None = None
    openai_api_key: SecretStr | None = None

    # Dapr accepts events of up to 4 MiB. As JSON their text may have two bytes for each of its characters, and a dead
    # letter arrives in base64. An event that is refused for its size would be lost on its way to the dead letters.
    max_body_bytes: int = Field(default=12 * 1024 * 1024, ge=1)

    @model_validator(mode="after")
    def _has_an_endpoint(self) -> Self:
        missing = [name for name in ("MODEL_BASE_URL", "MODEL_NAME") if not getattr(self, name.lower())]
        if self.model_engine == "openai-compatible" and missing:
            raise ValueError(f"MODEL_ENGINE=openai-compatible needs {' and '.join(missing)}")
        return self
