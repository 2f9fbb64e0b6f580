"""Build the collaborators of the routes once, in the lifespan."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

import aiohttp
from fastapi import Depends

from activities import quote_car
from blocks.configuration import LiveSettings
from blocks.hosting import Actors, open_actors
from blocks.invocation import Notifications
from blocks.outbox import Outbox
from blocks.state import TaskState
from kit.edge.faults import Faults
from kit.edge.service import from_state
from kit.engine.worker import Worker, running
from kit.sidecar.client import SdkClient
from kit.sidecar.collection import Collection
from kit.sidecar.invoke import Invoker
from kit.sidecar.pages import Pages
from kit.sidecar.store import Object, StateStore
from models import Task
from settings import Settings
from workflow import book_car


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the routes share. A block calls Dapr by `async with services.sdk.calling(NAME) as client`."""

    settings: Settings
    session: aiohttp.ClientSession
    sdk: SdkClient
    state: TaskState
    outbox: Outbox
    tasks: Collection[Task]
    pages: Pages
    notifications: Notifications
    live: LiveSettings
    store: StateStore[Object]
    actors: Actors
    # Held while a mail is sent.
    mailing: asyncio.Lock = field(default_factory=asyncio.Lock)


ServicesDep = Annotated[Services, Depends(from_state("services"))]


@asynccontextmanager
async def open_services(settings: Settings, session: aiohttp.ClientSession, faults: Faults) -> AsyncGenerator[Services]:
    """Build the services, and run the workflow worker while the block runs. No sidecar is needed yet."""
    async with aclosing(SdkClient(settings, session, settings.call_timeout_seconds)) as sdk:
        store = StateStore(sdk, settings.state_store)
        pages = Pages(store)
        invoker = Invoker(session, settings.dapr_http_port)
        live = LiveSettings(sdk, settings.config_store)
        state = TaskState(sdk, settings.state_store)
        actors = await open_actors(settings, sdk, session, state, faults)
        async with running(Worker(settings, [book_car], [quote_car]), live.watch):
            yield Services(
                settings=settings,
                session=session,
                sdk=sdk,
                state=state,
                outbox=Outbox(sdk, settings.state_store, pages),
                tasks=Collection(store.of(Task), pages, "tasks", "task-"),
                pages=pages,
                notifications=Notifications(invoker, settings),
                live=live,
                store=store,
                actors=actors,
            )
