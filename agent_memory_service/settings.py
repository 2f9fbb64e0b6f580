"""Everything agent-memory takes from its environment, in one place."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Engine = Literal["offline", "gemini", "openai", "ollama", "openai-compatible", "conversation"]


class Settings(BaseSettings):
    """agent-memory's settings: each field is the environment variable of that name, or a line of `.env`.

    Dapr sets the ports and the two tokens for the app; the ports' defaults serve a start without Dapr.
    """

    # A deployment template that leaves a variable empty means "not set", not "the empty token".
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    app_host: str = "127.0.0.1"
    app_port: int = Field(default=8011, ge=1, le=65535)
    dapr_http_port: int = Field(default=3500, ge=1, le=65535)
    dapr_grpc_port: int = Field(default=50001, ge=1, le=65535)
    dapr_api_token: SecretStr | None = None
    app_api_token: SecretStr | None = None

    state_store_name: str = "statestore"
    pubsub_name: str = "pubsub"
    secret_stores: list[str] = ["secretstore", "envsecretstore"]
    forgotten_topic: str = "user-forgotten"
    dead_letter_topic: str = "conversations-dead"
    # Looked for in the secret stores first, as the models' keys below (secret_store.py).
    user_hash_key: SecretStr | None = None

    # One limit for each call to the sidecar: a store that hangs must not hold an event longer than the broker waits for
    # it (`processingTimeout` in components/pubsub.yaml).
    sidecar_timeout_seconds: float = Field(default=5.0, gt=0)
    cors_origins: list[str] = ["http://localhost:3000"]

    # `streamTTL` of components/pubsub.yaml: how long an acknowledged event stays in its Redis stream.
    stream_ttl_seconds: int = Field(default=600, ge=1)
    # How long this service may be away after somebody asked to be forgotten, and an event be tried before it is a dead
    # letter (components/resiliency-events.yaml), without the time that was stated being missed.
    forgetting_slack_seconds: int = Field(default=120, ge=1)

    summary_delay_seconds: float = Field(default=0.2, ge=0)
    summary_retry_seconds: float = Field(default=1.0, ge=0)
    summary_workers: int = Field(default=2, ge=1)
    summary_turns: int = Field(default=8, ge=1, le=25)
    # A refresh that a dead process left behind is taken up when the memory is next read, and the mark is this old.
    summary_stale_seconds: float = Field(default=10.0, ge=0)

    # Unset: gemini if there is a key for it, otherwise offline.
    model_engine: Engine | None = None
    model_name: str | None = None
    model_base_url: str | None = None
    conversation_component: str = "conversation"
    model_timeout_seconds: float = Field(default=30.0, gt=0)
    gemini_api_key: SecretStr | None = None
    openai_api_key: SecretStr | None = None

    faults_enabled: bool = False

    # What Dapr itself lets through by default (4 MiB): an event that is refused for its size would be tried again, and
    # lost on its way to the dead letters.
    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1)
    max_body_seconds: float = Field(default=10.0, gt=0)
    shutdown_grace_seconds: int = Field(default=10, ge=0)
    # Longer than a sidecar waits between two tries: a call that comes just as a connection is closed is lost.
    keep_alive_seconds: int = Field(default=120, ge=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
