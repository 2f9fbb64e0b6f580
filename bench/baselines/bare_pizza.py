"""The limits in `./lab bench pizza`: workflows of the same shape as others, in which nothing is done.

It stands for what Dapr's workflow engine takes by itself for an order that is approved at once: four steps and seven
statuses (activities), a child workflow with an activity in another app, a verdict (event), and three timers, each step
raced against a cancellation. Followed and approved through the same routes as an order, with one worker and one client
for the life of the process. As app id bare-kitchen it is the other app.

Below /least it is the shape of taught_pizza.py instead: four steps and the verdict. Whatever else is done for an order,
and however fast, cannot be faster than that.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio.to_thread
import grpc
from dapr.ext.workflow import DaprWorkflowContext, WorkflowActivityContext, WorkflowRuntime, when_all, when_any
from dapr.ext.workflow.aio import DaprWorkflowClient
from fastapi import FastAPI, Request, Response

SHORT, LONG = timedelta(seconds=10), timedelta(hours=1)


def nothing(_: WorkflowActivityContext, given: str) -> str:
    return given


def bare_check(ctx: DaprWorkflowContext, given: str) -> Any:
    return (yield ctx.call_activity("nothing", input=given, app_id="bare-kitchen"))


def bare_pizza(ctx: DaprWorkflowContext, given: str) -> Any:
    cancelled = ctx.wait_for_external_event("CancelOrder", timeout=LONG)
    told: list[Any] = []

    def tell(status: str) -> None:
        ctx.set_custom_status(status)
        told.append(ctx.call_activity(nothing, input=status))

    yield when_any([cancelled, ctx.call_activity(nothing, input="order_pizza")])
    tell("confirmed")
    tell("cooking")
    yield when_any([cancelled, ctx.call_activity(nothing, input="cook_pizza")])
    tell("cooked")
    check = ctx.call_child_workflow(bare_check, input=given)
    yield when_any([cancelled, check, ctx.create_timer(SHORT)])
    yield when_any([cancelled, ctx.call_activity(nothing, input="validate_pizza")])
    tell("pending_validation")
    yield when_any([cancelled, ctx.wait_for_external_event("ValidationComplete", timeout=LONG)])
    tell("approved")
    tell("delivering")
    yield when_any([cancelled, ctx.call_activity(nothing, input="deliver_pizza")])
    tell("delivered")
    yield when_all(told)


def least_pizza(ctx: DaprWorkflowContext, given: str) -> Any:
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
    """Starts a workflow under the order's id."""
    await start(request, "bare_pizza", order["order_id"])


@app.post("/least/start-order", status_code=202)
async def start_least(order: dict[str, Any], request: Request) -> None:
    """Starts the smallest workflow there is for an order."""
    await start(request, "least_pizza", order["order_id"])


async def start(request: Request, workflow: str, order_id: str) -> None:
    client: DaprWorkflowClient = request.state.client
    await client.schedule_new_workflow(workflow, input=order_id, instance_id=order_id)


@app.get("/least/orders/{order_id}")
@app.get("/orders/{order_id}")
async def show_order(order_id: str, request: Request) -> Any:
    """Its status, and once it has ended its result; 503 for one that the engine is just writing."""
    client: DaprWorkflowClient = request.state.client
    try:
        state = await client.get_workflow_state(order_id)
    except grpc.RpcError:
        return Response(status_code=503)
    if state is None:
        return Response(status_code=404)
    told = {"status": state.serialized_custom_status or ""}
    ended = state.runtime_status.name in ("COMPLETED", "FAILED", "TERMINATED")
    return told | ({"result": {"final_status": told["status"]}} if ended else {})


@app.post("/least/validate-pizza", status_code=202)
@app.post("/validate-pizza", status_code=202)
async def validate_pizza(verdict: dict[str, Any], request: Request) -> None:
    """Sends the verdict on."""
    client: DaprWorkflowClient = request.state.client
    await client.raise_workflow_event(verdict["order_id"], "ValidationComplete", data=verdict["approved"])


@app.get("/healthz")
@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ok"}
