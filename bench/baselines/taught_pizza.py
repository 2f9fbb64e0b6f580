"""The baseline of `./lab bench pizza`: the pizza workflow in the form in which it is usually taught.

It stands for the workshops whose activities and routes do, each time,

    with DaprClient() as client:
        client.publish_event(pubsub_name=…, topic_name="orders", data=json.dumps(status))
    requests.post(f"http://localhost:{DAPR_HTTP_PORT}/v1.0/invoke/pizza-kitchen/method/cook", json=order)

with the synchronous clients, one made for each call. It has three advantages over those workshops. Its routes run in
threads, so nothing blocks the event loop. No app subscribes to its statuses. It calls the services of this lab.
It does less than ours: four steps, no check by the kitchen, no deadline, no time limit, no cancellation.
"""

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import grpc
import requests
from dapr.clients import DaprClient
from dapr.ext.workflow import DaprWorkflowClient, DaprWorkflowContext, WorkflowActivityContext, WorkflowRuntime
from fastapi import FastAPI, Response

# Another topic than the lab's, because pizza-order would take its statuses for orders of this lab.
STORE, PUBSUB, TOPIC = "baselinestore", "baselinepubsub", "taught-orders"


def tell(order: dict[str, Any], *statuses: str) -> None:
    for status in statuses:
        with DaprClient() as client:
            client.publish_event(PUBSUB, TOPIC, json.dumps({"order_id": order["order_id"], "status": status}))


def call(app_id: str, method: str, order: dict[str, Any]) -> dict[str, Any]:
    url = f"http://127.0.0.1:{os.environ['DAPR_HTTP_PORT']}/v1.0/invoke/{app_id}/method/{method}"
    answer = requests.post(url, json=order | {"run": "1", "attempt": 1}, timeout=60)
    answer.raise_for_status()
    return answer.json()


def order_pizza(_: WorkflowActivityContext, order: dict[str, Any]) -> dict[str, Any]:
    done = call("pizza-storefront", "order", order)
    tell(order, "confirmed")
    return done


def cook_pizza(_: WorkflowActivityContext, order: dict[str, Any]) -> dict[str, Any]:
    tell(order, "cooking")
    done = call("pizza-kitchen", "cook", order)
    tell(order, "cooked")
    return done


def validate_pizza(_: WorkflowActivityContext, order: dict[str, Any]) -> None:
    with DaprClient() as client:
        client.save_state(STORE, f"validation_{order['order_id']}", json.dumps({"status": "pending_validation"}))
    tell(order, "pending_validation")


def deliver_pizza(_: WorkflowActivityContext, order: dict[str, Any]) -> dict[str, Any]:
    tell(order, "approved", "delivering")
    done = call("pizza-delivery", "deliver", order)
    tell(order, "delivered")
    return done


def pizza_workflow(ctx: DaprWorkflowContext, order: dict[str, Any]) -> Any:
    yield ctx.call_activity(order_pizza, input=order)
    yield ctx.call_activity(cook_pizza, input=order)
    yield ctx.call_activity(validate_pizza, input=order)
    ctx.set_custom_status("pending_validation")
    yield ctx.wait_for_external_event("ValidationComplete")
    yield ctx.call_activity(deliver_pizza, input=order)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    runtime = WorkflowRuntime()
    runtime.register_workflow(pizza_workflow)
    for activity in (order_pizza, cook_pizza, validate_pizza, deliver_pizza):
        runtime.register_activity(activity)
    # It blocks until the sidecar is there, which waits for this app's port first.
    async with anyio.create_task_group() as starting:
        starting.start_soon(anyio.to_thread.run_sync, runtime.start)
        yield
    runtime.shutdown()


app = FastAPI(lifespan=lifespan)


@app.post("/start-order", status_code=202)
def start_order(order: dict[str, Any]) -> None:
    """Start an order."""
    DaprWorkflowClient().schedule_new_workflow(pizza_workflow, input=order, instance_id=order["order_id"])


@app.get("/orders/{order_id}")
def show_order(order_id: str) -> Any:
    """Return its status, and its result after its end. 503 while the engine is writing it."""
    try:
        state = DaprWorkflowClient().get_workflow_state(order_id)
    except grpc.RpcError:
        return Response(status_code=503)
    if state is None:
        return Response(status_code=404)
    shown = {"status": state.serialized_custom_status or ""}
    name = state.runtime_status.name
    if name not in ("COMPLETED", "FAILED", "TERMINATED"):
        return shown
    return shown | {"result": {"final_status": "delivered" if name == "COMPLETED" else name.lower()}}


@app.post("/validate-pizza", status_code=202)
def validate_pizza_route(verdict: dict[str, Any]) -> None:
    """Send the verdict to the workflow."""
    approved = verdict["approved"]
    DaprWorkflowClient().raise_workflow_event(verdict["order_id"], "ValidationComplete", data=approved)


@app.get("/healthz")
@app.get("/readyz")
def ready() -> dict[str, str]:
    return {"status": "ok"}
