"""The collaborators of the routes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from jobs import Jobs
from kit.sidecar.client import SdkClient
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.pages import Pages
from kit.sidecar.store import Object, StateStore
from runs.recorder import Recorder
from runs.stopping import asked_to_stop
from settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the routes share."""

    store: StateStore[Object]
    jobs: Jobs
    recorder: Recorder
    pages: Pages
    letters: DeadLetters
    streams: asyncio.Semaphore
    stopping: asyncio.Event


@asynccontextmanager
async def open_services(settings: Settings, session: aiohttp.ClientSession) -> AsyncGenerator[Services]:
    """Build the services on the app's session. No sidecar is needed yet."""
    sdk = SdkClient(settings, session, settings.store_timeout_seconds)
    store = StateStore[Object](sdk, settings.state_store)
    pages = Pages(store, retention=settings.retention_seconds)
    try:
        yield Services(
            store=store,
            jobs=Jobs(session, settings.dapr_http_port, settings.scheduler_timeout_seconds),
            recorder=Recorder(store, pages, settings.retry_slack_seconds),
            pages=pages,
            letters=DeadLetters(store, settings.retention_seconds),
            streams=asyncio.Semaphore(settings.max_streams),
            stopping=asked_to_stop(),
        )
    finally:
        await sdk.aclose()
