"""Ends a standstill of this app's workflows that their sidecar does not notice.

A sidecar of Dapr 1.18.0 that loses placement while the table of actors changes keeps calls to the actors that changed
waiting until they change again. When placement comes back with the same table, that is for ever: each message waits,
and the sidecar says that it is well. So this app's worker leaves, which changes the table and breaks off what waits,
and comes back. Dapr hands out again what was broken off.
"""

import asyncio
import logging

import aiohttp

from failures import StepFailed, TooSlow
from health import placement_is_connected
from settings import Settings
from sidecar import SidecarNotReady
from worker import Worker
from workflows import Workflows

# No message's instance: their ids begin with chat-.
NOBODY = "nobody"
log = logging.getLogger("chat")


class Standstill:
    """Asks the engine again and again for something that costs nothing, and helps when no answer comes."""

    def __init__(
        self, settings: Settings, workflows: Workflows, worker: Worker, session: aiohttp.ClientSession
    ) -> None:
        self._settings, self._workflows, self._worker, self._session = settings, workflows, worker, session

    async def watch(self) -> None:
        """Looks for a standstill, and ends it, until it is cancelled."""
        while True:
            await asyncio.sleep(self._settings.standstill_every_seconds)
            if self._worker.connected and not await self._answers() and await self._has_what_it_needs():
                log.warning("The engine keeps calls waiting: the worker connects anew.")
                async with self._worker.away():
                    # The table changes within milliseconds, and must have before the worker is back. While no worker is
                    # left Dapr looks for one until this asking is given up; if there is another replica, it answers.
                    await self._answers()

    async def _answers(self) -> bool:
        try:
            await self._workflows.tell(NOBODY, "Ping")
        except TooSlow:
            return False
        except StepFailed:
            return True  # it cannot do it, and says so
        return True

    async def _has_what_it_needs(self) -> bool:
        """Whether placement and the engine's store are there: without them it is silent too, and then speaks again."""
        try:
            placed = await placement_is_connected(self._session, self._settings.dapr_http_port)
            await self._workflows.state(NOBODY)
        except (SidecarNotReady, StepFailed):
            return False
        return placed
