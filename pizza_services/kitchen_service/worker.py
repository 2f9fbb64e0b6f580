"""The workflow worker of the kitchen: it has one activity, and no workflow of its own."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from dapr.ext.workflow import WorkflowActivityContext, WorkflowRuntime
from dapr.ext.workflow.logger import LoggerOptions

from models import QualityReport, QualityTask
from quality import QualityCheck
from settings import Settings
from worker_calls import WorkerCalls

# They tell of every activity, on a handler of their own.
CHATTY = ("durabletask-worker", "WorkflowRuntime")
QUIET = LoggerOptions(log_level="WARNING", log_handler=logging.NullHandler())

AGAIN_SECONDS = 0.1
ENDED_WITHIN_SECONDS = 2.0  # of a call to the sidecar that is under way; it takes milliseconds


class Worker:
    """The process's one worker. It connects in the background, as the sidecar may come later than the app."""

    def __init__(self, settings: Settings, quality: QualityCheck) -> None:
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        loop = asyncio.get_running_loop()

        async def quality_check(_: WorkflowActivityContext, task: QualityTask) -> dict[str, Any]:
            # The worker has an event loop of its own, in a thread of its own; the store's client belongs to the app's.
            checked = asyncio.run_coroutine_threadsafe(quality.check(task), loop)
            report: QualityReport = await asyncio.wrap_future(checked)
            return report.model_dump()

        self._calls = WorkerCalls()
        self._runtime: Any = WorkflowRuntime("127.0.0.1", str(settings.dapr_grpc_port), QUIET, [self._calls])
        self._runtime.register_activity(quality_check, name="quality_check")
        self._starting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to connect, and to take work as soon as there is a sidecar."""
        # `start` blocks until the sidecar has opened the stream of work, without a time limit.
        self._starting = asyncio.create_task(asyncio.to_thread(self._runtime.start))

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
        with suppress(RuntimeError):  # it was stopped before it was connected
            await self._starting
