"""agent-memory: remember users and their conversations for chat-service, and forget them on request."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware

import dead_letters
import deliveries
from deliveries import Event
from kit.edge.attempts import Attempts
from kit.edge.faults import Faults, may_fail
from kit.edge.problems import Refused, documented
from kit.edge.service import build, serve
from kit.sidecar import events
from models import (
    BeforeQuery,
    EventAnswer,
    Forgetting,
    History,
    JobAnswer,
    LimitQuery,
    Memory,
    MemoryDraft,
    MemoryPatch,
    Recalled,
    SessionPath,
    SessionQuery,
    UserPath,
)
from settings import Settings
from wiring import DOWN, ServicesDep, from_dapr, open_services

log = logging.getLogger("memory")

WELCOME = (
    "agent-memory-service remembers: GET /memories/{user_id}, GET /conversations/{session_id}, GET /dead-letters. "
    "Also /docs, /healthz and /readyz."
)
NO_USER = "user_id: nothing is known of this user."
FORGOTTEN = "user_id: this user is being forgotten; try again in a moment."
THERE_IS_ONE: dict[int | str, Any] = {200: {"model": Memory, "description": "There was one; unchanged"}}

# The token of the sidecar first, then the count, which includes the deliveries that a fault switch fails.
DELIVERED = [*from_dapr, Depends(deliveries.count), Depends(may_fail)]

router = APIRouter()


@router.post("/events/conversations", dependencies=DELIVERED, responses=documented(401, *DOWN))
async def on_conversation(event: Event, services: ServicesDep) -> EventAnswer:
    """Record a turn from topic `conversations`. Dapr dead-letters a dropped event, and retries after an error."""
    try:
        await services.recorder.record(event)
    except Refused as refused:
        log.warning("event dropped", extra={"event_id": events.id_of(event), "reason": str(refused)})
        return EventAnswer(status="DROP")
    return EventAnswer(status="SUCCESS")


@router.get("/memories/{user_id}", response_model_exclude_none=True, responses=documented(404, 422, *DOWN))
async def get_memory(
    user_id: UserPath, services: ServicesDep, session_id: SessionQuery = None, limit: LimitQuery = 20
) -> Recalled:
    """Return the memory of a user. With `session_id` also the newest messages: all that a reply needs, in one call."""
    memory, history = await services.recall(await services.users.of(user_id), session_id, limit)
    if memory is None:
        raise HTTPException(404, NO_USER)
    messages = history.history if history else []
    return Recalled(**dict(memory.shown(user_id)), history=messages if session_id else None)


@router.post("/memories/{user_id}/initialize", status_code=201, responses=THERE_IS_ONE | documented(409, 422, *DOWN))
async def initialize(user_id: UserPath, draft: MemoryDraft, services: ServicesDep, response: Response) -> Memory:
    """Make a user known. After that, events of a forgotten user count again."""
    memory, is_fresh = await services.memories.initialize(await services.users.of(user_id), draft)
    if memory is None:
        raise HTTPException(409, FORGOTTEN, {"retry-after": "1"})
    response.status_code = 201 if is_fresh else 200
    return memory.shown(user_id)


@router.patch("/memories/{user_id}", responses=documented(404, 422, *DOWN))
async def patch_memory(user_id: UserPath, patch: MemoryPatch, services: ServicesDep) -> Memory:
    """Change the memory of a user."""
    memory = await services.memories.patch(await services.users.of(user_id), patch)
    if memory is None:
        raise HTTPException(404, NO_USER)
    return memory.shown(user_id)


@router.delete("/memories/{user_id}", status_code=202, responses=documented(422, *DOWN))
async def forget(user_id: UserPath, services: ServicesDep) -> Forgetting:
    """Forget a user: memory, conversations, and their events. A repeated request does it all again.

    An unknown user is forgotten too, because chat may have something of them.
    """
    gone_by = await services.forgetter.begin(await services.users.of(user_id))
    return Forgetting(user_id=user_id, gone_by=gone_by)


@router.post("/job/{name}", dependencies=from_dapr, responses=documented(401, 404, *DOWN))
async def on_job(name: str, services: ServicesDep) -> JobAnswer:
    """Run a job of this service: forget a user, or trim the streams afterwards."""
    if not await services.forgetter.run_job(name):
        raise HTTPException(404, "name: this service has no such job.")
    return JobAnswer()


@router.get("/conversations/{session_id}", response_model_exclude_none=True, responses=documented(404, 422, *DOWN))
async def get_conversation(
    session_id: SessionPath, services: ServicesDep, limit: LimitQuery = 20, before: BeforeQuery = None
) -> History:
    """Return the newest messages of a conversation, oldest first; `before=<next>` goes back in time."""
    history = await services.conversations.history(session_id, limit, None if before is None else int(before))
    if history is None:
        raise HTTPException(404, "session_id: there is no such conversation.")
    return history


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Yield what the routes share."""
    async with open_services(app.state.settings, app.state.session) as services:
        yield {"services": services, "deliveries": Attempts()}


async def ready(request: Request) -> None:
    """Check the keys by which users and their values are stored."""
    await request.state.services.check_keys()


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    app = build(
        settings,
        title="agent-memory-service",
        description="Remembers users and their conversations, encrypted, and forgets them for good.",
        welcome=WELCOME,
        routers=[router, dead_letters.router, *([deliveries.counts] if settings.faults_enabled else [])],
        lifespan=lifespan,
        ready=ready,
        faults=Faults("agent-memory-service"),
    )
    app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"])
    return app


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
