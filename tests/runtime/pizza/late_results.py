"""A worker of workflows whose steps end at the wrong moment: after the workflow, or two at once.

Of the two that end before one of their steps does, one has asked `is_patched`.
"""

import signal
from typing import Any

from dapr.ext.workflow import (
    DaprWorkflowClient,
    DaprWorkflowContext,
    WorkflowActivityContext,
    WorkflowRuntime,
    when_all,
)


def end_first(ctx: DaprWorkflowContext, _: Any) -> Any:
    ctx.call_activity(outlive)
    yield ctx.call_activity(end)


def ask_and_end_first(ctx: DaprWorkflowContext, _: Any) -> Any:
    ctx.is_patched("a change")
    ctx.call_activity(outlive)
    yield ctx.call_activity(end)


def two_at_once(ctx: DaprWorkflowContext, _: Any) -> Any:
    beside: list[Any] = []
    for _ in range(6):
        beside.append(ctx.call_activity(end))
        yield ctx.call_activity(end)
    yield when_all(beside)


def end(_: WorkflowActivityContext, __: Any) -> None:
    """Is over at once."""


def outlive(ctx: WorkflowActivityContext, _: Any) -> None:
    DaprWorkflowClient().wait_for_workflow_completion(ctx.workflow_id, timeout_in_seconds=60)


runtime = WorkflowRuntime()
runtime.register_workflow(end_first)
runtime.register_workflow(ask_and_end_first)
runtime.register_workflow(two_at_once)
runtime.register_activity(outlive)
runtime.register_activity(end)
runtime.start()
signal.pause()
