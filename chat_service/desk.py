"""Everything a running chat-service works with, made once, in the lifespan."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from dapr.ext.workflow.aio import DaprWorkflowClient

from activities import Tools, activities
from chat import Chat
from claims import Claims
from engine import Engines
from events import Events
from failures import StepFailed
from faults import Faults
from forgetting import Forgetting
from health import check_worker
from lockout import Lockout
from memory import MemoryService
from sdk_client import SdkClient, tell_the_sdk
from secret_store import Secrets
from sessions import Sessions
from settings import Settings
from sidecar import SidecarNotReady, check_ready
from standstill import Standstill
from store import Store
from worker import QUIET, Worker, quiet_the_sdk
from workflow import chat_workflow_with
from workflows import Workflows

PAUSE_SECONDS = 0.2
log = logging.getLogger("chat")


class NotReady(Exception):
    """What is missing before this service can answer."""


@dataclass(frozen=True)
class Desk:
    """What the routes use."""

    settings: Settings
    session: aiohttp.ClientSession
    secrets: Secrets
    chat: Chat
    forgetting: Forgetting
    worker: Worker

    async def check_ready(self) -> None:
        """Returns when messages can be answered; raises NotReady."""
        try:
            await check_ready(self.session, self.settings.dapr_http_port)
            await check_worker(self.worker, self.session, self.settings.dapr_http_port)
            await self.secrets.need("USER_HASH_KEY")
        except (SidecarNotReady, StepFailed) as error:
            raise NotReady(str(error)) from error


@asynccontextmanager
async def opened(settings: Settings, faults: Faults) -> AsyncGenerator[Desk]:
    """Opens the clients and starts the worker once the sidecar is there; needs none yet. Closes all in the end."""
    tell_the_sdk(settings)
    quiet_the_sdk()
    token = settings.dapr_api_token
    headers = {"dapr-api-token": token.get_secret_value()} if token else {}
    async with AsyncExitStack() as stack:
        # The time limits are those of the steps, each of which makes more than one call.
        limit = aiohttp.ClientTimeout(total=None)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(headers=headers, timeout=limit, cookie_jar=aiohttp.DummyCookieJar())
        )
        client = await stack.enter_async_context(aclosing(SdkClient(settings, session)))
        secrets = Secrets(settings, client)
        engines = await stack.enter_async_context(aclosing(Engines(settings, secrets, client)))
        # Its channel opens at the first call, so this neither waits nor blocks.
        workflows = Workflows(
            settings, DaprWorkflowClient("127.0.0.1", str(settings.dapr_grpc_port), logger_options=QUIET)
        )
        store = Store(client, settings.state_store_name, settings.state_seconds)
        claims = Claims(store, settings.claim_ttl_seconds)
        sessions = Sessions(store, settings.claim_ttl_seconds, settings.unstarted_seconds)
        events = Events(settings, client, session)
        memory = MemoryService(settings, session)
        tools = Tools(settings, memory, engines, events, store, claims, sessions, workflows, faults)
        loop = asyncio.get_running_loop()
        worker = Worker(settings, lambda: chat_workflow_with(settings), lambda: activities(tools, loop))
        chat = Chat(settings, secrets, store, claims, sessions, workflows)
        forgetting = Forgetting(workflows, claims, sessions, events)

        standstill = Standstill(settings, workflows, worker, session)
        lockout = Lockout(settings, worker, client, session)
        worker.start()
        beside = (_greet(settings, session, secrets, engines), standstill.watch(), lockout.watch())
        tasks = [asyncio.create_task(one) for one in beside]
        try:
            yield Desk(settings, session, secrets, chat, forgetting, worker)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await worker.stop()


async def _greet(settings: Settings, session: aiohttp.ClientSession, secrets: Secrets, engines: Engines) -> None:
    """Tells which engine answers, or what is missing for that, once the sidecar is there."""
    while not await _is_ready(settings, session):  # noqa: ASYNC110 (a sidecar does not tell, it has to be asked)
        await asyncio.sleep(PAUSE_SECONDS)
    # Read now, so that a missing key shows at the start; at its first use it is looked for again.
    try:
        await secrets.need("USER_HASH_KEY")
        engine = await engines.get()
    except StepFailed as error:
        log.warning(str(error))
    else:
        log.info("Ready.", extra={"fields": {"engine": engine.name}})


async def _is_ready(settings: Settings, session: aiohttp.ClientSession) -> bool:
    try:
        await check_ready(session, settings.dapr_http_port)
    except SidecarNotReady:
        return False
    return True
