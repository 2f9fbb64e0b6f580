"""A worker of two workflows that end before one of their steps does; one of them has asked `is_patched`."""

import signal
from typing import Any

from dapr.ext.workflow import DaprWorkflowClient, DaprWorkflowContext, WorkflowActivityContext, WorkflowRuntime


def end_first(ctx: DaprWorkflowContext, _: Any) -> Any:
    ctx.call_activity(outlive)
    yield ctx.call_activity(end)


def ask_and_end_first(ctx: DaprWorkflowContext, _: Any) -> Any:
    ctx.is_patched("a change")
    ctx.call_activity(outlive)
    yield ctx.call_activity(end)


def end(_: WorkflowActivityContext, __: Any) -> None:
    """Return at once."""


def outlive(ctx: WorkflowActivityContext, _: Any) -> None:
    DaprWorkflowClient().wait_for_workflow_completion(ctx.workflow_id, timeout_in_seconds=60)


runtime = WorkflowRuntime()
runtime.register_workflow(end_first)
runtime.register_workflow(ask_and_end_first)
runtime.register_activity(outlive)
runtime.register_activity(end)
runtime.start()
signal.pause()
