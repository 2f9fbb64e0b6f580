"""The limits in the benches of workflows: workflows of the same shape as the labs', whose steps do nothing.

They show the cost of Dapr's workflow engine alone, with one worker and one client for the life of the process.
`bare_steps` has a number of activities. `bare_pizza` is an order that is approved at once. It has five activities, a
child workflow with an activity in another app, a verdict (event), and three timers. Each step is raced against a
cancellation. Its routes are those of an order. As app id bare-kitchen this file is the other app.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any
from uuid import uuid4

import anyio.to_thread
import grpc
from dapr.ext.workflow import DaprWorkflowContext, WorkflowActivityContext, WorkflowRuntime, when_any
from dapr.ext.workflow.aio import DaprWorkflowClient
from fastapi import Depends, FastAPI, Request, Response

SHORT, LONG = timedelta(seconds=10), timedelta(hours=1)


def nothing(_: WorkflowActivityContext, given: Any) -> Any:
    return given


def bare_steps(ctx: DaprWorkflowContext, steps: int) -> Any:
    for step in range(steps):
        yield ctx.call_activity(nothing, input=step)


def bare_check(ctx: DaprWorkflowContext, order: str) -> Any:
    return (yield ctx.call_activity("nothing", input=order, app_id="bare-kitchen"))


def bare_pizza(ctx: DaprWorkflowContext, order: str) -> Any:
    cancelled = ctx.wait_for_external_event("CancelOrder", timeout=LONG)
    yield when_any([cancelled, ctx.call_activity(nothing, input="order_pizza")])
    ctx.set_custom_status("cooking")
    yield when_any([cancelled, ctx.call_activity(nothing, input="cook_pizza")])
    ctx.set_custom_status("cooked")
    check = ctx.call_child_workflow(bare_check, input=order)
    yield when_any([cancelled, check, ctx.create_timer(SHORT)])
    yield when_any([cancelled, ctx.call_activity(nothing, input="validate_pizza")])
    ctx.set_custom_status("pending_validation")
    yield when_any([cancelled, ctx.wait_for_external_event("ValidationComplete", timeout=LONG)])
    ctx.set_custom_status("delivering")
    yield when_any([cancelled, ctx.call_activity(nothing, input="deliver_pizza")])
    ctx.set_custom_status("delivered")
    yield ctx.call_activity(nothing, input="publish_status")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, DaprWorkflowClient]]:
    runtime = WorkflowRuntime()
    for workflow in (bare_steps, bare_check, bare_pizza):
        runtime.register_workflow(workflow)
    runtime.register_activity(nothing)
    # It blocks until the sidecar is there, which waits for this app's port first.
    async with anyio.create_task_group() as starting:
        starting.start_soon(anyio.to_thread.run_sync, runtime.start)
        yield {"client": DaprWorkflowClient()}
    runtime.shutdown()


app = FastAPI(lifespan=lifespan)


def connected(request: Request) -> DaprWorkflowClient:
    return request.state.client


Client = Annotated[DaprWorkflowClient, Depends(connected)]


@app.post("/run/{steps}")
async def run(steps: int, client: Client) -> dict[str, str]:
    """Run a workflow with that number of steps to its end."""
    instance = await client.schedule_new_workflow("bare_steps", input=steps, instance_id=uuid4().hex)
    state = await client.wait_for_workflow_completion(instance, timeout_in_seconds=60)
    return {"status": state.runtime_status.name if state else "missing"}


@app.post("/start-order", status_code=202)
async def start_order(order: dict[str, Any], client: Client) -> None:
    """Start a workflow under the order's id."""
    await client.schedule_new_workflow("bare_pizza", input=order["order_id"], instance_id=order["order_id"])


@app.get("/orders/{order_id}")
async def show_order(order_id: str, client: Client) -> Any:
    """Return its status, and its result after its end. 503 while the engine is writing it."""
    try:
        state = await client.get_workflow_state(order_id)
    except grpc.RpcError:
        return Response(status_code=503)
    if state is None:
        return Response(status_code=404)
    shown = {"status": state.serialized_custom_status or ""}
    ended = state.runtime_status.name in ("COMPLETED", "FAILED", "TERMINATED")
    return shown | ({"result": {"final_status": shown["status"]}} if ended else {})


@app.post("/validate-pizza", status_code=202)
async def validate_pizza(verdict: dict[str, Any], client: Client) -> None:
    """Send the verdict to the workflow."""
    await client.raise_workflow_event(verdict["order_id"], "ValidationComplete", data=verdict["approved"])


@app.get("/healthz")
@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ok"}
