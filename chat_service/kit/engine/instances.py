"""Schedule, read, steer and remove workflow instances, with time limits and the engine's errors translated."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from dapr.ext.workflow import WorkflowState, WorkflowStatus
from dapr.ext.workflow.aio import DaprWorkflowClient
from grpc import StatusCode
from grpc.aio import AioRpcError
from pydantic import BaseModel

from kit.edge.settings import ServiceSettings
from kit.engine.worker import QUIET, prepare_sdk
from kit.sidecar.client import OnCalls
from kit.sidecar.unavailable import SIDECAR, Unavailable

ENGINE = "Dapr workflow engine"
ENDED = frozenset((WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.TERMINATED))
RETRY_AFTER_SECONDS = 5
HALF_SAVED = "missing from state store"
READ_AGAIN_SECONDS, LOST_AFTER_READS = 0.02, 100
# The engine has one gRPC status for all that can go wrong. Only the text of the error tells the cases apart.
_MISSING, _ACTIVE, _NOT_ENDED = "no such instance exists", "already exists", "not yet completed"
_HAS_STARTED = "already awaiting an activity result"


class LostInstance(Unavailable):
    """The engine refuses to load an instance, because a part of its state is missing (FAULTS.md)."""


class NoInstance(Exception):
    """There is no workflow instance of that id."""


class AlreadyActive(Exception):
    """A workflow instance of that id is running."""


class Instances:
    """Call the engine through the SDK's client. Any method may raise Unavailable.

    Without the scheduler, Dapr does not refuse a start but keeps the caller waiting: each call has a time limit.
    """

    def __init__(self, settings: ServiceSettings, seconds: float) -> None:
        prepare_sdk(settings)
        # The SDK's signatures are partly unknown to the type checker. Its channel opens at the first call.
        self._client: Any = DaprWorkflowClient("127.0.0.1", str(settings.dapr_grpc_port), QUIET)
        # The engine starts a workflow in the trace of the call. The SDK has no option for an interceptor.
        self._client._DaprWorkflowClient__obj._interceptors.append(OnCalls())
        self._seconds = seconds

    async def schedule(self, workflow: str, instance_id: str, input: BaseModel) -> None:
        """Schedule an instance. Raise AlreadyActive if it runs.

        Dapr runs an instance that has ended again under the same id, so read its state first.
        """
        async with self._call():
            await self._client.schedule_new_workflow(workflow, input=input, instance_id=instance_id)

    async def state(self, instance_id: str, *, payloads: bool = True) -> WorkflowState | None:
        """Return the state of an instance, or None if there is none. Raise LostInstance."""
        async with self._call():
            return await _whole(
                instance_id, lambda: self._client.get_workflow_state(instance_id, fetch_payloads=payloads)
            )

    async def wait(self, instance_id: str, seconds: float) -> WorkflowState | None:
        """Wait until an instance ends. Return None if it does not within `seconds`, or if there is none.

        The sidecar answers as soon as it ends: one open call, no polling. Its own time limit is up to 5 s late, so the
        limit is set here.
        """
        try:
            async with self._translated(), asyncio.timeout(seconds):
                return await _whole(instance_id, lambda: self._client.wait_for_workflow_completion(instance_id))
        except (TimeoutError, NoInstance):  # the sidecar reads it again after its end: it may be purged by then
            return None

    async def has_ended(self, instance_id: str) -> bool | None:
        """Return whether an instance does nothing more, because it ended or is lost. Return None if there is none."""
        try:
            state = await self.state(instance_id, payloads=False)
        except LostInstance:
            return True
        return None if state is None else state.runtime_status in ENDED

    async def raise_event(self, instance_id: str, name: str, data: Any = None) -> None:
        """Raise an event for an instance. Raise NoInstance or LostInstance."""
        async with self._call(instance_id):
            await self._client.raise_workflow_event(instance_id, name, data=data)

    async def pause(self, instance_id: str) -> None:
        """Suspend an instance. Never do so twice without a resume in between (FAULTS.md)."""
        async with self._call(instance_id):
            await self._client.pause_workflow(instance_id)

    async def resume(self, instance_id: str) -> None:
        """Resume an instance. Never resume one that is not suspended (FAULTS.md)."""
        async with self._call(instance_id):
            await self._client.resume_workflow(instance_id)

    async def terminate(self, instance_id: str, output: Any) -> WorkflowStatus:
        """Terminate an instance and wait until it has ended. Return TERMINATED, or how it ended just before.

        Raise NoInstance or LostInstance.
        """
        async with self._call(instance_id):
            await self._client.terminate_workflow(instance_id, output=output)
            ended = await self._client.wait_for_workflow_completion(instance_id, fetch_payloads=False)
        if ended is None:
            raise NoInstance(instance_id)
        return ended.runtime_status

    async def purge(self, instance_id: str, output: Any) -> None:
        """Remove an instance and its history, terminating it first if it runs. Do nothing if there is none.

        Raise LostInstance: only the state store itself can delete the keys of such an instance.
        """
        async with self._call(instance_id):
            while (state := await self.state(instance_id, payloads=False)) is not None:
                try:
                    if state.runtime_status not in ENDED:
                        await self.terminate(instance_id, output)
                    async with self._call(instance_id):
                        await self._client.purge_workflow(instance_id)
                except NoInstance:
                    return
                except AlreadyActive:  # it has ended, and its last turn is still being saved
                    await asyncio.sleep(READ_AGAIN_SECONDS)

    @asynccontextmanager
    async def _call(self, instance_id: str = "") -> AsyncGenerator[None]:
        try:
            async with self._translated(instance_id), asyncio.timeout(self._seconds):
                yield
        except TimeoutError as error:
            detail = f"The {ENGINE} did not answer within {self._seconds:g} s."
            raise Unavailable(504, ENGINE, detail, retry_after=RETRY_AFTER_SECONDS) from error

    @asynccontextmanager
    async def _translated(self, instance_id: str = "") -> AsyncGenerator[None]:
        try:
            yield
        except AioRpcError as error:
            reason = error.details() or ""
            if _MISSING in reason:
                raise NoInstance(instance_id) from error
            if _ACTIVE in reason or _HAS_STARTED in reason or _NOT_ENDED in reason:
                raise AlreadyActive(instance_id) from error
            if HALF_SAVED in reason:
                raise _lost(instance_id, reason) from error
            place = SIDECAR if error.code() is StatusCode.UNAVAILABLE else ENGINE
            detail = f"The {place} cannot do this now."
            raise Unavailable(503, place, detail, reason=reason, retry_after=RETRY_AFTER_SECONDS) from error


async def _whole(instance_id: str, read: Callable[[], Awaitable[WorkflowState | None]]) -> WorkflowState | None:
    # The runtime reads an instance key by key, also while a turn of it is being saved: then a key is missing for a
    # moment. The engine has lost an instance if the same key is missing each time.
    missing: list[str] = []
    while True:
        try:
            return await read()
        except AioRpcError as error:
            reason = error.details() or ""
            if HALF_SAVED not in reason:
                raise
            missing = [*missing, reason] if reason in missing else [reason]
            if len(missing) >= LOST_AFTER_READS:
                raise _lost(instance_id, reason) from error
            await asyncio.sleep(READ_AGAIN_SECONDS)


def _lost(instance_id: str, reason: str) -> LostInstance:
    detail = f"The {ENGINE} has lost a part of {instance_id}."
    return LostInstance(503, ENGINE, detail, reason=reason, retry_after=RETRY_AFTER_SECONDS)


def active(state: WorkflowState | None) -> bool:
    """Return whether there is an instance that has not ended."""
    return state is not None and state.runtime_status not in ENDED


def idle_seconds(state: WorkflowState) -> float:
    """Return the seconds since an instance's last turn."""
    return (datetime.now(UTC) - state.last_updated_at.replace(tzinfo=UTC)).total_seconds()
