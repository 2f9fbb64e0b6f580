"""The workflow worker of this process: one, started when its sidecar is there, stopped before the clients close."""

# The SDK does not say of what its tasks and workflows are made.
# pyright: reportUnknownMemberType=false

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import aiohttp
from dapr.ext.workflow import WorkflowRuntime
from dapr.ext.workflow.logger import LoggerOptions

from settings import Settings
from sidecar import SidecarNotReady, check_ready
from worker_calls import WorkerCalls

log = logging.getLogger("chat")

PAUSE_SECONDS = 0.2
AGAIN_SECONDS = 0.1
ENDED_WITHIN_SECONDS = 2.0  # of a call to the sidecar that is under way; it takes milliseconds
# The SDK writes what it logs to standard error, as text, next to what goes to the root logger as JSON.
QUIET = LoggerOptions(log_level="WARNING", log_handler=logging.NullHandler())


def quiet_the_sdk() -> None:
    """At INFO the SDK logs several lines for each step of each workflow."""
    for name in ("durabletask-worker", "durabletask-client", "WorkflowRuntime", "DaprWorkflowClient"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Worker:
    """Runs workflows and activities. The SDK does so in threads of its own, and blocks until it is connected."""

    def __init__(
        self,
        settings: Settings,
        session: aiohttp.ClientSession,
        workflow: Callable[[], Any],
        steps: Callable[[], Iterable[Any]],
    ) -> None:
        # Made anew for each runtime, which marks as its own what it registers.
        self._settings, self._session, self._workflow, self._steps = settings, session, workflow, steps
        self._connecting: asyncio.Task[None] | None = None
        self.is_started = False

    async def start(self) -> None:
        """Waits for the sidecar, however long it takes, then connects: nothing can be scheduled before."""
        while not await self._sidecar_is_ready():  # noqa: ASYNC110 (a sidecar does not tell, it has to be asked)
            await asyncio.sleep(PAUSE_SECONDS)
        # One that was shut down does not start again.
        self._calls = WorkerCalls()
        self._runtime = WorkflowRuntime("127.0.0.1", str(self._settings.dapr_grpc_port), QUIET, [self._calls])
        self._runtime.register_workflow(self._workflow())
        for step in self._steps():
            self._runtime.register_activity(step)
        self._connecting = asyncio.create_task(asyncio.to_thread(self._runtime.start))
        try:
            await asyncio.shield(self._connecting)
        except RuntimeError:
            # Lost again in that moment: the SDK goes on trying to connect by itself.
            log.exception("The workflow worker is not connected yet.")
        self.is_started = True

    async def stop(self) -> None:
        """Ends the connection; what was being done is done again by whoever is connected next."""
        self.is_started = False
        if self._connecting is None:
            return
        await asyncio.to_thread(self._calls.end, ENDED_WITHIN_SECONDS)
        while not self._connecting.done():
            # A runtime that is still making its thread takes no shutdown: it ignores it, or fails. So it is told again.
            with suppress(RuntimeError):
                await asyncio.to_thread(self._runtime.shutdown)
            await asyncio.wait([self._connecting], timeout=AGAIN_SECONDS)
        await asyncio.to_thread(self._runtime.shutdown)
        with suppress(RuntimeError):  # it was stopped before it was connected
            await self._connecting

    async def _sidecar_is_ready(self) -> bool:
        try:
            await check_ready(self._session, self._settings.dapr_http_port)
        except SidecarNotReady:
            return False
        return True
