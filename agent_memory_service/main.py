"""agent-memory: remembers users and their conversations for chat-service, and forgets them when they ask for it."""

import gc
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from pydantic import ValidationError

import cloud_events
import logs
import problems
import sidecar
from app_token import only_from_dapr
from attempts import Attempts
from conversations import NotTheirs
from dead_letters import told
from failures import Conflict, DependencyFailed, Forgotten
from faults import Faults, switches
from limits import BodyLimits
from memories import due_of, is_stale, shown
from models import (
    BeforeQuery,
    ConversationUpdated,
    DeadLetterPath,
    DeadLetters,
    EventAnswer,
    Forgetting,
    Health,
    History,
    JobAnswer,
    LimitQuery,
    Memory,
    MemoryDraft,
    MemoryPatch,
    Recalled,
    Replayed,
    SessionPath,
    SessionQuery,
    UserPath,
    Welcome,
)
from settings import Settings
from wiring import Parts, running

log = logging.getLogger("memory")

WELCOME = (
    "agent-memory-service remembers: GET /memories/{user_id}, GET /conversations/{session_id}, GET /dead-letters. "
    "Also /docs, /healthz and /readyz."
)
NO_USER = "user_id: nothing is known of this user."
BEING_FORGOTTEN = "user_id: this user is being forgotten; try again in a moment."
NO_LETTER = "letter_id: there is no such dead letter."


def the_parts(request: Request) -> Parts:
    """What the lifespan made."""
    return request.state.parts


Used = Annotated[Parts, Depends(the_parts)]


