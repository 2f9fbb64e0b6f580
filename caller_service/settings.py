"""Everything caller takes from its environment, in one place."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """caller's settings: each field is the environment variable of that name, or a line of `.env`.

    Dapr sets the ports and DAPR_API_TOKEN for the app; the ports' defaults are Dapr's own.
    """

    # A deployment template that leaves a variable empty means "not set", not "the empty token".
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    dapr_http_port: int = Field(default=3500, ge=1, le=65535)
    dapr_grpc_port: int = Field(default=50001, ge=1, le=65535)
    dapr_api_token: SecretStr | None = None

    callee_app_id: str = "callee-app"
    callee_grpc_app_id: str = "callee-grpc-app"
    # A client that gives up before its sidecar does never sees the retry that would have succeeded. The policy's worst
    # case (components/resiliency.yaml): 4 attempts of up to 3 s and 3 pauses of 5 s, so 27 s.
    call_timeout_seconds: float = Field(default=30.0, gt=0)
    # What Retry-After tells while Dapr's circuit breaker is open: the breaker's `timeout` in the same file.
    retry_after_seconds: int = Field(default=10, ge=0)

    max_body_bytes: int = Field(default=65_536, ge=1)
    max_body_seconds: float = Field(default=10.0, gt=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    test_retry: bool = False
    test_retry_pause_seconds: float = Field(default=2.0, ge=0)
    sidecar_wait_seconds: float = Field(default=10.0, gt=0)
