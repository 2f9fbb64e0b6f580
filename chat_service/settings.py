"""Everything chat takes from its environment, in one place."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

EngineName = Literal["offline", "gemini", "openai", "ollama", "openai-compatible", "conversation"]


class Settings(BaseSettings):
    """chat's settings: each field is the environment variable of that name, or a line of `.env`.

    Dapr sets the ports and the two tokens for the app; the defaults serve a start without Dapr.
    """

    # A deployment template that leaves a variable empty means "not set", not "the empty token".
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    dapr_http_port: int = Field(default=3500, ge=1, le=65535)
    dapr_grpc_port: int = Field(default=50001, ge=1, le=65535)
    dapr_api_token: SecretStr | None = None
    app_api_token: SecretStr | None = None

    memory_app_id: str = "agent-memory-service"
    state_store_name: str = "statestore"
    pubsub_name: str = "pubsub"
    conversations_topic: str = "conversations"
    secret_stores: list[str] = ["secretstore", "envsecretstore"]

    # Unset: gemini when there is a GEMINI_API_KEY, else offline.
    model_engine: EngineName | None = None
    model_name: str | None = Field(default=None, description="The engine's own default when unset")
    model_base_url: str | None = Field(default=None, description="Of an OpenAI-compatible API")
    conversation_component: str = "conversation"
    # Looked for in the secret stores first (secret_store.py).
    gemini_api_key: SecretStr | None = None
    openai_api_key: SecretStr | None = None
    user_hash_key: SecretStr | None = None
    max_tool_rounds: int = Field(default=4, ge=1, le=20)
    history_turns: int = Field(default=20, ge=1, le=100, description="Messages of history that are asked for")
    history_tokens: int = Field(default=2000, ge=0, description="And what a model is given of them, at most")

    # Each step of the workflow: how often it is tried, the first pause (it doubles up to max_retry_seconds), and the
    # time limit of one attempt. fetch goes on for about half a minute: a restart of memory is shorter.
    fetch_attempts: int = Field(default=8, ge=1)
    fetch_retry_seconds: float = Field(default=1.0, ge=0)
    fetch_seconds: float = Field(default=5.0, gt=0)
    generate_attempts: int = Field(default=3, ge=1)
    generate_retry_seconds: float = Field(default=1.0, ge=0)
    model_timeout_seconds: float = Field(default=30.0, gt=0)
    save_attempts: int = Field(default=10, ge=1)
    save_retry_seconds: float = Field(default=1.0, ge=0)
    save_seconds: float = Field(default=5.0, gt=0)
    turn_attempts: int = Field(default=10, ge=1)
    turn_retry_seconds: float = Field(default=0.5, ge=0)
    turn_seconds: float = Field(default=5.0, gt=0)
    max_retry_seconds: float = Field(default=5.0, ge=0)
    # A model that answers 429 or 503 with Retry-After is asked again after a durable timer: so often, and no later.
    model_busy_waits: int = Field(default=3, ge=0)
    max_retry_after_seconds: float = Field(default=60.0, ge=0)

    # How long POST /chat/ waits for the reply before it answers 202. The SDK's own limit on a call is 60 s.
    wait_seconds: float = Field(default=30.0, ge=0, le=55)
    schedule_seconds: float = Field(default=10.0, gt=0)
    state_seconds: float = Field(default=5.0, gt=0)
    # The safety net of a message that waits for its turn, should the event be lost that calls it.
    turn_check_seconds: float = Field(default=10.0, gt=0)
    # A message in the queue without a workflow is one whose request died between the two.
    unstarted_seconds: float = Field(default=30.0, gt=0)
    # So often the engine is asked for a sign of life (standstill.py).
    standstill_every_seconds: float = Field(default=10.0, gt=0)
    # A sidecar that has had no worker for so long, of which one asks every 15 s at least, is asked to end (lockout.py).
    lockout_seconds: float = Field(default=45.0, gt=0)
    # How long a repeated message is answered with the first reply. Not shorter than the stateRetentionPolicy of
    # finished workflows, because the list of a user's instances lives as long as this.
    claim_ttl_seconds: int = Field(default=86_400, ge=1)

    # `streamTTL` of components/pubsub.yaml: what Redis trims from a stream when the next event comes.
    stream_ttl_seconds: int = Field(default=600, ge=0)

    cors_origins: list[str] = ["http://localhost:3000"]
    faults_enabled: bool = False
    max_body_bytes: int = Field(default=65_536, ge=1)
    max_body_seconds: float = Field(default=10.0, gt=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
