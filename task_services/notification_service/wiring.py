"""The collaborators of the routes, and the streaming subscription, which runs beside them."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import aiohttp
from fastapi import Depends

from inbox import Inbox
from kit.edge.faults import Faults
from kit.edge.service import from_state
from kit.sidecar import events
from kit.sidecar.client import SdkClient
from kit.sidecar.collection import Collection
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.events import CloudEvent
from kit.sidecar.pages import Pages
from kit.sidecar.store import Object, StateStore
from models import Notification
from settings import Settings
from subscriptions.streaming import Stream


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the routes share."""

    inbox: Inbox
    notifications: Collection[Notification]
    letters: DeadLetters


@asynccontextmanager
async def open_services(settings: Settings, session: aiohttp.ClientSession, faults: Faults) -> AsyncGenerator[Services]:
    """Build the services on the app's session, and follow the stream. No sidecar is needed yet."""
    async with (
        aclosing(SdkClient(settings, session, settings.store_timeout_seconds)) as sdk,
        # The client of the other calls is closed some seconds after a call found its sidecar gone.
        aclosing(SdkClient(settings, session, settings.store_timeout_seconds)) as streaming,
    ):
        store, retention = StateStore[Object](sdk, settings.state_store), settings.retention_seconds
        pages = Pages(store, retention=retention)
        notifications = Collection(store.of(Notification), pages, "notifications", "notification:", retention)
        inbox = Inbox(notifications, faults)
        async with running(Stream(streaming, settings, inbox).follow()):
            yield Services(inbox, notifications, DeadLetters(store, retention))


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run a coroutine while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


ServicesDep = Annotated[Services, Depends(from_state("services"))]
Event = Annotated[CloudEvent, Depends(events.read)]
DeadEvent = Annotated[CloudEvent, Depends(events.read_dead)]
