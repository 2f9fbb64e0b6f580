"""The settings of caller."""

from pydantic import Field

from kit.edge.settings import ServiceSettings


class Settings(ServiceSettings):
    """caller's settings: each field is the environment variable of that name."""

    app_port: int = Field(default=8002, ge=1, le=65535)

    callee_app_id: str = "callee-app"
    callee_grpc_app_id: str = "callee-grpc-app"
    # A client that gives up before its sidecar never sees the retry that would have succeeded. The policy's worst case
    # (components/resiliency.yaml): 4 attempts of up to 3 s and 3 pauses of 5 s, so 27 s.
    call_timeout_seconds: float = Field(default=30.0, gt=0)
    # The Retry-After of an answer while Dapr's circuit breaker is open: the breaker's `timeout` in the same file.
    retry_after_seconds: int = Field(default=10, ge=0)

    test_retry: bool = False
    test_retry_pause_seconds: float = Field(default=2.0, ge=0)
    sidecar_wait_seconds: float = Field(default=10.0, gt=0)
