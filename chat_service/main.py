"""chat: answers messages through a durable workflow, with the memory that agent-memory-service keeps."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse

import failures
from chat import InOtherSession, NoReply
from forgetting import routes as forgetting
from kit.edge.problems import documented, problem
from kit.edge.service import build, serve
from models import ChatAnswer, ChatMessage, ChatProblem, InstancePath, WaitQuery
from once.sessions import OfAnotherUser, QueueFull
from settings import Settings
from wiring import ServicesDep, open_services

RUNNING = {202: {"model": ChatAnswer, "description": "Not answered yet: ask GET /chat/{instance_id}"}}
REFUSALS: dict[type[Exception], tuple[int, str]] = {
    OfAnotherUser: (409, "metadata.session_id: this session belongs to another user."),
    InOtherSession: (409, "metadata.message_id: it was used before, in another session."),
    QueueFull: (429, "Too many messages of this session wait already."),
}
FAILED = documented(502, 503, 504, model=ChatProblem)

router = APIRouter()


@router.post("/chat/", responses={**RUNNING, **documented(400, 409, 422, 429), **FAILED})
async def post_message(
    message: ChatMessage, response: Response, services: ServicesDep, wait: WaitQuery = True
) -> ChatAnswer:
    """Answer a message. The same `message_id` again gets the same reply, and causes no second one."""
    if not message.text.strip():
        raise HTTPException(400, "text: it must not be empty.")
    answer = await services.chat.say(message, wait)
    if answer.status == "terminated":
        raise HTTPException(409, "The chat was ended before there was a reply.")
    if answer.status == "running":
        response.status_code = 202
        response.headers["location"] = f"/chat/{answer.instance_id}"
    return answer


@router.get("/chat/{instance_id}", responses=documented(404, 422, 503, 504))
async def get_answer(instance_id: InstancePath, services: ServicesDep) -> ChatAnswer:
    """Return the state of a message, and its reply once there is one."""
    answer = await services.chat.look_up(instance_id)
    if answer is None:
        raise HTTPException(404, "instance_id: there is no such chat, or no longer.")
    return answer


async def no_reply(_: Request, error: NoReply) -> JSONResponse:
    """Answer with the failure that ended the workflow."""
    failure = error.failure
    return problem(failure.status, failure.detail, dependency=failure.dependency, instance_id=error.instance_id)


async def refused(_: Request, error: Exception) -> JSONResponse:
    """Answer why a message is not accepted."""
    status, detail = REFUSALS[type(error)]
    return problem(status, detail, {"retry-after": "5"} if status == 429 else None)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Yield the collaborators of the routes."""
    switches = failures.Faults()
    async with open_services(app.state.settings, app.state.session, switches) as services:
        yield {"services": services, "faults": switches}


async def ready(request: Request) -> None:
    """Check the workflow worker and the secret that messages need."""
    await request.state.services.check_ready()


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    app = build(
        settings,
        title="chat-service",
        description="A chat whose every message is answered by a workflow.",
        welcome="chat-service answers: POST /chat/ and GET /chat/{instance_id}. Also /docs, /healthz and /readyz.",
        routers=[router, forgetting.router, *([failures.router] if settings.faults_enabled else [])],
        lifespan=lifespan,
        ready=ready,
        exception_handlers={NoReply: no_reply, **dict.fromkeys(REFUSALS, refused)},
    )
    app.add_middleware(
        CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["GET", "POST"], allow_headers=["*"]
    )
    return app


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
