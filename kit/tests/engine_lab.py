"""A sidecar with the fake engine, for the tests of kit.engine: gRPC for the engine, HTTP for health and shutdown."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
from aiohttp import web
from pydantic import BaseModel

from kit.edge.service import session_for
from kit.edge.settings import ServiceSettings
from kit.engine.instances import Instances
from kit.engine.worker import Worker, running
from kit.fakes.engine import Engine

WITHIN = 10


class Greeting(BaseModel):
    name: str


def greeting(ctx: Any, greeting: Greeting) -> Any:
    greeted = yield ctx.call_activity("greet", input=greeting)
    ctx.set_custom_status(greeted)
    event = yield ctx.wait_for_external_event("Answer")
    return {"greeted": greeted, "answer": event}


async def greet(greeting: Greeting) -> str:
    return f"Hello, {greeting.name}! (on {id(asyncio.get_running_loop())})"


@dataclass
class Lab:
    """The engine, the sidecar's HTTP side, and a service's worker beside them."""

    engine: Engine
    settings: ServiceSettings
    session: aiohttp.ClientSession
    worker: Worker
    instances: Instances
    placed: bool = True
    accepts_workers: bool = True
    ready: bool = True
    looks: int = 0
    shutdowns: int = 0
    at_shutdown: Callable[[], None] = field(default=lambda: None)

    @property
    def port(self) -> int:
        return self.settings.dapr_http_port

    async def metadata(self, _: web.Request) -> web.Response:
        self.looks += 1
        workers = {"connectedWorkers": self.engine.connected()} if self.accepts_workers else {}
        return web.json_response({"workflows": workers, "actorRuntime": {"hostReady": self.placed}})

    async def healthz(self, _: web.Request) -> web.Response:
        return web.Response(status=204 if self.ready else 500)

    async def shutdown(self, request: web.Request) -> web.Response:
        self.shutdowns += 1
        self.at_shutdown()
        return web.Response(status=204)

    async def start(self, instance_id: str = "one") -> None:
        await self.instances.schedule("greeting", instance_id, Greeting(name="Ada"))
        await until(lambda: self.engine.instances[instance_id].custom_status)


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until the condition holds, and return its value."""
    async with asyncio.timeout(WITHIN):
        while not (found := condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return found


@asynccontextmanager
async def lab(*, connect: bool = True, seconds: float = 5.0, **settings: Any) -> AsyncGenerator[Lab]:
    """Run a fake sidecar, and a worker that is connected to it unless `connect` is False."""
    engine, server = Engine(), grpc.server(ThreadPoolExecutor(32))
    engine.add_to(server)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    app = web.Application()
    runner = web.AppRunner(app)
    place: dict[str, Lab] = {}

    def route(name: str) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            return await getattr(place["lab"], name)(request)

        return answer

    app.router.add_get("/v1.0/metadata", route("metadata"))
    app.router.add_get("/v1.0/healthz/outbound", route("healthz"))
    app.router.add_post("/v1.0/shutdown", route("shutdown"))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    chosen = ServiceSettings(_env_file=None, dapr_grpc_port=grpc_port, dapr_http_port=port, **settings)
    async with session_for(chosen) as session:
        worker = Worker(chosen, [greeting], [greet])
        place["lab"] = made = Lab(engine, chosen, session, worker, Instances(chosen, seconds))
        try:
            if connect:
                async with running(worker):
                    await until(lambda: worker.connected)
                    yield made
            else:
                yield made
        finally:
            await worker.stop()
            await runner.cleanup()
            server.stop(None).wait()


def async_test(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on an event loop of its own."""

    def run(**arguments: Any) -> None:
        asyncio.run(test(**arguments))

    run.__name__ = test.__name__
    run.__signature__ = __import__("inspect").signature(test)
    return run
