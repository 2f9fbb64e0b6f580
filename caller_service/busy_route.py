"""A FastAPI route for the path that takes nearly all of the requests."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError, create_model
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Endpoint = Callable[..., Awaitable[Response]]
Responses = dict[int | str, dict[str, Any]]


class BusyRoute(APIRoute):
    """Documented, and checked, by its endpoint's signature, as every route; but served without FastAPI's machinery.

    For each request that machinery opens exit stacks, solves dependencies and validates the answer again, which cost
    more than all that this service itself does (`./lab bench invocation`). What is left is what such a route needs:
    parameters of path and query, a `request` (whose body it may read), and a Response as the answer. No `Depends`.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        asked = {p.name: p for p in inspect.signature(endpoint).parameters.values() if p.annotation is not Request}
        fields: dict[str, Any] = {
            name: (p.annotation, ... if p.default is p.empty else p.default) for name, p in asked.items()
        }
        self._arguments: type[BaseModel] = create_model("Arguments", **fields)

    @classmethod
    def add(
        cls, app: FastAPI, method: str, path: str, model: type[BaseModel], responses: Responses
    ) -> Callable[[Endpoint], Endpoint]:
        """As `app.get(path, response_model=model, responses=responses)`, or another method, with a route of this class.

        Not by `include_router`: an included router serves its routes itself, past `handle`.
        """

        def add(endpoint: Endpoint) -> Endpoint:
            app.router.add_api_route(
                path, endpoint, response_model=model, responses=responses, methods=[method], route_class_override=cls
            )
            return endpoint

        return add

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Calls the endpoint and sends its Response; raises RequestValidationError. Another method than the route's is
        left to Starlette, which answers 405."""
        if scope["method"] not in self.methods:
            await super().handle(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            arguments = self._arguments.model_validate({**request.query_params, **request.path_params})
        except ValidationError as error:
            raise RequestValidationError(
                [{**found, "loc": (_source(found["loc"][0], request), *found["loc"])} for found in error.errors()]
            ) from error
        response = await self.endpoint(request=request, **dict(arguments))
        await response(scope, receive, send)


def _source(name: int | str, request: Request) -> str:
    return "path" if name in request.path_params else "query"
