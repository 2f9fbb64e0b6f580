"""chat: answers messages through a durable workflow, with what agent-memory-service remembers."""

import gc
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from pydantic import ValidationError

import logs
import problems
from app_token import OnlyDapr
from chat import InOtherSession, NoReply
from desk import Desk, NotReady, opened
from events import TRIM_JOB
from failures import StepFailed
from faults import Faults, switches
from limits import BodyLimits
from models import (
    ChatAnswer,
    ChatMessage,
    EventStatus,
    Health,
    InstancePath,
    Leftovers,
    UserForgottenData,
    UserForgottenEvent,
    WaitQuery,
    Welcome,
)
from sessions import OfAnotherUser, QueueFull
from settings import Settings

log = logging.getLogger("chat")

WELCOME = "chat-service answers: POST /chat/ and GET /chat/{instance_id}. Also /docs, /healthz and /readyz."
RUNNING = {202: {"model": ChatAnswer, "description": "Not answered yet: ask GET /chat/{instance_id}"}}


def create_app(settings: Settings) -> FastAPI:
    """Builds the service. uvicorn serves the one made from the environment; tests make their own."""
    logs.configure(settings.log_level)
    faults = Faults()
    only_dapr = Depends(OnlyDapr(settings.app_api_token))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Desk]]:
        async with opened(settings, faults) as desk:
            yield {"desk": desk}

    description = "A chat whose every message is answered by a workflow."
    app = FastAPI(title="chat-service", version="1.0.0", description=description, lifespan=lifespan)
    problems.install(app)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes, max_seconds=settings.max_body_seconds)
    app.add_middleware(
        CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["GET", "POST"], allow_headers=["*"]
    )
    app.add_middleware(logs.TraceContext)
    if settings.faults_enabled:
        app.include_router(switches(faults))

    @app.exception_handler(StepFailed)
    async def step_failed(_: Request, error: StepFailed) -> JSONResponse:
        log.warning(str(error))
        return problems.problem(error.status, str(error), dependency=error.dependency)

    @app.exception_handler(NoReply)
    async def no_reply(_: Request, error: NoReply) -> JSONResponse:
        told: dict[str, Any] = {"dependency": error.failure.dependency, "instance_id": error.instance_id}
        return problems.problem(error.failure.status, str(error), **told)

    @app.get("/")
    async def welcome() -> Welcome:
        """What is here."""
        return Welcome(message=WELCOME)

    @app.post("/chat/", responses={**RUNNING, **problems.documented(400, 409, 413, 422, 429, 502, 503, 504)})
    async def chat(message: ChatMessage, request: Request, response: Response, wait: WaitQuery = True) -> ChatAnswer:
        """Answers a message. The same `message_id` again brings the same reply, and no second one."""
        if not message.text.strip():
            raise HTTPException(400, "text: it must not be empty.")
        desk: Desk = request.state.desk
        try:
            answer = await desk.chat.say(message, request.headers.get("traceparent", ""), wait)
        except OfAnotherUser as error:
            raise HTTPException(409, "metadata.session_id: this session belongs to another user.") from error
        except InOtherSession as error:
            raise HTTPException(409, "metadata.message_id: it was used before, in another session.") from error
        except QueueFull as error:
            raise HTTPException(429, "Too many messages of this session wait already.", {"retry-after": "5"}) from error
        if answer.status == "terminated":
            raise HTTPException(409, "The chat was ended before there was a reply.")
        if answer.status == "running":
            response.status_code = 202
            response.headers["location"] = f"/chat/{answer.instance_id}"
        return answer

    @app.get("/chat/{instance_id}", responses=problems.documented(404, 422, 503, 504))
    async def get_chat(instance_id: InstancePath, request: Request) -> ChatAnswer:
        """How far a message is, and its reply once there is one."""
        desk: Desk = request.state.desk
        answer = await desk.chat.look_up(instance_id)
        if answer is None:
            raise HTTPException(404, "instance_id: there is no such chat, or no longer.")
        return answer

    @app.post("/events/user-forgotten", dependencies=[only_dapr], responses=problems.documented(401, 413, 422))
    async def user_forgotten(event: UserForgottenEvent, request: Request) -> EventStatus:
        """From Dapr: agent-memory-service forgot a user, so what is here of that user goes too."""
        data = event.get("data")
        if event.get("type") == "StreamTrimmed":
            return EventStatus(status="SUCCESS")
        try:
            forgotten = UserForgottenData.model_validate(data)
        except ValidationError:
            log.warning("An event that is no UserForgotten was dropped.", extra={"fields": {"id": event.get("id")}})
            return EventStatus(status="DROP")
        desk: Desk = request.state.desk
        try:
            await desk.forgetting.forget(forgotten)
        except StepFailed as error:
            log.warning("A user is not forgotten yet.", extra={"fields": {"reason": str(error)}})
            return EventStatus(status="RETRY")
        return EventStatus(status="SUCCESS")

    @app.post("/job/{name}", dependencies=[only_dapr], responses=problems.documented(401, 404, 413, 422, 503, 504))
    async def job(name: str, leftovers: Leftovers, request: Request) -> EventStatus:
        """From Dapr's scheduler: what is left of a forgotten user goes, and the stream of conversations is trimmed."""
        if not name.startswith(TRIM_JOB):
            raise HTTPException(404, "name: chat-service has no such job.")
        desk: Desk = request.state.desk
        await desk.forgetting.sweep(leftovers)
        return EventStatus(status="SUCCESS")

    @app.get("/healthz")
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="ok")

    @app.get("/readyz", responses=problems.documented(503))
    async def readyz(request: Request) -> Health:
        """The sidecar, the workflow worker and the secrets are there, so messages can be answered."""
        desk: Desk = request.state.desk
        try:
            await desk.check_ready()
        except NotReady as error:
            raise HTTPException(503, str(error)) from error
        return Health(status="ready")

    return app


settings = Settings()
app = create_app(settings)

# All that was imported and built up to here lives as long as the process. Left to itself the garbage collector looks at
# it again and again, in the middle of answers.
gc.freeze()
gc.set_threshold(20_000, 20, 20)
