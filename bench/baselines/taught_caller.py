"""The baseline of `./lab bench invocation`: caller in the form in which service invocation with Dapr is usually taught.

It stands for the quickstarts, posts and courses that call the sidecar from a route with

    async with httpx.AsyncClient() as client:
        response = await client.get(f"http://localhost:{DAPR_HTTP_PORT}/v1.0/invoke/callee-app/method/greet/{name}")

so each request pays for a client of its own: its TLS context, its connection pool, and a new connection to the sidecar.
That is the one difference measured. Everything else is caller_service's own code, imported from there: settings, route,
validation, limits, request id and trace passed on, how a name is written into a path, how failures are translated. It
runs on the same versions, under the same uvicorn, behind a sidecar of its own.
"""

import asyncio
from time import perf_counter

import httpx
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

import failures
import logs
import problems
from callee import token_header
from failures import CallFailed
from headers import RequestId, passed_on
from limits import RequestLimits
from models import CallResult, Greeting, Health, NamePath, Via
from paths import greet_path
from settings import Settings

settings = Settings()
logs.configure(settings.log_level)
app = FastAPI(title="taught-caller")
problems.install(app)
app.add_middleware(RequestLimits, max_bytes=settings.max_body_bytes, max_seconds=settings.max_request_seconds)
app.add_middleware(RequestId)
app.add_middleware(logs.TraceContext)
SIDECAR = f"http://127.0.0.1:{settings.dapr_http_port}"


@app.get("/call-greet/{name:path}", responses=problems.documented(422, 502, 503, 504))
async def call_greet(name: NamePath, request: Request) -> CallResult:
    """Asks callee to greet `name`, by the invoke URL."""
    started = perf_counter()
    url = f"{SIDECAR}/v1.0/invoke/{settings.callee_app_id}/method{greet_path(name)}"
    headers = {**passed_on(request.headers), **token_header(settings)}
    try:
        async with asyncio.timeout(settings.call_timeout_seconds), httpx.AsyncClient(timeout=None) as client:
            response = await client.get(url, headers=headers)
    except TimeoutError as error:
        raise failures.too_slow(settings.callee_app_id, settings.call_timeout_seconds) from error
    except httpx.TransportError as error:
        raise failures.sidecar_down(error) from error
    told = response.headers.get("x-attempt", "")
    attempts = int(told) if told.isdecimal() else None
    if response.status_code != 200:
        raise failures.from_http(settings.callee_app_id, response.status_code, response.content, attempts)
    message = Greeting.model_validate_json(response.content).message
    elapsed_ms = round((perf_counter() - started) * 1000, 1)
    return CallResult(message=message, via=Via.url, attempts=attempts, elapsed_ms=elapsed_ms)


@app.exception_handler(CallFailed)
async def call_failed(_: Request, failure: CallFailed) -> JSONResponse:
    """Tells caller's user what failed."""
    return problems.problem(failure.status, failure.detail, dependency=failure.dependency, errorCode=failure.error_code)


@app.get("/readyz")
async def readyz() -> Health:
    """The sidecar can carry calls out."""
    try:
        async with httpx.AsyncClient() as client:
            (await client.get(f"{SIDECAR}/v1.0/healthz/outbound")).raise_for_status()
    except httpx.HTTPError as error:
        raise HTTPException(503, "The Dapr sidecar is not ready.") from error
    return Health(status="ready")
