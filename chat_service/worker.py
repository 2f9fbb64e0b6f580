"""The workflow worker: takes work from the sidecar, and runs the workflow and its activities in this process."""

# The SDK does not say of what its tasks and workflows are made.
# pyright: reportUnknownMemberType=false

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from dapr.ext.workflow import WorkflowRuntime
from dapr.ext.workflow.logger import LoggerOptions

from settings import Settings
from worker_calls import WorkerCalls

AGAIN_SECONDS = 0.1
ENDED_WITHIN_SECONDS = 2.0  # of a call to the sidecar that is under way; it takes milliseconds
# The SDK writes what it logs to standard error, as text, next to what goes to the root logger as JSON.
QUIET = LoggerOptions(log_level="WARNING", log_handler=logging.NullHandler())


def quiet_the_sdk() -> None:
    """At INFO the SDK logs several lines for each step of each workflow."""
    for name in ("durabletask-worker", "durabletask-client", "WorkflowRuntime", "DaprWorkflowClient"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Worker:
    """The process's one worker. It connects in the background, as the sidecar may come later than the app."""

    def __init__(self, settings: Settings, workflow: Callable[[], Any], steps: Callable[[], Iterable[Any]]) -> None:
        # Made anew for each runtime, which marks as its own what it registers.
        self._settings, self._workflow, self._steps = settings, workflow, steps
        self._starting: asyncio.Task[None] | None = None
        self._away = asyncio.Lock()

    def start(self) -> None:
        """Begins to connect, and to take work as soon as there is a sidecar."""
        self._calls = WorkerCalls()
        # One that was shut down does not start again.
        self._runtime = WorkflowRuntime("127.0.0.1", str(self._settings.dapr_grpc_port), QUIET, [self._calls])
        self._runtime.register_workflow(self._workflow())
        for step in self._steps():
            self._runtime.register_activity(step)
        # `start` blocks until the sidecar has opened the stream of work, without a time limit.
        self._starting = asyncio.create_task(asyncio.to_thread(self._runtime.start))

    @property
    def connected(self) -> bool:
        """Whether the worker has been connected since the start. It connects again by itself."""
        return self._starting is not None and self._starting.done()

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        """Leaves, and connects anew after what is done meanwhile."""
        async with self._away:
            await self.stop()
            try:
                yield
            finally:
                self.start()

    async def stop(self) -> None:
        """Takes no more work, gives up what is under way (Dapr hands it out again), and disconnects."""
        if self._starting is None:
            return
        await asyncio.to_thread(self._calls.end, ENDED_WITHIN_SECONDS)
        while not self._starting.done():
            # A runtime that is still making its thread takes no shutdown: it ignores it, or fails. So it is told again.
            with suppress(RuntimeError):
                await asyncio.to_thread(self._runtime.shutdown)
            await asyncio.wait([self._starting], timeout=AGAIN_SECONDS)
        await asyncio.to_thread(self._runtime.shutdown)
        with suppress(RuntimeError):  # it was stopped before it was connected, or lost its sidecar just then
            await self._starting
        self._starting = None
