"""caller: asks callee for a greeting through Dapr, and reports attempts and time. `python main.py` runs script.py."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Annotated, Any

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import APIRouter, Depends, FastAPI, Request

import script
from callee import Callee, connected, passed_on
from kit.edge.problems import documented
from kit.edge.service import build, from_state
from models import CallProblem, CallResult, NamePath, Via, ViaQuery
from settings import Settings

router = APIRouter()


@router.get("/call-greet/{name:path}", responses=documented(422, 502, 503, 504, model=CallProblem))
async def call_greet(
    name: NamePath,
    request: Request,
    callee: Annotated[Callee, Depends(from_state("callee"))],
    via: ViaQuery = Via.url,
) -> CallResult:
    """Ask callee to greet `name`, in one of four ways through the sidecar. callee's own 4xx is passed on."""
    started = perf_counter()
    answer = await callee.greet(name, via, passed_on(request.headers))
    elapsed_ms = round((perf_counter() - started) * 1000, 1)
    return CallResult(message=answer.message, via=via, attempts=answer.attempts, elapsed_ms=elapsed_ms)


def is_request_id(given: str) -> bool:
    """Return whether an incoming `x-request-id` may be kept: printable ASCII of at most 200 characters."""
    return re.fullmatch(r"[!-~]{1,200}", given) is not None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Yield the clients that the routes share."""
    async with connected(app.state.settings, app.state.session) as callee:
        yield {"callee": callee}


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own.

    Requests arrive from outside, where nobody has Dapr's token: unlike callee, this app does not ask for APP_API_TOKEN.
    """
    app = build(
        settings,
        title="caller-app",
        description="Asks callee for a greeting.",
        welcome="caller-app calls callee: GET /call-greet/{name}?via=url|header|sdk|grpc. "
        "Also /docs, /healthz and /readyz.",
        routers=[router],
        lifespan=lifespan,
    )
    # Every request gets an `x-request-id`, its own or a new one, and every answer has it.
    app.add_middleware(CorrelationIdMiddleware, header_name="x-request-id", validator=is_request_id)
    return app


settings = Settings()
app = create_app(settings)

if __name__ == "__main__":
    asyncio.run(script.run(settings))
