"""The collaborators of a running hello, made once, in its lifespan."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import aiohttp
from fastapi import Depends

from callee import Callee
from kit.edge.service import from_state
from kit.engine.instances import Instances
from kit.engine.worker import Worker, running
from kit.sidecar.client import SdkClient
from kit.sidecar.events import Publisher
from kit.sidecar.invoke import Invoker
from kit.sidecar.jobs import Jobs
from settings import Settings
from workflow import greeting_workflow


@dataclass(frozen=True)
class Services:
    """The collaborators that the routes use."""

    callee: Callee
    jobs: Jobs
    publisher: Publisher
    instances: Instances


ServicesDep = Annotated[Services, Depends(from_state("services"))]


@asynccontextmanager
async def open_services(settings: Settings, session: aiohttp.ClientSession) -> AsyncGenerator[Services]:
    """Make the collaborators and run the workflow worker. None of them needs the sidecar yet."""
    callee, instances = Callee(Invoker(session, settings.dapr_http_port), settings), Instances(settings, seconds=10)
    worker = Worker(settings, [greeting_workflow], [callee.greet])
    async with aclosing(SdkClient(settings, session)) as sdk, running(worker):
        yield Services(callee, Jobs(sdk), Publisher(sdk, settings.pubsub_name, "hello"), instances)
