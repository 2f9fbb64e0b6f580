"""The memory of taught_chat.py in the form in which it is usually taught: one list per session, read and written whole.

It stands for services whose subscriber does, for each event,

    async with httpx.AsyncClient() as client:
        history = (await client.get(f"{STATE}/{key}")).json()
        await client.post(STATE, json=[{"key": key, "value": [*history, turn]}])

and then rewrites the user's summary. It has an advantage over those services, which ask a model for that.
"""

import os
from typing import Any

import httpx
from fastapi import FastAPI

STATE = f"http://127.0.0.1:{os.environ['DAPR_HTTP_PORT']}/v1.0/state/baselinestore"

app = FastAPI()


async def load(key: str) -> Any:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{STATE}/{key}")
        return response.json() if response.status_code == 200 else None


async def save(key: str, value: Any) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(STATE, json=[{"key": key, "value": value}])
        response.raise_for_status()


@app.get("/dapr/subscribe")
async def subscriptions() -> list[dict[str, str]]:
    return [{"pubsubname": "baselinepubsub", "topic": "taught-conversations", "route": "/conversations"}]


@app.get("/memories/{user_id}")
async def memory(user_id: str) -> dict[str, str]:
    """Return the record of a user, or the defaults for a new one."""
    new = {"name": user_id, "preferred_style": "casual", "user_summary": f"{user_id} is a new user."}
    return await load(f"memory-{user_id}") or new


async def summarize(user_id: str, history: list[dict[str, str]]) -> None:
    """Save a sentence about the last topics."""
    known = await memory(user_id)
    topics = [said["content"] for said in history if said["role"] == "user"][-3:]
    summary = f"{known['name']} prefers a {known['preferred_style']} style. Last topics: {'; '.join(topics)}."
    await save(f"memory-{user_id}", known | {"user_summary": summary})


@app.get("/conversations/{session_id}")
async def conversation(session_id: str) -> dict[str, Any]:
    """Return the whole conversation."""
    return {"session_id": session_id, "history": await load(f"history-{session_id}") or []}


@app.post("/conversations")
async def updated(event: dict[str, Any]) -> dict[str, str]:
    """Add the turn of an event."""
    turn, key = event["data"], f"history-{event['data']['session_id']}"
    said = [
        {"role": "user", "content": turn["user_message"]},
        {"role": "assistant", "content": turn["assistant_reply"]},
    ]
    history = [*(await load(key) or []), *said]
    await save(key, history)
    await summarize(turn["user_id"], history)
    return {"status": "SUCCESS"}


@app.get("/healthz")
@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ok"}
