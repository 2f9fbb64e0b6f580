"""Build the collaborators of a running pizza-workflow, once, in its lifespan."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from activities import Activities
from kit.engine.instances import Instances
from kit.engine.stalled_engine import StalledEngine
from kit.engine.worker import Worker, running
from kit.engine.worker_lockout import WorkerLockout
from kit.sidecar.client import SdkClient
from kit.sidecar.invoke import Invoker
from kit.sidecar.jobs import Jobs
from kit.sidecar.store import Object, StateStore
from orders.standing import Standings
from records.claims import Claims
from records.order_book import OrderBook
from records.pauses import Pauses
from records.status_events import StatusEvents
from records.verdicts import Verdicts
from rescue.compensations import Compensations
from rescue.watchdog import Watchdog
from settings import Settings
from workflow import WORKFLOWS


@dataclass(frozen=True)
class Services:
    """What the routes use."""

    store: StateStore[Object]
    instances: Instances
    claims: Claims
    standings: Standings
    pauses: Pauses
    verdicts: Verdicts
    compensations: Compensations
    watchdog: Watchdog


@asynccontextmanager
async def open_services(settings: Settings, session: aiohttp.ClientSession) -> AsyncGenerator[Services]:
    """Build the services, and run the workflow worker while the block runs."""
    seconds = settings.call_timeout_seconds
    async with aclosing(SdkClient(settings, session, seconds)) as sdk:
        invoker = Invoker(session, settings.dapr_http_port)
        instances = Instances(settings, seconds)
        claims = Claims(settings, sdk)
        book = OrderBook(settings, invoker)
        pauses = Pauses(settings, sdk, instances)
        verdicts = Verdicts(settings, sdk, instances)
        events = StatusEvents(settings, sdk)
        activities = Activities(settings, invoker, events, claims, verdicts, instances)
        worker = Worker(settings, WORKFLOWS, activities.all())
        stalled_engine = StalledEngine(settings, instances, worker, session, settings.engine_check_seconds)
        lockout = WorkerLockout(settings, session, settings.engine_check_seconds, settings.worker_lockout_seconds)
        compensations = Compensations(settings, instances)
        standings = Standings(instances, claims, compensations, book, pauses)
        watchdog = Watchdog(settings, Jobs(sdk), instances, claims, verdicts, standings, compensations, stalled_engine)
        async with running(worker, stalled_engine.watch, lockout.watch):
            store = StateStore(sdk, settings.statestore_name)
            yield Services(store, instances, claims, standings, pauses, verdicts, compensations, watchdog)
