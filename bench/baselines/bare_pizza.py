"""The limits in `./lab bench pizza`: empty workflows of the same shape as others.

It shows the cost of Dapr's workflow engine alone for an order that is approved at once. Such an order has five
activities, a child workflow with an activity in another app, a verdict (event), and three timers.
Each step is raced against a cancellation. The routes are those of an order, and one worker and one client live as long
as the process. As app id bare-kitchen it is the other app.

Below /least it has the shape of taught_pizza.py: four steps and the verdict. No services can be faster than that.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio.to_thread
import grpc
from dapr.ext.workflow import DaprWorkflowContext, WorkflowActivityContext, WorkflowRuntime, when_any
from dapr.ext.workflow.aio import DaprWorkflowClient
from fastapi import FastAPI, Request, Response

SHORT, LONG = timedelta(seconds=10), timedelta(hours=1)


def nothing(_: WorkflowActivityContext, order: str) -> str:
    return order


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


def least_pizza(ctx: DaprWorkflowContext, order: str) -> Any:
    yield ctx.call_activity(nothing, input="order_pizza")
    yield ctx.call_activity(nothing, input="cook_pizza")
    yield ctx.call_activity(nothing, input="validate_pizza")
    ctx.set_custom_status("pending_validation")
    yield ctx.wait_for_external_event("ValidationComplete")
    ctx.set_custom_status("delivered")
    yield ctx.call_activity(nothing, input="deliver_pizza")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, DaprWorkflowClient]]:
    runtime = WorkflowRuntime()
    if os.environ["APP_ID"] == "bare-pizza":
        runtime.register_workflow(bare_pizza)
        runtime.register_workflow(bare_check)
        runtime.register_workflow(least_pizza)
    runtime.register_activity(nothing)
    # It blocks until the sidecar is there, which waits for this app's port first.
    async with anyio.create_task_group() as starting:
        starting.start_soon(anyio.to_thread.run_sync, runtime.start)
        yield {"client": DaprWorkflowClient()}
    runtime.shutdown()


app = FastAPI(lifespan=lifespan)


@app.post("/start-order", status_code=202)
async def start_order(order: dict[str, Any], request: Request) -> None:
    """Start a workflow under the order's id."""
    await start(request, "bare_pizza", order["order_id"])


@app.post("/least/start-order", status_code=202)
async def start_least(order: dict[str, Any], request: Request) -> None:
    """Start the smallest workflow for an order."""
    await start(request, "least_pizza", order["order_id"])


async def start(request: Request, workflow: str, order_id: str) -> None:
    client: DaprWorkflowClient = request.state.client
    await client.schedule_new_workflow(workflow, input=order_id, instance_id=order_id)


@app.get("/least/orders/{order_id}")
@app.get("/orders/{order_id}")
async def show_order(order_id: str, request: Request) -> Any:
    """Return its status, and its result after its end. 503 while the engine is writing it."""
    client: DaprWorkflowClient = request.state.client
    try:
        state = await client.get_workflow_state(order_id)
    except grpc.RpcError:
        return Response(status_code=503)
    if state is None:
        return Response(status_code=404)
    shown = {"status": state.serialized_custom_status or ""}
    ended = state.runtime_status.name in ("COMPLETED", "FAILED", "TERMINATED")
    return shown | ({"result": {"final_status": shown["status"]}} if ended else {})


@app.post("/least/validate-pizza", status_code=202)
@app.post("/validate-pizza", status_code=202)
async def validate_pizza(verdict: dict[str, Any], request: Request) -> None:
    """Send the verdict to the workflow."""
    client: DaprWorkflowClient = request.state.client
    await client.raise_workflow_event(verdict["order_id"], "ValidationComplete", data=verdict["approved"])


@app.get("/healthz")
@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ok"}
