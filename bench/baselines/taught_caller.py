"""The baseline of `./lab bench invocation`: caller in the form in which service invocation with Dapr is usually taught.

It stands for the quickstarts, posts and courses that call the sidecar from a route with

    async with httpx.AsyncClient() as client:
        response = await client.get(f"http://localhost:{DAPR_HTTP_PORT}/v1.0/invoke/callee-app/method/greet/{name}")

so each request pays for a client of its own: its TLS context, its connection pool, and a new connection to the sidecar.
That is the one thing put in caller's place here. All else is caller_service itself, imported from there: route,
validation, limits, request id and trace passed on, names in paths, errors translated, the garbage collector's settings.
It runs on the same versions, under the same uvicorn, behind a sidecar of its own.
"""

from collections.abc import Mapping

import httpx

import callee
import failures
import main
from callee import Answer, Callee

# Were the method renamed, caller would be measured against itself.
assert "_get" in vars(Callee)


class TaughtCallee(Callee):
    """caller's Callee, except that each call by HTTP makes a client, uses it once and closes it."""

    async def _get(self, path: str, headers: Mapping[str, str]) -> Answer:
        url = f"http://127.0.0.1:{self._port}{path}"
        try:
            # The time limit is caller's own, around this call; httpx's 5 s would give up before Dapr's first retry.
            async with httpx.AsyncClient(timeout=None) as client:
                response = await client.get(url, headers={**headers, **self._token})
        except httpx.TransportError as error:
            raise failures.sidecar_down(error) from error
        told = response.headers.get("x-attempt", "")
        attempts = int(told) if told.isdecimal() else None
        if response.status_code != 200:
            raise failures.from_http(self._app_id, response.status_code, response.content, attempts)
        return self._answer(response.content, attempts)


callee.Callee = TaughtCallee
app = main.app
