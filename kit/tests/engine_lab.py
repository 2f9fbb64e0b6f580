"""A worker beside a stand-in sidecar with the fake engine, for the tests of kit.engine."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import BaseModel

from kit.edge.service import session_for
from kit.edge.settings import ServiceSettings
from kit.engine.instances import Instances
from kit.engine.worker import Activity, Worker, running
from kit.fakes.engine import Engine
from kit.fakes.sidecar import Sidecar, running_sidecar

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
    """The engine, the sidecar that has it, and a service's worker beside them."""

    engine: Engine
    sidecar: Sidecar
    settings: ServiceSettings
    session: aiohttp.ClientSession
    worker: Worker
    instances: Instances

    @property
    def port(self) -> int:
        return self.settings.dapr_http_port

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
async def lab(
    *, connect: bool = True, seconds: float = 5.0, greet: Activity = greet, **settings: Any
) -> AsyncGenerator[Lab]:
    """Run a fake sidecar, and a worker that is connected to it unless `connect` is False."""
    engine = Engine()
    with running_sidecar(engine.add_to) as sidecar:
        sidecar.connected_workers = engine.connected
        chosen = ServiceSettings(_env_file=None, **sidecar.ports, **settings)
        async with session_for(chosen) as session:
            worker = Worker(chosen, [greeting], [greet])
            made = Lab(engine, sidecar, chosen, session, worker, Instances(chosen, seconds))
            try:
                if connect:
                    async with running(worker):
                        # Both: the SDK counts itself connected before its stream has reached the engine.
                        await until(lambda: worker.connected and engine.workers)
                        yield made
                else:
                    yield made
            finally:
                await worker.stop()
