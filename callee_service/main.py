"""callee: greets by name. It is the service that others invoke through Dapr."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response

import logs
import problems
import sidecar
from app_token import AppToken
from attempts import Attempts
from faults import Faults, SimulatedError, switches
from limits import BodyLimits
from models import Greeting, Health, Name, Welcome
from settings import Settings

log = logging.getLogger("callee")

ATTEMPT = "x-attempt"
TELLS_ATTEMPT = {ATTEMPT: {"description": "How often this request has arrived by now", "schema": {"type": "integer"}}}


def create_app(settings: Settings) -> FastAPI:
    """Builds the service. uvicorn serves the one made from the environment; tests make their own."""
    logs.configure(settings.log_level)
    attempts = Attempts()
    faults = Faults(settings.max_fails_before_success if settings.simulate_failure else 0)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, object]]:
        async with aiohttp.ClientSession() as session:
            yield {"session": session}

    app = FastAPI(title="callee-app", version="1.0.0", description="Greets by name.", lifespan=lifespan)
    problems.install(app)
    app.add_middleware(BodyLimits, max_bytes=settings.max_body_bytes, max_seconds=settings.max_body_seconds)
    if settings.app_api_token:
        app.add_middleware(AppToken, token=settings.app_api_token.get_secret_value())
    app.add_middleware(logs.TraceContext)
    if settings.faults_enabled:
        app.include_router(switches(faults, attempts))

    @app.get("/")
    async def welcome() -> Welcome:
        """What is here."""
        return Welcome(message="callee-app greets: GET /greet/{name}. Also /docs, /healthz and /readyz.")

    @app.get("/greet/{name:path}", responses={200: {"headers": TELLS_ATTEMPT}, **problems.documented(422, 500)})
    async def greet(name: Name, request: Request, response: Response) -> Greeting:
        """Greets `name`. A `/` in it may be sent as it is or as `%2F`."""
        # Dapr sends a request that it repeats with the same headers, so both ids stay the same.
        attempt = str(attempts.add(request.headers.get("x-request-id") or logs.trace_id.get()))
        try:
            await faults.strike()
        except SimulatedError as error:
            log.warning(str(error), extra={"fields": {"status": error.status, "arrival": attempt}})
            raise HTTPException(error.status, str(error), {ATTEMPT: attempt}) from error
        response.headers[ATTEMPT] = attempt
        return Greeting(message=f"Hello, {name} from callee-app!")

    @app.get("/healthz")
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="ok")

    @app.get("/readyz", responses=problems.documented(503))
    async def readyz(request: Request) -> Health:
        """The sidecar can carry calls, so this app can take part."""
        try:
            await sidecar.check_ready(request.state.session, settings.dapr_http_port)
        except sidecar.SidecarNotReady as error:
            raise HTTPException(503, str(error)) from error
        return Health(status="ready")

    return app


settings = Settings()
app = create_app(settings)

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
