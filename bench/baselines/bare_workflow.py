"""The limit in the benches of workflows: a workflow with the same number of empty steps.

It shows the cost of Dapr's workflow engine alone, with one worker and one client for the life of the process.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio.to_thread
from dapr.ext.workflow import DaprWorkflowContext, WorkflowActivityContext, WorkflowRuntime
from dapr.ext.workflow.aio import DaprWorkflowClient
from fastapi import FastAPI, Request


def nothing(_: WorkflowActivityContext, given: int) -> int:
    return given


def bare_workflow(ctx: DaprWorkflowContext, steps: int) -> Any:
    for step in range(steps):
        yield ctx.call_activity(nothing, input=step)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, DaprWorkflowClient]]:
    runtime = WorkflowRuntime()
    runtime.register_workflow(bare_workflow)
    runtime.register_activity(nothing)
    # It blocks until the sidecar is there, which waits for this app's port first.
    async with anyio.create_task_group() as starting:
        starting.start_soon(anyio.to_thread.run_sync, runtime.start)
        yield {"client": DaprWorkflowClient()}
    runtime.shutdown()


app = FastAPI(lifespan=lifespan)


@app.post("/run/{steps}")
async def run(steps: int, request: Request) -> dict[str, str]:
    """Run a workflow with that number of steps to its end."""
    client: DaprWorkflowClient = request.state.client
    instance = await client.schedule_new_workflow("bare_workflow", input=steps, instance_id=uuid4().hex)
    state = await client.wait_for_workflow_completion(instance, timeout_in_seconds=60)
    return {"status": state.runtime_status.name if state else "missing"}


@app.get("/healthz")
@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ok"}
