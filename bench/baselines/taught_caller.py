"""The baselines of `./lab bench invocation`: caller in the form in which service invocation is usually taught.

It stands for the quickstarts, posts and courses that call the sidecar from a route with

    async with httpx.AsyncClient() as client:
        response = await client.get(f"http://localhost:{DAPR_HTTP_PORT}/v1.0/invoke/callee-app/method/greet/{name}")

so each request pays for a new client: its TLS context, its connection pool, and a new connection to the sidecar.
That is the one thing put in caller's place here. All else is caller_service itself, imported from there: route,
validation, limits, request id and trace passed on, names in paths, errors translated.
It runs on the same versions, under the same uvicorn, behind its own sidecar.

With CLIENT it is the same with one client for the life of the process. CLIENT decides what carries the requests:
`httpx` (httpx's own transport) or `httpx-aiohttp` (the same client over aiohttp's connections).
"""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import cache

import httpx
from httpx_aiohttp import AiohttpTransport

import callee
import main
from callee import Answer, Callee
from kit.sidecar.unavailable import sidecar_down

CLIENT = os.environ.get("CLIENT")
TRANSPORTS = {"httpx": httpx.AsyncHTTPTransport, "httpx-aiohttp": AiohttpTransport}

# If the method were renamed, caller would be measured against itself.
assert "_get" in vars(Callee)


@cache
def pooled(transport: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=TRANSPORTS[transport](), timeout=None)


class TaughtCallee(Callee):
    """Ask callee as caller does, except for the client of each call by HTTP."""

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[httpx.AsyncClient]:
        if CLIENT:
            yield pooled(CLIENT)
            return
        # caller's own time limit surrounds each call; httpx's 5 s would give up before Dapr's first retry.
        async with httpx.AsyncClient(timeout=None) as client:
            yield client

    async def _get(self, path: str, headers: Mapping[str, str]) -> Answer:
        url = f"http://127.0.0.1:{self._settings.dapr_http_port}{path}"
        try:
            async with self._client() as client:
                response = await client.get(url, headers=headers)
        except httpx.TransportError as error:
            raise sidecar_down(error) from error
        attempt = response.headers.get("x-attempt", "")
        attempts = int(attempt) if attempt.isdecimal() else None
        if response.status_code != 200:
            raise self._answers.http_failure(response.status_code, response.content, attempts)
        return self._answers.greeting(response.content, attempts)


callee.Callee = TaughtCallee
app = main.app
