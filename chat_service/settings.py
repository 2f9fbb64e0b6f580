"""The settings of chat."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from kit.edge.settings import ServiceSettings

EngineName = Literal["offline", "gemini", "openai", "ollama", "openai-compatible", "conversation"]


class Settings(ServiceSettings):
    """chat's settings: each field is the environment variable of that name, or a line of `.env`."""

    app_port: int = Field(default=8010, ge=1, le=65535)

    memory_app_id: str = "agent-memory-service"
    state_store_name: str = "statestore"
    pubsub_name: str = "pubsub"
    conversations_topic: str = "conversations"
    secret_stores: list[str] = Field(default=["secretstore", "envsecretstore"])

    # Unset: gemini when there is a GEMINI_API_KEY, else offline.
    model_engine: EngineName | None = None
    model_name: str | None = Field(default=None, description="The engine's own default when unset")
    model_base_url: str | None = Field(default=None, description="Of an OpenAI-compatible API")
    conversation_component: str = "conversation"
    # The secret stores are asked first.
    gemini_api_key: SecretStr | None = None
    openai_api_key: SecretStr | None = None
    user_hash_key: SecretStr | None = None
    max_tool_rounds: int = Field(default=4, ge=1, le=20)
    history_messages: int = Field(default=20, ge=1, le=100, description="What memory is asked for")
    history_tokens: int = Field(default=2000, ge=0, description="The most that a model gets of them")

    # The limit of a call to the sidecar: of the state store, a publication, and of memory through it.
    sidecar_timeout_seconds: float = Field(default=5.0, gt=0)
    # Each step of the workflow has a number of attempts. The pause between two starts at retry_seconds and doubles up
    # to max_retry_seconds. A fetch is retried for about half a minute: a restart of memory is shorter. The queue has
    # the policy of save.
    fetch_attempts: int = Field(default=8, ge=1)
    generate_attempts: int = Field(default=3, ge=1)
    model_timeout_seconds: float = Field(default=30.0, gt=0)
    save_attempts: int = Field(default=10, ge=1)
    retry_seconds: float = Field(default=1.0, ge=0)
    max_retry_seconds: float = Field(default=5.0, ge=0)
    # A model that answers 429 or 503 with Retry-After is asked again after a durable timer, within these bounds.
    model_busy_waits: int = Field(default=3, ge=0)
    max_retry_after_seconds: float = Field(default=60.0, ge=0)

    # The seconds that POST /chat/ waits for the reply before it answers 202. The SDK's own limit on a call is 60 s.
    wait_seconds: float = Field(default=30.0, ge=0, le=55)
    schedule_seconds: float = Field(default=10.0, gt=0)
    # A waiting message checks its queue this often, in case the event that calls it is lost.
    queue_check_seconds: float = Field(default=10.0, gt=0)
    # A message in the queue without a workflow is one whose request died between the two.
    unstarted_seconds: float = Field(default=30.0, gt=0)
    # The pause between two checks of the engine (kit/engine/stalled_engine.py).
    engine_check_seconds: float = Field(default=10.0, gt=0)
    # A sidecar that has had no worker for this long is shut down, so that it restarts. A worker asks every 15 s.
    worker_lockout_seconds: float = Field(default=45.0, gt=0)
    # A message that is repeated within this time gets the first reply. Not shorter than the stateRetentionPolicy of
    # finished workflows, because the list of a user's instances lives as long as this.
    claim_ttl_seconds: int = Field(default=86_400, ge=1)

    # `streamTTL` of components/pubsub.yaml: Redis drops older entries of a stream when the next event is added.
    stream_ttl_seconds: int = Field(default=600, ge=0)

    cors_origins: list[str] = Field(default=["http://localhost:3000"])

    @model_validator(mode="after")
    def _has_an_endpoint(self) -> Self:
        missing = [name for name in ("MODEL_BASE_URL", "MODEL_NAME") if not getattr(self, name.lower())]
        if self.model_engine == "openai-compatible" and missing:
            raise ValueError(f"MODEL_ENGINE=openai-compatible needs {' and '.join(missing)}")
        return self
