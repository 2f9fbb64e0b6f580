"""The collaborators of a running chat-service, made once, in its lifespan."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import aiohttp
from fastapi import Depends

from activities import Activities
from chat import Chat
from events import Events
from failures import Faults
from forgetting.forgetter import Forgetting
from kit.edge.service import from_state
from kit.engine.health import check_worker
from kit.engine.instances import Instances
from kit.engine.stalled_engine import StalledEngine
from kit.engine.worker import Worker, running
from kit.engine.worker_lockout import WorkerLockout
from kit.sidecar.client import SdkClient
from kit.sidecar.events import Publisher
from kit.sidecar.invoke import Invoker
from kit.sidecar.jobs import Jobs
from kit.sidecar.secrets import Secrets, UserHashes
from kit.sidecar.store import StateStore
from kit.sidecar.unavailable import SIDECAR, Unavailable
from memory import MemoryService
from once.register import Register
from replies.choice import LanguageModels
from settings import Settings
from workflow import ChatWorkflow

POLL_SECONDS = 0.2
log = logging.getLogger("chat")


@dataclass(frozen=True)
class Services:
    """The collaborators that the routes use."""

    settings: Settings
    session: aiohttp.ClientSession
    store: StateStore[dict[str, object]]
    users: UserHashes
    models: LanguageModels
    chat: Chat
    forgetting: Forgetting

    async def check_keys(self) -> None:
        """Return if users and their values can be read. With another key each user would be unknown."""
        await self.store.check_key(await self.users.mark())

    async def check_ready(self) -> None:
        """Return if messages can be answered. Raise Unavailable without a worker or with another key."""
        await check_worker(self.session, self.settings.dapr_http_port)
        await self.check_keys()

    async def announce(self) -> None:
        """Log which model answers, or why none can, once the sidecar is there."""
        while True:
            # Read now, so that a missing key shows at the start. At its first use it is looked up again.
            try:
                await self.users.mark()
                model = await self.models.get()
            except Unavailable as error:
                if error.dependency == SIDECAR:
                    await asyncio.sleep(POLL_SECONDS)
                    continue
                log.warning("cannot answer yet", extra={"detail": error.detail, "reason": error.reason})
            else:
                log.info("ready to answer", extra={"model": model.name})
            return


async def with_their_keys(services: Annotated[Services, Depends(from_state("services"))]) -> Services:
    """Return the collaborators, if the keys are those by which they stored what there is."""
    await services.check_keys()
    return services


ServicesDep = Annotated[Services, Depends(with_their_keys)]


@asynccontextmanager
async def open_services(settings: Settings, session: aiohttp.ClientSession, faults: Faults) -> AsyncGenerator[Services]:
    """Make the collaborators and run the workflow worker. None of them needs the sidecar yet."""
    async with AsyncExitStack() as stack:
        sdk = await stack.enter_async_context(aclosing(SdkClient(settings, session, settings.sidecar_timeout_seconds)))
        secrets = Secrets(sdk, settings.secret_stores, settings)
        models = await stack.enter_async_context(aclosing(LanguageModels(settings, secrets, sdk)))
        instances = Instances(settings, settings.schedule_seconds)
        store = StateStore[dict[str, object]](sdk, settings.state_store_name)
        register = Register(store, settings.claim_ttl_seconds, settings.unstarted_seconds)
        publisher = Publisher(sdk, settings.pubsub_name, "chat-service")
        events = Events(publisher, settings.conversations_topic, Jobs(sdk), settings.stream_ttl_seconds)
        memory = MemoryService(
            Invoker(session, settings.dapr_http_port), settings.memory_app_id, settings.sidecar_timeout_seconds
        )
        activities = Activities(settings, memory, models, events, register, instances, faults)
        worker = Worker(settings, [ChatWorkflow(settings).chat_workflow], activities.all())
        every = settings.engine_check_seconds
        stalled = StalledEngine(settings, instances, worker, session, every)
        lockout = WorkerLockout(settings, session, every, settings.worker_lockout_seconds)
        users = UserHashes(secrets)
        chat = Chat(settings, users, register, instances)
        forgetting = Forgetting(store, instances, events)
        services = Services(settings, session, store, users, models, chat, forgetting)
        await stack.enter_async_context(running(worker, services.announce, stalled.watch, lockout.watch))
        yield services