def create_app(settings: Settings) -> FastAPI:
    """Builds the service. uvicorn serves the one made from the environment; tests make their own."""
    logs.configure(settings.log_level)
    deliveries = Attempts()
    faults = Faults()
    from_dapr = [Depends(only_from_dapr(settings.app_api_token))]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, object]]:
        async with running(settings) as parts:
            yield {"parts": parts}

    about = "Remembers users and their conversations, encrypted, and forgets them for good."
    app = FastAPI(title="agent-memory-service", version="1.0.0", description=about, lifespan=lifespan)
    problems.install(app)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes, max_seconds=settings.max_body_seconds)
    app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(logs.TraceContext)
    if settings.faults_enabled:
        app.include_router(switches(faults, deliveries))

    @app.exception_handler(DependencyFailed)
    async def dependency_failed(_: Request, failure: DependencyFailed) -> JSONResponse:
        facts = {"dependency": failure.dependency, "errorCode": failure.error_code}
        known = {name: fact for name, fact in facts.items() if fact is not None}
        log.warning(failure.detail, extra={"fields": {**known, "reason": failure.reason}})
        return problems.problem(failure.status, failure.detail, None, **known)

    @app.exception_handler(Conflict)
    async def conflict(_: Request, error: Conflict) -> JSONResponse:
        log.warning("Somebody else wrote first", extra={"fields": {"key": str(error)}})
        return problems.problem(503, "Somebody else changed the same thing at the same time; try again.")

    @app.get("/")
    async def welcome() -> Welcome:
        """What is here."""
        return Welcome(message=WELCOME)

    @app.get("/memories/{user_id}", response_model_exclude_none=True, responses=problems.documented(404, 422, 503, 504))
    async def get_memory(
        user_id: UserPath, parts: Used, session_id: SessionQuery = None, limit: LimitQuery = 20
    ) -> Recalled:
        """What is known of a user; 404 for one who is unknown or was forgotten.

        With `session_id` also what was said last: all that a reply needs, in one call.
        """
        user_hash = await parts.hashes.of(user_id)
        memory, history = await parts.recall(user_hash, session_id, limit)
        if memory is None:
            raise HTTPException(404, NO_USER)
        due = due_of(memory)
        if due and is_stale(due, settings.summary_stale_seconds):
            parts.summaries.request(user_hash)
        return Recalled(**dict(shown(user_id, memory)), history=history)

    @app.post(
        "/memories/{user_id}/initialize",
        status_code=201,
        responses={200: {"model": Memory, "description": "There was one; unchanged"}}
        | problems.documented(409, 413, 422, 503, 504),
    )
    async def initialize(user_id: UserPath, draft: MemoryDraft, parts: Used, response: Response) -> Memory:
        """Makes a user known. One who was forgotten may be made known again: from then on events count again."""
        user_hash = await parts.hashes.of(user_id)
        tombstone = await parts.tombstones.get(user_hash)
        try:
            if tombstone and tombstone.again_since is None:
                if not tombstone.done:
                    raise Forgotten
                await parts.tombstones.lift(user_hash)
            memory, fresh = await parts.memories.initialize(user_hash, draft)
        except Forgotten as error:
            raise HTTPException(409, BEING_FORGOTTEN, {"retry-after": "1"}) from error
        response.status_code = 201 if fresh else 200
        return shown(user_id, memory)

    @app.patch("/memories/{user_id}", responses=problems.documented(404, 413, 422, 503, 504))
    async def patch_memory(user_id: UserPath, patch: MemoryPatch, parts: Used) -> Memory:
        """Changes what is known of a user."""
        try:
            memory = await parts.memories.patch(await parts.hashes.of(user_id), patch)
        except Forgotten:
            memory = None
        if memory is None:
            raise HTTPException(404, NO_USER)
        return shown(user_id, memory)

    @app.delete("/memories/{user_id}", status_code=202, responses=problems.documented(422, 503, 504))
    async def forget(user_id: UserPath, parts: Used) -> Forgetting:
        """Forgets a user: memory, conversations, and the events that told of them.

        Also one who is unknown here, for chat may have something of them. Asked again, it is all done again.
        """
        tombstone = await parts.forgetter.begin(await parts.hashes.of(user_id))
        return Forgetting(user_id=user_id, gone_by=tombstone.gone_by)

    @app.get(
        "/conversations/{session_id}",
        response_model_exclude_none=True,
        responses=problems.documented(404, 422, 503, 504),
    )
    async def get_conversation(
        session_id: SessionPath, parts: Used, limit: LimitQuery = 20, before: BeforeQuery = None
    ) -> History:
        """The newest messages of a conversation, oldest first; `before=<next>` goes back in time."""
        history = await parts.conversations.history(session_id, limit, None if before is None else int(before))
        if history is None:
            raise HTTPException(404, "session_id: there is no such conversation.")
        return history

    @app.get("/dead-letters", response_model_exclude_none=True, responses=problems.documented(422, 503, 504))
    async def get_dead_letters(parts: Used, limit: LimitQuery = 20, before: BeforeQuery = None) -> DeadLetters:
        """Events that could not be processed, newest first."""
        letters, rest = await parts.dead_letters.newest(limit, None if before is None else int(before))
        return DeadLetters(dead_letters=letters, next=rest)

    @app.post(
        "/dead-letters/{letter_id}/replay", status_code=202, responses=problems.documented(404, 409, 422, 503, 504)
    )
    async def replay(letter_id: DeadLetterPath, parts: Used) -> Replayed:
        """Processes a dead letter again; one that is still no valid event stays on the list (422)."""
        letter = await parts.dead_letters.get(letter_id)
        if letter is None:
            raise HTTPException(404, NO_LETTER)
        try:
            event = ConversationUpdated.model_validate(cloud_events.data(letter.event))
            await parts.recorder.record(event)
        except ValidationError as error:
            raise HTTPException(422, told(error)) from error
        except NotTheirs as error:
            raise HTTPException(409, "session_id: the session belongs to another user.") from error
        await parts.dead_letters.remove(letter_id)
        return Replayed(id=letter_id)

    @app.delete("/dead-letters/{letter_id}", status_code=204, responses=problems.documented(404, 422, 503, 504))
    async def delete_dead_letter(letter_id: DeadLetterPath, parts: Used) -> None:
        """Takes a dead letter off the list for good."""
        if await parts.dead_letters.get(letter_id) is None:
            raise HTTPException(404, NO_LETTER)
        await parts.dead_letters.remove(letter_id)

    @app.post("/events/conversations", dependencies=from_dapr, responses=problems.documented(401, 413, 503, 504))
    async def on_conversation(request: Request, parts: Used) -> EventAnswer:
        """An event of topic `conversations`. DROP sends it to the dead letters at once; an error has it sent again."""
        cloud_event = await cloud_events.read(request)
        event_id = str(cloud_event.get("id", ""))
        if cloud_events.is_marker(cloud_event):
            return EventAnswer(status="SUCCESS")
        deliveries.add(event_id)
        await faults.strike()
        try:
            await parts.recorder.record(ConversationUpdated.model_validate(cloud_events.data(cloud_event)))
        except ValidationError as error:
            log.warning("An event is invalid", extra={"fields": {"event_id": event_id[:200], "faults": told(error)}})
            return EventAnswer(status="DROP")
        except NotTheirs:
            log.warning("An event is of another user's session", extra={"fields": {"event_id": event_id[:200]}})
            return EventAnswer(status="DROP")
        return EventAnswer(status="SUCCESS")

    @app.post("/events/conversations-dead", dependencies=from_dapr, responses=problems.documented(401, 413, 503, 504))
    async def on_dead_letter(request: Request, parts: Used) -> EventAnswer:
        """An event that Dapr gave up on, kept for whoever looks after it."""
        cloud_event = await cloud_events.read(request)
        if not cloud_events.is_marker(cloud_event):
            await parts.dead_letters.add(cloud_event)
        return EventAnswer(status="SUCCESS")

    @app.post("/job/{name}", dependencies=from_dapr, responses=problems.documented(401, 404, 503, 504))
    async def on_job(name: str, parts: Used) -> JobAnswer:
        """A job of this service is due: forgetting a user, or trimming the streams afterwards."""
        if not await parts.forgetter.run_job(name):
            raise HTTPException(404, "name: this service has no such job.")
        return JobAnswer()

    @app.get("/healthz")
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="ok")

    @app.get("/readyz", responses=problems.documented(503))
    async def readyz(parts: Used) -> Health:
        """The sidecar can carry calls, so this app can serve."""
        try:
            await sidecar.check_ready(parts.session, settings.dapr_http_port)
        except sidecar.SidecarNotReady as error:
            raise HTTPException(503, str(error)) from error
        return Health(status="ready")

    return app


settings = Settings()
app = create_app(settings)

# All that was imported and built up to here lives as long as the process. Left to itself the garbage collector looks at
# it again and again, in the middle of answers.
gc.freeze()
gc.set_threshold(20_000, 20, 20)

if __name__ == "__main__":
    # No `log_config`: uvicorn would replace the logging that create_app set up.
    uvicorn.run(
        app,
        host=settings.app_host,
        port=settings.app_port,
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
        timeout_keep_alive=settings.keep_alive_seconds,
        log_config=None,
    )
