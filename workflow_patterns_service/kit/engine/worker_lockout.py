"""Recover from a sidecar that accepts no workflow worker while it reports itself healthy (FAULTS.md).

The sidecar is shut down, and Kubernetes or `./lab up` restarts it. Its state is in the state store, so nothing is lost.
"""

import asyncio
import logging
from time import monotonic

import aiohttp

from kit.edge.settings import ServiceSettings
from kit.engine.health import lacks_only_a_worker
from kit.sidecar.unavailable import Unavailable

_SHUTDOWN_SECONDS = 10.0
log = logging.getLogger(__name__)


class WorkerLockout:
    """Check whether the sidecar has a worker, and shut it down if it has had none for `after_seconds`.

    A worker that lost its sidecar asks for a new stream every 15 s at least, so `after_seconds` is well above that.
    """

    def __init__(
        self, settings: ServiceSettings, session: aiohttp.ClientSession, every_seconds: float, after_seconds: float
    ) -> None:
        self._session, self._port = session, settings.dapr_http_port
        self._every, self._after = every_seconds, after_seconds

    async def watch(self) -> None:
        """Check the sidecar until this task is cancelled."""
        since = monotonic()
        while True:
            await asyncio.sleep(self._every)
            if not await self._is_without_worker():
                since = monotonic()
            elif monotonic() - since > self._after:
                facts = {"seconds": self._after}
                log.error("no workflow worker connected; shutting the sidecar down", extra=facts)
                await self._shut_down()
                since = monotonic()

    async def _is_without_worker(self) -> bool:
        try:
            # Without placement it accepts no worker either, and then recovers without help.
            return await lacks_only_a_worker(self._session, self._port)
        except Unavailable:
            return False

    async def _shut_down(self) -> None:
        url = f"http://127.0.0.1:{self._port}/v1.0/shutdown"
        try:
            async with asyncio.timeout(_SHUTDOWN_SECONDS), self._session.post(url) as response:
                response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("sidecar did not shut down", extra={"reason": repr(error)})
