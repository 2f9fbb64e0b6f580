"""Build the collaborators of a running workflow-patterns, once, in its lifespan."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from catalog import PATTERNS
from deeds import Deeds, Record
from kit.engine.instances import Instances
from kit.engine.stalled_engine import StalledEngine
from kit.engine.worker import Version, Worker, Workflow, running
from kit.engine.worker_lockout import WorkerLockout
from kit.sidecar.client import SdkClient
from kit.sidecar.dead_letters import DeadLetters
from kit.sidecar.store import Object, StateStore
from pattern import Tools
from patterns.versioning import versions
from runs import Runs
from settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes use."""

    runs: Runs
    letters: DeadLetters


@asynccontextmanager
async def open_services(settings: Settings, session: aiohttp.ClientSession) -> AsyncGenerator[Services]:
    """Build the services, and run the workflow worker while the block runs. No sidecar is needed yet."""
    async with aclosing(SdkClient(settings, session, settings.call_timeout_seconds)) as sdk:
        store, retention = StateStore[Object](sdk, settings.state_store_name), settings.record_retention_seconds
        deeds = Deeds(StateStore(sdk, settings.state_store_name, Record, retention))
        instances = Instances(settings, settings.call_timeout_seconds)
        tools = Tools(deeds, instances)
        activities = [activity for pattern in PATTERNS.values() for activity in pattern.activities(tools)]
        worker = Worker(settings, workflows(settings), activities)
        every = settings.engine_check_seconds
        stalled = StalledEngine(settings, instances, worker, session, every)
        lockout = WorkerLockout(settings, session, every, settings.worker_lockout_seconds)
        async with running(worker, stalled.watch, lockout.watch):
            yield Services(Runs(deeds, instances), DeadLetters(store, retention))


def workflows(settings: Settings) -> list[Workflow | Version]:
    """Return the workflows of all patterns, those of `versioning` with the latest version of the settings."""
    plain = [one for pattern in PATTERNS.values() for one in pattern.workflows if not isinstance(one, Version)]
    return [*plain, *versions(settings.latest_letter)]
