"""The limit in `./lab bench jobs`: an app that only notes the time when its job fires.

It shows the cost of Dapr's scheduler and sidecar alone. Nothing is stored or checked.
"""

import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

arrivals: list[tuple[str, float]] = []


async def fired(request: Request) -> Response:
    arrivals.append((request.path_params["name"], time.time()))
    return Response()


async def all_arrivals(_: Request) -> Response:
    """Return each arrival since the start: name, and seconds since 1970."""
    return JSONResponse(arrivals)


async def ready(_: Request) -> Response:
    return Response()


routes = [Route("/job/{name}", fired, methods=["POST"]), Route("/arrivals", all_arrivals)]
app = Starlette(routes=[*routes, Route("/healthz", ready), Route("/readyz", ready)])
