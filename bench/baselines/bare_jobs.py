"""The limit in `./lab bench jobs`: the least that an app can do when its job fires, which is to note when.

It stands for what Dapr's scheduler and sidecar take by themselves. Nothing is stored, and nothing is checked.
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


async def told(_: Request) -> Response:
    """Each arrival since the start: name, and seconds since 1970."""
    return JSONResponse(arrivals)


async def ready(_: Request) -> Response:
    return Response()


routes = [Route("/job/{name}", fired, methods=["POST"]), Route("/arrivals", told)]
app = Starlette(routes=[*routes, Route("/healthz", ready), Route("/readyz", ready)])
