"""Run the process's one workflow worker: it takes work items from the sidecar and executes workflows and activities."""

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, get_type_hints

from dapr.conf import settings as sdk_settings
from dapr.ext.workflow import WorkflowActivityContext, WorkflowRuntime
from dapr.ext.workflow.logger import LoggerOptions
from pydantic import BaseModel

from kit.edge import logs
from kit.edge.settings import ServiceSettings
from kit.engine.worker_calls import WorkerCalls
from kit.sidecar.unavailable import Unavailable

Workflow = Callable[..., Any]
# An activity takes one Pydantic model and runs on the service's own event loop.
Activity = Callable[[Any], Awaitable[Any]]

# At INFO the SDK logs several lines for each step of each workflow, on handlers that it adds.
_CHATTY = ("durabletask-worker", "durabletask-client", "WorkflowRuntime", "DaprWorkflowContext")
# It also logs each error that it raises. instances.py knows which of them are expected.
_LOGS_WHAT_IT_RAISES = "DaprWorkflowClient"
QUIET = LoggerOptions(log_level="WARNING", log_handler=logging.NullHandler())
log = logging.getLogger(__name__)
_RETRY_SECONDS = 0.1
_DRAIN_SECONDS = 2.0  # for calls to the sidecar that are in flight; each takes milliseconds


def prepare_sdk(settings: ServiceSettings) -> None:
    """Lower the log levels of the workflow SDK, and give it the token that the sidecar wants."""
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_LOGS_WHAT_IT_RAISES).setLevel(logging.CRITICAL)
    token = settings.dapr_api_token
    sdk_settings.DAPR_API_TOKEN = token and token.get_secret_value()  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True)
class Version:
    """One version of a workflow. New instances of `name` run the latest; each instance keeps its first one."""

    workflow: Workflow
    name: str
    version_name: str
    is_latest: bool


class Worker:
    """Connect in the background, because the sidecar may start after the app."""

    def __init__(
        self, settings: ServiceSettings, workflows: Iterable[Workflow | Version], activities: Iterable[Activity]
    ) -> None:
        self._settings = settings
        self._workflows, self._activities = list(workflows), list(activities)
        self._starting: asyncio.Task[None] | None = None
        self._leaving = asyncio.Lock()

    def start(self) -> None:
        """Begin to connect. Work items arrive as soon as there is a sidecar."""
        prepare_sdk(self._settings)
        self._calls = WorkerCalls()
        # A runtime that was shut down cannot start again, so each start makes one.
        self._runtime: Any = WorkflowRuntime("127.0.0.1", str(self._settings.dapr_grpc_port), QUIET, [self._calls])
        for workflow in self._workflows:
            if isinstance(workflow, Version):
                facts = {"version_name": workflow.version_name, "is_latest": workflow.is_latest}
                self._runtime.register_versioned_workflow(_copy_of(workflow.workflow), name=workflow.name, **facts)
            else:
                self._runtime.register_workflow(_copy_of(workflow))
        loop = asyncio.get_running_loop()
        for activity in self._activities:
            self._runtime.register_activity(_on(loop, activity))
        # `start` blocks until the sidecar has opened the stream of work items, without a time limit.
        self._starting = asyncio.create_task(asyncio.to_thread(self._runtime.start))

    @property
    def connected(self) -> bool:
        """Return whether the worker has connected since its start. The SDK reconnects it after a lost sidecar."""
        return self._starting is not None and self._starting.done()

    @asynccontextmanager
    async def disconnected(self) -> AsyncGenerator[None]:
        """Disconnect the worker while the block runs, then reconnect it."""
        async with self._leaving:
            await self.stop()
            try:
                yield
            finally:
                self.start()

    async def stop(self) -> None:
        """Take no more work items, give up those in flight (Dapr dispatches them again), and disconnect."""
        if self._starting is None:
            return
        await asyncio.to_thread(self._calls.end, _DRAIN_SECONDS)
        while not self._starting.done():
            # A runtime that is still creating its thread ignores a shutdown or fails on it, so this repeats.
            with suppress(RuntimeError):
                await asyncio.to_thread(self._runtime.shutdown)
            await asyncio.wait([self._starting], timeout=_RETRY_SECONDS)
        await asyncio.to_thread(self._runtime.shutdown)
        with suppress(RuntimeError):  # it stopped before it connected, or lost its sidecar at that moment
            await self._starting
        self._starting = None


@asynccontextmanager
async def running(worker: Worker, *watches: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
    """Run the worker and these watches while the block runs. Stop the watches first: they may reconnect the worker."""
    worker.start()
    tasks = [asyncio.create_task(watch()) for watch in watches]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await worker.stop()
        for error in ended:
            if isinstance(error, Exception):
                raise error


def model_of(activity: Activity) -> type[BaseModel]:
    """Return the model that an activity takes."""
    (model,) = (hint for name, hint in get_type_hints(activity).items() if name != "return")
    assert issubclass(model, BaseModel)
    return model


def _copy_of(workflow: Workflow) -> Workflow:
    # A runtime marks each function that it registers, so every runtime needs another function.
    @functools.wraps(workflow)
    def run(*args: Any) -> Any:
        return workflow(*args)

    return run


def _on(loop: asyncio.AbstractEventLoop, activity: Activity) -> Callable[..., Awaitable[Any]]:
    # The SDK runs activities on another event loop, in another thread. The service's clients work only on its loop.
    model = model_of(activity)

    async def on_the_services_loop(ctx: WorkflowActivityContext, arguments: dict[str, Any]) -> Any:
        # The coroutine on the other loop gets a copy of this context.
        logs.instance_id.set(ctx.workflow_id)
        step = _as_coroutine(activity(model.model_validate(arguments)))
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(step, loop))

    on_the_services_loop.__name__ = getattr(activity, "__name__")  # noqa: B009
    return on_the_services_loop


async def _as_coroutine(step: Awaitable[Any]) -> Any:
    try:
        return await step
    except Unavailable as error:
        # The history keeps the error's detail only.
        facts = {"dependency": error.dependency, "errorCode": error.error_code, "reason": error.reason}
        log.warning("activity failed", extra={**facts, "detail": error.detail})
        raise
