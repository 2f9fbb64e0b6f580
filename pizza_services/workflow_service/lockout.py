"""Ends a lockout of this app's worker: a sidecar that lets none in, and says that it is well.

When a worker dies, Dapr 1.18.0 puts all workflows of the app away, each at the end of its turn, and only then lets the
next worker in. A turn that waits to be handed out just then waits for that worker: for ever, as was seen when all
processes of the pizza lab were killed in turn. Only a change in the table of actors, or the sidecar's end, breaks it
off. So the sidecar is asked to end, and whoever runs it starts it again, as Kubernetes does. Nothing is lost: what it
was told is in the state store.
"""

import asyncio
import logging
from time import monotonic

import aiohttp
from grpc.aio import AioRpcError

from health import lacks_only_a_worker
from sdk_client import SdkClient
from settings import Settings
from sidecar import SidecarNotReady, check_ready
from worker import Worker

LOOK_EVERY_SECONDS = 0.1
log = logging.getLogger("pizza-workflow")


class Lockout:
    """Looks again and again whether the sidecar has a worker, and has it end when it has had none for too long."""

    def __init__(self, settings: Settings, worker: Worker, sdk: SdkClient, session: aiohttp.ClientSession) -> None:
        self._settings, self._worker, self._sdk, self._session = settings, worker, sdk, session

    async def watch(self) -> None:
        """Looks for a lockout, and ends it, until it is cancelled."""
        since = monotonic()
        while True:
            await asyncio.sleep(self._settings.standstill_every_seconds)
            if not await self._is_without_worker():
                since = monotonic()
            elif monotonic() - since > self._settings.lockout_seconds:
                log.error("the sidecar lets no worker in: it is asked to end, to be started again")
                # It does not end while somebody asks it for work.
                async with self._worker.away():
                    await self._end_sidecar()
                since = monotonic()

    async def _is_without_worker(self) -> bool:
        try:
            # Without placement it lets none in either, and then does by itself.
            return await lacks_only_a_worker(self._session, self._settings.dapr_http_port)
        except SidecarNotReady:
            return False

    async def _end_sidecar(self) -> None:
        try:
            async with asyncio.timeout(self._settings.call_timeout_seconds), self._sdk.lent() as client:
                await client.shutdown()
                while True:
                    await check_ready(self._session, self._settings.dapr_http_port)
                    await asyncio.sleep(LOOK_EVERY_SECONDS)
        except SidecarNotReady:
            return
        except (AioRpcError, TimeoutError) as error:
            log.warning("the sidecar has not ended: it is asked again", extra={"fields": {"reason": repr(error)}})
