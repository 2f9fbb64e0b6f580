"""The settings of hello."""

from pydantic import Field

from kit.edge.settings import ServiceSettings


class Settings(ServiceSettings):
    """hello's settings: each field is the environment variable of that name, or a line of `.env`."""

    app_port: int = Field(default=8041, ge=1, le=65535)
    callee_app_id: str = "callee-app"
    pubsub_name: str = "hello-pubsub"
    # More than the sidecar's own retries take, if there is a policy for them in components/.
    call_seconds: float = Field(default=5.0, gt=0)
