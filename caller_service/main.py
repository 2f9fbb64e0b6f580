"""caller: asks callee for a greeting through Dapr, and tells how that went. `python main.py` runs script.py."""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import perf_counter

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

import logs
import problems
import script
from busy_route import BusyRoute
from callee import Callee, connected
from failures import CallFailed
from headers import RequestId, passed_on
from limits import BodyLimits
from models import CallResult, Health, NamePath, Via, ViaQuery, Welcome
from settings import Settings
from sidecar import SidecarNotReady

log = logging.getLogger("caller")

WELCOME = "caller-app calls callee: GET /call-greet/{name}?via=url|header|sdk|grpc. Also /docs, /healthz and /readyz."


def create_app(settings: Settings) -> FastAPI:
    """Builds the service. uvicorn serves the one made from the environment; tests make their own.

    Requests come from outside, where nobody has Dapr's token: unlike callee, this app does not ask for APP_API_TOKEN.
    """
    logs.configure(settings.log_level)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, Callee]]:
        async with connected(settings) as callee:
            yield {"callee": callee}

    app = FastAPI(title="caller-app", version="1.0.0", description="Asks callee for a greeting.", lifespan=lifespan)
    problems.install(app)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes, max_seconds=settings.max_body_seconds)
    app.add_middleware(RequestId)
    app.add_middleware(logs.TraceContext)

    @app.exception_handler(CallFailed)
    async def call_failed(request: Request, failure: CallFailed) -> JSONResponse:
        facts = {"dependency": failure.dependency, "errorCode": failure.error_code, "attempts": failure.attempts}
        told = {name: fact for name, fact in facts.items() if fact is not None}
        fields = {**told, "reason": failure.reason, "request_id": request.headers["x-request-id"]}
        log.log(logging.WARNING if failure.status >= 500 else logging.INFO, failure.detail, extra={"fields": fields})
        headers = {"retry-after": str(settings.retry_after_seconds)} if failure.breaker_open else None
        return problems.problem(failure.status, failure.detail, headers, **told)

    @app.get("/")
    async def welcome() -> Welcome:
        """What is here."""
        return Welcome(message=WELCOME)

    @BusyRoute.add(app, "GET", "/call-greet/{name:path}", CallResult, problems.documented(422, 502, 503, 504))
    async def call_greet(name: NamePath, request: Request, via: ViaQuery = Via.url) -> Response:
        """Asks callee to greet `name`, by one of four ways through the sidecar. callee's own 4xx is passed on."""
        callee: Callee = request.state.callee
        started = perf_counter()
        answer = await callee.greet(name, via, passed_on(request.headers))
        elapsed_ms = round((perf_counter() - started) * 1000, 1)
        result = CallResult(message=answer.message, via=via, attempts=answer.attempts, elapsed_ms=elapsed_ms)
        return Response(result.model_dump_json(), media_type="application/json")

    @app.get("/healthz")
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="ok")

    @app.get("/readyz", responses=problems.documented(503))
    async def readyz(request: Request) -> Health:
        """The sidecar can carry calls out, so this app can serve."""
        callee: Callee = request.state.callee
        try:
            await callee.check_sidecar()
        except SidecarNotReady as error:
            raise HTTPException(503, str(error)) from error
        return Health(status="ready")

    return app


settings = Settings()
app = create_app(settings)

# All that was imported and built up to here lives as long as the process. Left to itself the garbage collector looks at
# it again every few hundred requests, which costs a tenth of the time of each.
gc.freeze()
gc.set_threshold(20_000, 20, 20)

if __name__ == "__main__":
    asyncio.run(script.run(settings))
