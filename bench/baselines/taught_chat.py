"""The baseline of `./lab bench chat`: a chat with memory in the form in which it is usually taught.

It stands for the courses and posts whose route does, for each message,

    wfr = WorkflowRuntime(); wfr.register_workflow(chat_workflow); …; wfr.start()
    client = DaprWorkflowClient(); id = client.schedule_new_workflow(chat_workflow, input=…)
    state = client.wait_for_workflow_completion(id); wfr.shutdown()

whose activities each open a DaprClient, and whose history is one list under one key, read and written whole. It has the
offline engine of chat_service, imported from there, the same three steps, and a sidecar of its own. It is better off
than what it stands for: its routes run in threads, so that nothing blocks the event loop; the turn is stored right
here, without an event and a second service; and each function is registered anew, as today's SDK takes one only once.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from dapr.clients import DaprClient
from dapr.ext.workflow import DaprWorkflowClient, DaprWorkflowContext, WorkflowActivityContext, WorkflowRuntime
from engine_offline import Offline
from fastapi import FastAPI
from pydantic import BaseModel
from turn import ChatTurn, Context, Memory, Prompt, Said

STORE = "baselinestore"


class Message(BaseModel):
    """What /chat/ is sent, as far as this needs it."""

    user_id: str
    text: str
    metadata: dict[str, str]


def fetch_context(_: WorkflowActivityContext, turn: dict[str, Any]) -> list[dict[str, str]]:
    with DaprClient() as dapr:
        return json.loads(dapr.get_state(STORE, f"history-{turn['session_id']}").data or b"[]")


def generate_response(_: WorkflowActivityContext, given: dict[str, Any]) -> str:
    turn, now = given["turn"], datetime.now(UTC)
    asked = ChatTurn(**turn, user_hash="", message_id=uuid4().hex, timestamp=now, received_at=now)
    memory = Memory(name=asked.user_id, preferred_style="casual", user_summary=f"{asked.user_id} is a new user.")
    history = [Said.model_validate(one) for one in given["history"]]
    prompt = Prompt(turn=asked, context=Context(memory=memory, history=history), may_wait=False)
    return asyncio.run(Offline().reply(prompt))


def save_conversation(_: WorkflowActivityContext, given: dict[str, Any]) -> None:
    turn = given["turn"]
    said = [{"role": "user", "content": turn["text"]}, {"role": "assistant", "content": given["reply"]}]
    with DaprClient() as dapr:
        key = f"history-{turn['session_id']}"
        history = json.loads(dapr.get_state(STORE, key).data or b"[]")
        dapr.save_state(STORE, key, json.dumps([*history, *said]))


def chat_workflow(ctx: DaprWorkflowContext, turn: dict[str, Any]) -> Any:
    history = yield ctx.call_activity("fetch_context", input=turn)
    reply = yield ctx.call_activity("generate_response", input={"turn": turn, "history": history})
    yield ctx.call_activity("save_conversation", input={"turn": turn, "reply": reply})
    return reply


def anew(function: Callable[[Any, dict[str, Any]], Any]) -> Callable[[Any, dict[str, Any]], Any]:
    return lambda ctx, given: function(ctx, given)


app = FastAPI()


@app.post("/chat/")
def chat(message: Message) -> dict[str, Any]:
    """Answers a message; runs in a thread."""
    turn = {"user_id": message.user_id, "session_id": message.metadata["session_id"], "text": message.text}
    runtime = WorkflowRuntime()
    runtime.register_workflow(anew(chat_workflow), name="chat_workflow")
    for activity in (fetch_context, generate_response, save_conversation):
        runtime.register_activity(anew(activity), name=activity.__name__)
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
