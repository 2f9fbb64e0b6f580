"""The parts of the SDK's workflow context that the workflows use, typed: the SDK leaves its tasks' results unknown."""

from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

from dapr.ext.workflow import RetryPolicy
from dapr.ext.workflow import when_any as sdk_when_any  # pyright: ignore[reportUnknownVariableType]


class Task(Protocol):
    """Something a workflow can wait for, by yielding it."""

    @property
    def is_failed(self) -> bool: ...
    def get_result(self) -> Any: ...


# What a workflow is: it yields tasks, and is sent their results.
Wait = Generator[Task, Any, Any]


class Context(Protocol):
    """A workflow's view of its engine."""

    @property
    def instance_id(self) -> str: ...
    @property
    def current_utc_datetime(self) -> datetime: ...
    def set_custom_status(self, custom_status: str) -> None: ...
    def create_timer(self, fire_at: datetime | timedelta) -> Task: ...
    def call_activity(
        self, activity: str, *, input: Any, retry_policy: RetryPolicy | None = None, app_id: str | None = None
    ) -> Task: ...
    def call_child_workflow(self, workflow: str, *, input: Any) -> Task: ...
    def wait_for_external_event(self, name: str, *, timeout: datetime | timedelta) -> Task: ...
    def is_patched(self, patch_name: str) -> bool: ...


def when_any(tasks: Sequence[Task]) -> Task:
    """A task that is done when the first of these is; its result is that one."""
    return cast("Any", sdk_when_any)(list(tasks))
