"""The settings that every service has."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Each field is the environment variable of that name, or a line of `.env`.

    Dapr sets the three ports and the two tokens for its app. The sidecar ports' defaults are Dapr's own.
    """

    # A deployment template that leaves a variable empty means "not set", not "the empty token".
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    app_host: str = "127.0.0.1"
    app_port: int = Field(default=8000, ge=1, le=65535)
    dapr_http_port: int = Field(default=3500, ge=1, le=65535)
    dapr_grpc_port: int = Field(default=50001, ge=1, le=65535)
    # The sidecar wants the first from its app, and shows the second to its app.
    dapr_api_token: SecretStr | None = None
    app_api_token: SecretStr | None = None

    # The hosts by which callers know this service, without ports; `*` is any. A page of another site, whose name was
    # made to mean 127.0.0.1, is none of them.
    allowed_hosts: list[str] = ["127.0.0.1", "localhost", "[::1]"]
    # The sites whose pages may change something.
    cors_origins: list[str] = []

    # Record the app's own spans, and send them to Zipkin at OTEL_EXPORTER_ZIPKIN_ENDPOINT.
    tracing: bool = False
    # The share of the requests without a trace that begin a recorded one. The variable is OpenTelemetry's own.
    otel_traces_sampler_arg: float = Field(default=1.0, ge=0, le=1)
    faults_enabled: bool = False
    max_body_bytes: int = Field(default=65_536, ge=1)
    max_body_seconds: float = Field(default=10.0, gt=0)
    shutdown_grace_seconds: int = Field(default=10, ge=0)
    # Longer than a sidecar waits between two attempts: a call that arrives as its connection is closed is lost.
    keep_alive_seconds: int = Field(default=120, ge=0)
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = "INFO"
