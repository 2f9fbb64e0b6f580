"""The settings of callee."""

from pydantic import Field

from kit.edge.settings import ServiceSettings


class Settings(ServiceSettings):
    """callee's settings: each field is the environment variable of that name."""

    app_port: int = Field(default=8001, ge=1, le=65535)

    simulate_failure: bool = False
    max_fails_before_success: int = Field(default=2, ge=0)

    @property
    def fails_per_success(self) -> int:
        """Number of greetings that fail before each one that succeeds; 0 unless SIMULATE_FAILURE is set."""
        return self.max_fails_before_success if self.simulate_failure else 0
