"""agent-memory: remember users and their conversations for chat-service, and forget them on request."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from pydantic import ValidationError

import dead_letters
from conversations import NotTheirs
from kit.edge.attempts import Attempts
from kit.edge.faults import Faults, Switches
from kit.edge.problems import documented, problem
from kit.edge.service import build, from_state, serve
from kit.sidecar import events
from memories import Forgotten
from models import (
    BeforeQuery,
    DeliveryCount,
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
from recording import is_marker, reason, turn_of
from settings import Settings
from wiring import Event, ServicesDep, from_dapr, open_services

log = logging.getLogger("memory")

WELCOME = (
    "agent-memory-service remembers: GET /memories/{user_id}, GET /conversations/{session_id}, GET /dead-letters. "
    "Also /docs, /healthz and /readyz."
)
NO_USER = "user_id: nothing is known of this user."
THERE_IS_ONE: dict[int | str, Any] = {200: {"model": Memory, "description": "There was one; unchanged"}}

AttemptsDep = Annotated[Attempts, Depends(from_state("deliveries"))]

router = APIRouter()
counts = APIRouter(prefix="/faults", tags=["faults"])


@router.post("/events/conversations", dependencies=from_dapr, responses=documented(401, 413, 503, 504))
async def on_conversation(
    event: Event, services: ServicesDep, faults: Switches, deliveries: AttemptsDep
) -> EventAnswer:
    """Record a turn from topic `conversations`. Dapr dead-letters a dropped event, and retries after an error."""
    if is_marker(event):
        return EventAnswer(status="SUCCESS")
    deliveries.add(events.id_of(event))
    await faults.strike()
    try:
        await services.recorder.record(turn_of(event))
    except (ValidationError, NotTheirs):
        log.warning("event dropped", extra={"event_id": events.id_of(event), "reason": reason(event)})
        return EventAnswer(status="DROP")
    return EventAnswer(status="SUCCESS")


@router.get("/memories/{user_id}", response_model_exclude_none=True, responses=documented(404, 422, 503, 504))
async def get_memory(
    user_id: UserPath, services: ServicesDep, session_id: SessionQuery = None, limit: LimitQuery = 20
) -> Recalled:
    """Return the memory of a user. With `session_id` also the newest messages: all that a reply needs, in one call."""
    memory, history = await services.recall(await services.users.of(user_id), session_id, limit)
    if memory is None:
        raise HTTPException(404, NO_USER)
    return Recalled(**dict(memory.shown(user_id)), history=history)


@router.post(
    "/memories/{user_id}/initialize", status_code=201, responses=THERE_IS_ONE | documented(409, 413, 422, 503, 504)
)
async def initialize(user_id: UserPath, draft: MemoryDraft, services: ServicesDep, response: Response) -> Memory:
    """Make a user known. After that, events of a forgotten user count again."""
    memory, is_fresh = await services.memories.initialize(await services.users.of(user_id), draft)
    response.status_code = 201 if is_fresh else 200
    return memory.shown(user_id)


@router.patch("/memories/{user_id}", responses=documented(404, 413, 422, 503, 504))
async def patch_memory(user_id: UserPath, patch: MemoryPatch, services: ServicesDep) -> Memory:
    """Change the memory of a user."""
    memory = await services.memories.patch(await services.users.of(user_id), patch)
    if memory is None:
        raise HTTPException(404, NO_USER)
    return memory.shown(user_id)


@router.delete("/memories/{user_id}", status_code=202, responses=documented(422, 503, 504))
async def forget(user_id: UserPath, services: ServicesDep) -> Forgetting:
    """Forget a user: memory, conversations, and their events. A repeated request does it all again.

    An unknown user is forgotten too, because chat may have something of them.
    """
    tombstone = await services.forgetter.begin(await services.users.of(user_id))
    return Forgetting(user_id=user_id, gone_by=tombstone.gone_by)


@router.post("/job/{name}", dependencies=from_dapr, responses=documented(401, 404, 503, 504))
async def on_job(name: str, services: ServicesDep) -> JobAnswer:
    """Run a job of this service: forget a user, or trim the streams afterwards."""
    if not await services.forgetter.run_job(name):
        raise HTTPException(404, "name: this service has no such job.")
    return JobAnswer()


@router.get("/conversations/{session_id}", response_model_exclude_none=True, responses=documented(404, 422, 503, 504))
async def get_conversation(
    session_id: SessionPath, services: ServicesDep, limit: LimitQuery = 20, before: BeforeQuery = None
) -> History:
    """Return the newest messages of a conversation, oldest first; `before=<next>` goes back in time."""
    history = await services.conversations.history(session_id, limit, None if before is None else int(before))
    if history is None:
        raise HTTPException(404, "session_id: there is no such conversation.")
    return history


@counts.get("/deliveries/{event_id}", responses=documented(404))
async def get_deliveries(event_id: str, deliveries: AttemptsDep) -> DeliveryCount:
    """Count the deliveries of the event with this CloudEvent id to this process, whether or not they succeeded."""
    count = deliveries.of(event_id)
    if count is None:
        raise HTTPException(404, "event_id: no event with this id was delivered.")
    return DeliveryCount(event_id=event_id, deliveries=count)


async def being_forgotten(_: Request, __: Exception) -> JSONResponse:
    """Answer an `initialize` that arrives while the user is being forgotten."""
    return problem(409, "user_id: this user is being forgotten; try again in a moment.", {"retry-after": "1"})


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Yield what the routes share."""
    async with open_services(app.state.settings, app.state.session) as services:
        yield {"services": services, "deliveries": Attempts()}


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    app = build(
        settings,
        title="agent-memory-service",
        description="Remembers users and their conversations, encrypted, and forgets them for good.",
        welcome=WELCOME,
        routers=[router, dead_letters.router, *([counts] if settings.faults_enabled else [])],
        lifespan=lifespan,
        exception_handlers={Forgotten: being_forgotten},
        faults=Faults("agent-memory-service"),
    )
    app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"])
    return app


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
