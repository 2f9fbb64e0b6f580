"""The workflow worker: takes work from the sidecar, and runs workflows and activities in this process."""

import asyncio
import functools
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, get_type_hints

from dapr.ext.workflow import WorkflowActivityContext, WorkflowRuntime
from dapr.ext.workflow.logger import LoggerOptions
from pydantic import BaseModel

from activities import Activities
from settings import Settings
from worker_calls import WorkerCalls
from workflow import WORKFLOWS

# They tell of every turn of every workflow, on a handler of their own.
CHATTY = ("durabletask-worker", "durabletask-client", "WorkflowRuntime", "DaprWorkflowContext")
# It logs each error that it raises too; instances.py knows which of them are none.
LOGS_WHAT_IT_RAISES = "DaprWorkflowClient"
QUIET = LoggerOptions(log_level="WARNING", log_handler=logging.NullHandler())
AGAIN_SECONDS = 0.1
ENDED_WITHIN_SECONDS = 2.0  # of a call to the sidecar that is under way; it takes milliseconds


class Worker:
    """The process's one worker. It connects in the background, as the sidecar may come later than the app."""

    def __init__(self, settings: Settings, activities: Activities) -> None:
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger(LOGS_WHAT_IT_RAISES).setLevel(logging.CRITICAL)
        self._settings, self._activities = settings, activities
        self._starting: asyncio.Task[None] | None = None
        self._away = asyncio.Lock()

    def start(self) -> None:
        """Begins to connect, and to take work as soon as there is a sidecar."""
        self._calls = WorkerCalls()
        # One that was shut down does not start again.
        self._runtime: Any = WorkflowRuntime("127.0.0.1", str(self._settings.dapr_grpc_port), QUIET, [self._calls])
        for workflow in WORKFLOWS:
            self._runtime.register_workflow(_own(workflow), name=workflow.__name__)
        loop = asyncio.get_running_loop()
        for name, activity in inspect.getmembers(self._activities, inspect.iscoroutinefunction):
            if not name.startswith("_"):
                self._runtime.register_activity(_on(loop, activity), name=name)
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


def _own(workflow: Callable[..., Any]) -> Callable[..., Any]:
    # The runtime marks a function as registered, so each runtime needs one of its own.
    @functools.wraps(workflow)
    def run(*args: Any) -> Any:
        return workflow(*args)

    return run


def model_of(activity: Callable[..., Awaitable[Any]]) -> type[BaseModel]:
    """What an activity is given."""
    (model,) = (hint for name, hint in get_type_hints(activity).items() if name != "return")
    assert issubclass(model, BaseModel)
    return model


def _on(loop: asyncio.AbstractEventLoop, activity: Callable[[Any], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    # The worker has an event loop of its own, in a thread of its own. The service's clients belong to the service's
    # loop, so that is where activities run.
    model = model_of(activity)

    async def on_the_services_loop(_: WorkflowActivityContext, given: dict[str, Any]) -> Any:
        step = _as_coroutine(activity(model.model_validate(given)))
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(step, loop))

    return on_the_services_loop


async def _as_coroutine(step: Awaitable[Any]) -> Any:
    return await step
