"""The baseline of `./lab bench chat`: a chat with memory in the form in which it is usually taught.

It stands for the courses and posts whose route does, for each message,

    @app.post("/chat/")
    async def chat(message):
        wfr.start()
        client = DaprWorkflowClient()
        id = client.schedule_new_workflow(chat_workflow, input=…)
        state = client.wait_for_workflow_completion(id)
        wfr.shutdown()

so that the event loop is blocked during each turn. Their activities are synchronous and open an HTTP client for each
call (`asyncio.run` of an `async with httpx.AsyncClient()`). Their memory is a second service (taught_memory.py).

A plain `def` route, which FastAPI runs in threads, does not help. With sixteen runtimes started and shut down side by
side, the process ended with a segmentation fault in gRPC.

It has an advantage over those: the offline replies of chat_service, imported from there, instead of a model. Each
function is registered again for each request, because the SDK takes one only once.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
from dapr.ext.workflow import DaprWorkflowClient, DaprWorkflowContext, WorkflowActivityContext, WorkflowRuntime
from fastapi import FastAPI
from messages import Context, HistoryEntry, Memory, Prompt
from pydantic import BaseModel
from replies.offline import Offline

SIDECAR = f"http://127.0.0.1:{os.environ['DAPR_HTTP_PORT']}/v1.0"
MEMORY = f"{SIDECAR}/invoke/taught-memory/method"


class Message(BaseModel):
    """The fields of a chat message that this needs."""

    user_id: str
    text: str
    metadata: dict[str, str]


async def ask_memory(path: str) -> Any:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{MEMORY}/{path}")
        response.raise_for_status()
        return response.json()


async def publish(event: dict[str, str]) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{SIDECAR}/publish/baselinepubsub/taught-conversations", json=event)
        response.raise_for_status()


def fetch_context(_: WorkflowActivityContext, turn: dict[str, Any]) -> dict[str, Any]:
    conversation = asyncio.run(ask_memory(f"conversations/{turn['session_id']}"))
    memory = asyncio.run(ask_memory(f"memories/{turn['user_id']}"))
    return {"history": conversation["history"], "memory": memory}


def generate_response(_: WorkflowActivityContext, given: dict[str, Any]) -> str:
    history = [HistoryEntry.model_validate(one) for one in given["context"]["history"]]
    context = Context(memory=Memory.model_validate(given["context"]["memory"]), history=history)
    return asyncio.run(Offline().reply(Prompt(text=given["turn"]["text"], context=context, may_wait=False)))


def save_conversation(_: WorkflowActivityContext, given: dict[str, Any]) -> None:
    turn = given["turn"]
    said = {"user_message": turn["text"], "assistant_reply": given["reply"]}
    asyncio.run(publish({"user_id": turn["user_id"], "session_id": turn["session_id"], **said}))


def chat_workflow(ctx: DaprWorkflowContext, turn: dict[str, Any]) -> Any:
    context = yield ctx.call_activity("fetch_context", input=turn)
    reply = yield ctx.call_activity("generate_response", input={"turn": turn, "context": context})
    yield ctx.call_activity("save_conversation", input={"turn": turn, "reply": reply})
    return reply


def wrapped(function: Callable[[Any, dict[str, Any]], Any]) -> Callable[[Any, dict[str, Any]], Any]:
    return lambda ctx, given: function(ctx, given)


app = FastAPI()


@app.post("/chat/")
async def chat(message: Message) -> dict[str, Any]:
    """Answer a message. Until then nothing else is answered."""
    turn = {"user_id": message.user_id, "session_id": message.metadata["session_id"], "text": message.text}
    runtime = WorkflowRuntime()
    runtime.register_workflow(wrapped(chat_workflow), name="chat_workflow")
    for activity in (fetch_context, generate_response, save_conversation):
        runtime.register_activity(wrapped(activity), name=activity.__name__)
    runtime.start()
    try:
        client = DaprWorkflowClient()
        instance = client.schedule_new_workflow("chat_workflow", input=turn, instance_id=uuid4().hex)
        state = client.wait_for_workflow_completion(instance, timeout_in_seconds=60)
    finally:
        runtime.shutdown()
    completed = state is not None and state.runtime_status.name == "COMPLETED"
    return {"status": "completed" if completed else "failed", "reply": state and state.serialized_output}


@app.get("/healthz")
@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ok"}
