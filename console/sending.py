"""Send requests to the apps and sidecars of the stack, and to nothing else."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from console.labs import Labs
from console.requests import Request
from labctl.errors import LabError
from labctl.runfile import App
from labctl.up import secure

SECONDS = 60.0  # for the whole answer of a request that a user sends
LOOK_SECONDS = 5.0  # for that of a look by a page
MOST_BYTES = 200_000  # of an answer; the rest is not read
MOST_CHARACTERS = 20_000  # of an answer that is shown
OF_INTEREST = ("content-type", "etag", "location", "retry-after", "x-attempt", "x-request-id")


class Foreign(ValueError):
    """A URL that is not of this stack."""


@dataclass(frozen=True)
class Target:
    """A port of the stack: the app's own, or that of its sidecar's HTTP API."""

    app: App
    is_sidecar: bool

    @property
    def name(self) -> str:
        """Return the name as a sentence has it."""
        return f"The sidecar of {self.app.app_id}" if self.is_sidecar else self.app.app_id

    @property
    def restart(self) -> str:
        """Return the command that restarts it."""
        return f"./lab restart {self.app.app_id}{' --sidecar' if self.is_sidecar else ''}"


@dataclass(frozen=True)
class Answer:
    """An answer, or the sentence that says why there is none. Its text is of another program: show it as text only.

    status: 0 when no answer arrived. data: its JSON, or None.
    """

    status: int = 0
    failure: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    text: str = ""
    data: Any = None
    seconds: float = 0.0
    trace_id: str = ""

    @property
    def is_success(self) -> bool:
        """Return whether the request was accepted."""
        return 200 <= self.status < 300

    @property
    def fields(self) -> dict[str, Any]:
        """Return the JSON object, or an empty one."""
        is_object = isinstance(self.data, dict)
        return cast("dict[str, Any]", self.data) if is_object else {}

    @property
    def sentence(self) -> str:
        """Return what went wrong in the words of the service, or what arrived."""
        return self.failure or str(self.fields.get("detail") or f"status {self.status}")

    @property
    def pretty(self) -> str:
        """Return the body for a reader: JSON with indents, the rest as it is, bytes that are no text as such."""
        text = self.text if self.data is None else json.dumps(self.data, indent=2, ensure_ascii=False)
        return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}\n… ({len(text):,} characters)"


def target(labs: Labs, url: str) -> Target:
    """Return the part of the stack that a URL belongs to. Raise Foreign when it belongs to none."""
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname == "localhost" and not parts.username and not parts.password:
        for app in labs.apps:
            if parts.port and parts.port in (app.app_port, app.http_port):
                return Target(app, parts.port == app.http_port)
    raise Foreign(f"{url} is no app or sidecar of this stack.")


def token_of(labs: Labs, to: Target) -> dict[str, str]:
    """Return the header with the token that a secure stack wants there."""
    if not to.is_sidecar:
        return secure.header(labs.stack, to.app.app_id)
    token = secure.tokens(labs.stack, to.app.app_id).get("DAPR_API_TOKEN")
    return {"dapr-api-token": token} if token else {}


def curl(labs: Labs, request: Request) -> str:
    """Return the command that sends the same. It names the variable of a token, and has never the token itself."""
    try:
        to = target(labs, request.url)
    except Foreign:  # a part of the URL is in an answer that has not arrived
        return request.curl()
    token = "DAPR_API_TOKEN" if to.is_sidecar else "APP_API_TOKEN"
    return request.curl(token if labs.stack.secure else "")


async def send(labs: Labs, request: Request, *, traced: bool = True, seconds: float = SECONDS) -> Answer:
    """Send a request in a new trace, and wait for the answer. Raise Foreign for a URL that is not of this stack.

    traced: a look that repeats is not recorded, so that the traces show what users do.
    """
    to, trace_id, begin = target(labs, request.url), secrets.token_hex(16), time.monotonic()
    trace = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-{'01' if traced else '00'}"}
    headers = token_of(labs, to) | trace | {name.lower(): value for name, value in request.headers.items()}
    answer = Answer()
    try:
        async with asyncio.timeout(seconds):
            answer = await _exchange(labs.http, replace(request, headers=headers), seconds)
    except TimeoutError:
        answer = Answer(failure=f"{to.name} has not answered within {seconds:g} s. See ./lab logs {to.app.app_id}.")
    except httpx.ConnectError:
        answer = Answer(failure=f"{to.name} cannot be reached: {to.restart}, or ./lab up {to.app.lab}.")
    except httpx.TransportError:
        answer = Answer(failure=f"{to.name} ended the connection without an answer: {to.restart}.")
    return replace(answer, seconds=time.monotonic() - begin, trace_id=trace_id if traced else "")


async def _exchange(http: httpx.AsyncClient, request: Request, seconds: float) -> Answer:
    body = b""
    content = request.body.encode() or None
    # `localhost` may lead to ::1, where another user's program could take a token.
    url = httpx.URL(request.url).copy_with(host="127.0.0.1")
    async with http.stream(
        request.method, url, headers=request.headers, content=content, timeout=seconds, follow_redirects=False
    ) as response:
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                break
    text = body[:MOST_BYTES].decode(errors="replace")
    headers = {name: response.headers[name] for name in OF_INTEREST if name in response.headers}
    return Answer(response.status_code, headers=headers, text=text, data=_json(text, headers))


def _json(text: str, headers: Mapping[str, str]) -> Any:
    if not re.search(r"[/+]json\b", headers.get("content-type", "")):
        return None
    try:
        return json.loads(text)
    except ValueError:  # cut off, or wrong
        return None


async def ask(
    labs: Labs,
    app_id: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """Send a request to an app, as a user does. body: sent as JSON unless it is None."""
    return await send(labs, _to(labs, app_id, method, path, body, headers), seconds=seconds)


async def look(labs: Labs, app_id: str, path: str) -> Answer:
    """Read from an app, outside any trace. Raise LabError, with a sentence for the page, when no answer arrives."""
    answer = await send(labs, _to(labs, app_id, "GET", path, None, None), traced=False, seconds=LOOK_SECONDS)
    if not answer.status:
        raise LabError(answer.failure)
    return answer


def _to(labs: Labs, app_id: str, method: str, path: str, body: Any, headers: Mapping[str, str] | None) -> Request:
    url = f"http://localhost:{labs.find(app_id).app_port}{path}"
    kind = {} if body is None else {"content-type": "application/json"}
    return Request("", method, url, kind | dict(headers or {}), "" if body is None else json.dumps(body))
