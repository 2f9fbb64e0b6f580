"""Recover from an engine that keeps every call waiting while its sidecar reports itself healthy (FAULTS.md).

The worker reconnects. That changes the table of actors, which breaks the waiting calls off, and Dapr retries them.
"""

import asyncio
import logging
from contextlib import suppress

import aiohttp

from kit.edge.settings import ServiceSettings
from kit.engine.health import has_placement
from kit.engine.instances import Instances, LostInstance, NoInstance
from kit.engine.worker import Worker
from kit.sidecar.unavailable import Unavailable

# No instance of a service has this id.
NOBODY = "nobody"
log = logging.getLogger(__name__)


class StalledEngine:
    """Ping the engine regularly, and reconnect the worker if no answer arrives."""

    def __init__(
        self, settings: ServiceSettings, instances: Instances, worker: Worker, session: aiohttp.ClientSession,
        every_seconds: float,
    ) -> None:  # fmt: skip
        self._instances, self._worker, self._session = instances, worker, session
        self._port, self._every = settings.dapr_http_port, every_seconds
        self._suspected = asyncio.Event()

    def suspect(self) -> None:
        """Check soon, because a workflow did not accept a call in time."""
        self._suspected.set()

    async def watch(self) -> None:
        """Check the engine until this task is cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._suspected.wait(), self._every)
            if await self._is_stalled():
                log.warning("workflow engine stalled; reconnecting the worker")
                async with self._worker.disconnected():
                    # The table must have changed before the worker is back, which takes milliseconds. Without a worker
                    # this ping waits for its full time limit; another replica answers it at once.
                    await self._answers()
            self._suspected.clear()

    async def _is_stalled(self) -> bool:
        if not self._worker.connected or (not self._suspected.is_set() and await self._answers()):
            return False
        try:
            # The engine is silent without placement or its store too, and then recovers without help.
            placed = await has_placement(self._session, self._port)
            await self._instances.state(NOBODY, payloads=False)
        except Unavailable:
            return False
        return placed

    async def _answers(self) -> bool:
        try:
            await self._instances.raise_event(NOBODY, "Ping")
        except (NoInstance, LostInstance):
            return True
        except Unavailable as error:
            return error.status != 504
        return True
