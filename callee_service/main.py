"""callee: greets by name. It is the service that others invoke through Dapr."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response

from kit.edge import trace
from kit.edge.attempts import Attempts
from kit.edge.faults import Faults, SimulatedError, Switches
from kit.edge.problems import documented
from kit.edge.service import build, from_state, serve
from models import AttemptCount, Greeting, Name
from settings import Settings

log = logging.getLogger("callee")

ATTEMPT = "x-attempt"
ATTEMPT_HEADER = {
    "headers": {ATTEMPT: {"description": "How often this request has arrived by now", "schema": {"type": "integer"}}}
}

AttemptsDep = Annotated[Attempts, Depends(from_state("attempts"))]

router = APIRouter()
counts = APIRouter(prefix="/faults", tags=["faults"])


@router.get("/greet/{name:path}", responses={200: ATTEMPT_HEADER, **documented(422, 500)})
async def greet(name: Name, request: Request, response: Response, faults: Switches, attempts: AttemptsDep) -> Greeting:
    """Greet `name`. A `/` in it may be sent as it is or as `%2F`."""
    # Dapr repeats a request with the same headers, so both ids stay the same.
    attempt = str(attempts.add(request.headers.get("x-request-id") or trace.trace_id()))
    try:
        await faults.strike()
    except SimulatedError as error:
        log.warning("Simulating failure #%d", error.number, extra={"status": error.status, "arrival": attempt})
        raise HTTPException(error.status, str(error), {ATTEMPT: attempt}) from error
    response.headers[ATTEMPT] = attempt
    return Greeting(message=f"Hello, {name} from callee-app!")


@counts.get("/attempts/{request_id}", responses=documented(404))
async def get_attempts(request_id: str, attempts: AttemptsDep) -> AttemptCount:
    """Count the arrivals of the request with this `x-request-id`, whether or not it succeeded in the end."""
    count = attempts.of(request_id)
    if count is None:
        raise HTTPException(404, "request_id: no call with this x-request-id was seen.")
    return AttemptCount(request_id=request_id, attempts=count)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Yield what the routes share."""
    yield {"attempts": Attempts()}


def create_app(settings: Settings) -> FastAPI:
    """Build the app with these settings. uvicorn serves the `app` below; tests build their own."""
    return build(
        settings,
        title="callee-app",
        description="Greets by name.",
        welcome="callee-app greets: GET /greet/{name}. Also /docs, /healthz and /readyz.",
        routers=[router, counts] if settings.faults_enabled else [router],
        lifespan=lifespan,
        only_sidecar=True,
        faults=Faults("callee-service", settings.fails_per_success),
    )


app = create_app(Settings())

if __name__ == "__main__":
    serve(app)
