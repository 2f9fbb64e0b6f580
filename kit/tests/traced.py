"""A small service as a process, for test_tracing.py: it asks another app, and publishes."""

import aiohttp
from fastapi import APIRouter, FastAPI, Request

from kit.edge.service import build, serve
from kit.edge.settings import ServiceSettings
from kit.sidecar.client import SdkClient
from kit.sidecar.events import Publisher
from kit.sidecar.invoke import Invoker

router = APIRouter()
settings = ServiceSettings()


@router.get("/greet/{name}")
async def greet(name: str, request: Request) -> dict[str, str]:
    """Ask the other app, and publish."""
    session: aiohttp.ClientSession = request.app.state.session
    await Invoker(session, settings.dapr_http_port).get("callee", f"greet/{name}")
    await Publisher(SdkClient(settings, session), "pubsub", "greeter").publish("greetings", "Greeted", {"name": name})
    return {"message": f"Hello, {name}!"}


def create_app() -> FastAPI:
    """Build the service."""
    return build(settings, title="greeter", description="Greets.", welcome="GET /greet/{name}", routers=[router])


if __name__ == "__main__":
    serve(create_app())
