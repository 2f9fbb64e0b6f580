"""Build the collaborators of the routes once, in the lifespan."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import aiohttp
from fastapi import Depends

from activities import quote_car
from blocks.invocation import Notifications
from blocks.outbox import Outbox
from blocks.state import TaskState
from kit.edge.service import from_state
from kit.engine.worker import Worker, running
from kit.sidecar.client import SdkClient
from kit.sidecar.collection import Collection
from kit.sidecar.invoke import Invoker
from kit.sidecar.pages import Pages
from kit.sidecar.store import StateStore
from models import Task
from settings import Settings
from workflow import book_car


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the routes share. A block calls Dapr by `async with services.sdk.calling(NAME) as client`."""

    settings: Settings
    sdk: SdkClient
    state: TaskState
    outbox: Outbox
    tasks: Collection[Task]
    notifications: Notifications


ServicesDep = Annotated[Services, Depends(from_state("services"))]


@asynccontextmanager
async def open_services(settings: Settings, session: aiohttp.ClientSession) -> AsyncGenerator[Services]:
    """Build the services, and run the workflow worker while the block runs. No sidecar is needed yet."""
    async with aclosing(SdkClient(settings, session, settings.call_timeout_seconds)) as sdk:
        store = StateStore(sdk, settings.state_store)
        pages = Pages(store)
        invoker = Invoker(session, settings.dapr_http_port)
        async with running(Worker(settings, [book_car], [quote_car])):
            yield Services(
                settings=settings,
                sdk=sdk,
                state=TaskState(sdk, settings.state_store),
                outbox=Outbox(sdk, settings.state_store, pages),
                tasks=Collection(store.of(Task), pages, "tasks", "task-"),
                notifications=Notifications(invoker, settings),
            )
