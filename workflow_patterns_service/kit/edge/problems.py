"""Errors become RFC 9457 problem details here, once, at the HTTP edge."""

from http.client import responses
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from kit.edge.models import Problem

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# The answers of kit.edge.gate, and of uvicorn to a request that is not valid HTTP.
ON_EVERY_ROUTE, ON_A_CHANGE = (400,), (403, 408, 413, 415)
# RFC 9110's names, which Python uses only since 3.13; the contract file is the same on every version.
TITLES = {**responses, 413: "Content Too Large", 422: "Unprocessable Content"}


class Refused(Exception):
    """The service refuses a request. `members` are further fields of the answer's problem details."""

    def __init__(self, status: int, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.status, self.members = status, members


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **members: Any) -> JSONResponse:
    """Return a problem answer; `members` are further fields of its body (RFC 9457, section 3.2), without the Nones."""
    extra = {name: member for name, member in members.items() if member is not None}
    body = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail, **extra}
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def documented(*statuses: int, model: type[BaseModel] = Problem) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that can answer with these problems."""
    return {status: {"model": model, "description": TITLES[status]} for status in statuses}


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem: no such route, wrong method, bad input, and the unexpected."""
    app.add_exception_handler(HTTPException, _not_served)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)
    generate = app.openapi
    app.openapi = lambda: _corrected(generate())


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return problem(error.status, str(error), **error.members)


async def _not_served(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if "Allow" in headers:
        # The route that was found first knows its own method only.
        headers["Allow"] = ", ".join(each for each in METHODS if _serves(request, each))
    return problem(error.status_code, error.detail, headers)


def _serves(request: Request, method: str) -> bool:
    # The edge turns HEAD into GET.
    scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
    path: str = scope["path"]
    # kit.edge.service.OtherSpelling serves both.
    both = [scope, {**scope, "path": path[:-1] if path.endswith("/") else f"{path}/"}]
    routes = request.app.router.routes
    return any(route.matches(each)[0] is Match.FULL for route in routes for each in both)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The answer repeats neither the input nor more than 20 faults: the sender chooses their size.
    errors = [{"field": _field(found["loc"]), "message": found["msg"]} for found in error.errors()[:20]]
    return problem(422, "; ".join(f"{e['field']}: {e['message']}" for e in errors), errors=errors)


async def _unexpected(_: Request, __: Exception) -> JSONResponse:
    # Starlette raises the exception again after this answer, so uvicorn logs it with its stack.
    return problem(500, "Something unexpected went wrong; the log of this service says what.")


def _field(location: tuple[int | str, ...]) -> str:
    """Return `fail_next` for `("body", "fail_next")`, and `body` for `("body", 17)`, the position of a JSON error."""
    source, *path = location
    return ".".join(part for part in path if isinstance(part, str))[:100] or str(source)


def _refusal(status: int) -> dict[str, Any]:
    return {
        "description": TITLES[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _corrected(schema: dict[str, Any]) -> dict[str, Any]:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            # A parameter with a `/` in it is another path.
            statuses = (*ON_EVERY_ROUTE, *(ON_A_CHANGE if method != "get" else ()), *((404,) if "{" in path else ()))
            given = {str(status): _refusal(status) for status in statuses} | operation["responses"]
            operation["responses"] = dict(sorted(given.items()))
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                # FastAPI documents every response model under the media type of the route's good answer.
                if status >= "400" and content:
                    response["content"] = {MEDIA_TYPE: next(iter(content.values()))}
                # FastAPI describes server-sent events in the form of OpenAPI 3.2, in a document of version 3.1.
                content.get("text/event-stream", {}).pop("itemSchema", None)
    return schema
