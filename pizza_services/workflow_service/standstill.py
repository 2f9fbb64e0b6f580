"""Ends a standstill of this app's workflows that their sidecar does not notice: two of them, in Dapr 1.18.0.

A sidecar that loses placement while the table of actors changes keeps calls to the actors that changed waiting until
they change again. When placement comes back with the same table, that is for ever: each start and each event waits, and
the sidecar says that it is well.

A workflow and its child wait for each other for ever when the state store dies just as the child is made: the one makes
it again, the other reports its end, and neither takes the other's call meanwhile.

So this app's worker leaves, which changes the table and breaks off what waits, and comes back. Dapr hands out again
what was broken off.
"""

import asyncio
import logging
from contextlib import suppress

import aiohttp

from health import placement_is_connected
from instances import EngineDown, Instances, NoInstance
from settings import Settings
from sidecar import SidecarNotReady
from worker import Worker

# No order's instance: their ids begin with pizza-.
NOBODY = "nobody"
log = logging.getLogger("pizza-workflow")


class Standstill:
    """Asks the engine again and again for something that costs nothing, and helps when no answer comes."""

    def __init__(
        self, settings: Settings, instances: Instances, worker: Worker, session: aiohttp.ClientSession
    ) -> None:
        self._settings, self._instances, self._worker, self._session = settings, instances, worker, session
        self._suspected = asyncio.Event()

    def suspect(self) -> None:
        """A workflow did not take a call in time."""
        self._suspected.set()

    async def watch(self) -> None:
        """Looks for a standstill, and ends it, until it is cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._suspected.wait(), self._settings.standstill_every_seconds)
            if await self._is_one():
                log.warning("the engine keeps calls waiting: the worker connects anew")
                async with self._worker.away():
                    # The table changes within milliseconds, and must have before the worker is back. While no worker is
                    # left Dapr looks for one until this asking is given up; if there is another replica, it answers.
                    # And whoever waited for the same standstill has given up by then too.
                    await self._answers()
            self._suspected.clear()

    async def _is_one(self) -> bool:
        if not self._worker.connected or (not self._suspected.is_set() and await self._answers()):
            return False
        try:
            # Without placement, or without its store, the engine is silent too, and then it speaks again by itself.
            placed = await placement_is_connected(self._session, self._settings.dapr_http_port)
            await self._instances.state(NOBODY)
        except (SidecarNotReady, EngineDown):
            return False
        return placed

    async def _answers(self) -> bool:
        try:
            await self._instances.raise_event(NOBODY, "Ping", {})
        except NoInstance:
            return True
        except EngineDown as error:
            return error.status != 504
        return True
