"""Give the engine's view that workflows need, with types, and the helpers that keep a replay deterministic.

A workflow is replayed from its history after each step, so it must not read a clock, make a random id or do I/O. Times
are from `ctx.current_utc_datetime`, ids from its input and a counter.
"""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast

from dapr.ext.workflow import RetryPolicy
from dapr.ext.workflow import when_all as sdk_when_all  # pyright: ignore[reportUnknownVariableType]
from dapr.ext.workflow import when_any as sdk_when_any  # pyright: ignore[reportUnknownVariableType]


class Task(Protocol):
    """Something that a workflow waits for by yielding it."""

    @property
    def is_failed(self) -> bool: ...
    def get_result(self) -> Any: ...


# A workflow yields tasks and receives their results.
Steps = Generator[Any, Any, Any]


class Context(Protocol):
    """The parts of `DaprWorkflowContext` that workflows use. The SDK leaves the types of its tasks unknown."""

    @property
    def instance_id(self) -> str: ...
    @property
    def current_utc_datetime(self) -> datetime: ...
    def set_custom_status(self, custom_status: str) -> None: ...
    def create_timer(self, fire_at: datetime | timedelta) -> Task: ...
    def call_activity(
        self, activity: str, *, input: Any, retry_policy: RetryPolicy | None = None, app_id: str | None = None
    ) -> Task: ...
    def call_child_workflow(
        self, workflow: str, *, input: Any, instance_id: str | None = None, app_id: str | None = None
    ) -> Task: ...
    def wait_for_external_event(self, name: str, *, timeout: datetime | timedelta | None = None) -> Task: ...
    def continue_as_new(self, new_input: Any, *, save_events: bool = False) -> None: ...


def when_any(tasks: Sequence[Task]) -> Task:
    """Return a task that completes with the first of these tasks. Its result is that task."""
    return cast("Any", sdk_when_any)(list(tasks))


def when_all(tasks: Sequence[Task]) -> Task:
    """Return a task that completes with all of these tasks, or fails with the first that fails."""
    return cast("Any", sdk_when_all)(list(tasks))


def retry(attempts: int, first_seconds: float, longest_seconds: float, factor: float = 2.0) -> RetryPolicy:
    """Return a retry policy with exponential pauses. `attempts` counts the first one too."""
    return RetryPolicy(
        first_retry_interval=timedelta(seconds=first_seconds),
        max_number_of_attempts=attempts,
        backoff_coefficient=factor,
        max_retry_interval=timedelta(seconds=longest_seconds),
    )


def timestamp(ctx: Context) -> str:
    """Return the workflow's present time as text, the same in each replay."""
    moment = ctx.current_utc_datetime.replace(tzinfo=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
