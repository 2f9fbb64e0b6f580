"""The settings of workflow-patterns."""

from typing import Literal

from pydantic import Field

from kit.edge.settings import ServiceSettings


class Settings(ServiceSettings):
    """Each field is the environment variable of that name, or a line of `.env`."""

    app_port: int = Field(default=8041, ge=1, le=65535)

    state_store_name: str = "patternstore"
    # The version of `versioning` that new letters run. Letters in flight keep theirs.
    latest_letter: Literal["v1", "v2"] = "v2"

    # The time limit of a route's calls to Dapr. Without the scheduler a start would wait for ever.
    call_timeout_seconds: float = Field(default=10.0, gt=0)
    # A run's record expires this long after its last change. It must outlive the longest wait of a workflow: its next
    # step would fail, and its id could start twice. An approval waits for up to 30 days, and a letter without a limit.
    record_retention_seconds: int = Field(default=90 * 24 * 3600, ge=3600)
    # How often the engine is pinged and the sidecar's workers are counted, and how long it may have none.
    engine_check_seconds: float = Field(default=10.0, gt=0)
    worker_lockout_seconds: float = Field(default=45.0, gt=0)
