"""The sentence on a page for a dependency that is down: which one, and the command that brings it back."""

from __future__ import annotations

import json
import logging

import httpx
from redis.exceptions import ConnectionError as NoRedis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as SlowRedis

from console.labs import Labs
from labctl.errors import LabError

LONGEST = 300  # characters of an answer that a sentence quotes
log = logging.getLogger(__name__)


def sentence(labs: Labs, error: Exception) -> str:
    """Return what the user reads in place of a traceback. An error that nobody expected is logged too."""
    match error:
        case LabError():
            return str(error)
        case httpx.HTTPStatusError():
            answer = error.response
            who, _ = _party(labs, answer.request.url.port)
            asked = f"{answer.request.method} {answer.request.url.path}"
            return f"{who} answered {answer.status_code} to {asked}. {reason(answer)}".strip()
        case httpx.RequestError():
            return _unanswered(labs, error)
        case NoRedis() | SlowRedis():
            return f"Redis does not answer on port {labs.stack.ports['redis']}. Bring it back: ./lab restart redis"
        case RedisError():
            return f"Redis refused a command: {str(error)[:LONGEST]}"
        case _:
            log.error("page failed", exc_info=error)
            return f"The console failed here ({type(error).__name__}). Its log has the reason."


def reason(answer: httpx.Response) -> str:
    """Return why a service refused: the detail of a problem, Dapr's message, or the text of the answer."""
    try:
        document = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return answer.text[:LONGEST]
    if isinstance(document, dict):
        for key in ("detail", "message", "title"):
            if text := document.get(key):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
                return str(text)[:LONGEST]  # pyright: ignore[reportUnknownArgumentType]
    return answer.text[:LONGEST]


def _unanswered(labs: Labs, error: httpx.RequestError) -> str:
    try:
        port = error.request.url.port
    except RuntimeError:  # the request was never made
        return f"No answer: {error}"
    who, command = _party(labs, port)
    how = "took too long to answer" if isinstance(error, httpx.TimeoutException) else "does not answer"
    return f"{who} {how} on port {port}.{f' Bring it back: {command}' if command else ''}"


def _party(labs: Labs, port: int | None) -> tuple[str, str]:
    """Return the app or sidecar of that port, and the command that restarts it."""
    for app in labs.apps:
        if port == app.app_port:
            return app.app_id, f"./lab restart {app.app_id}"
        if port == app.http_port:
            return f"The sidecar of {app.app_id}", f"./lab restart {app.app_id} --sidecar"
    return "The service", ""
