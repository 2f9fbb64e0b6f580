"""The workflow engine, through the SDK's client: start, ask, wait, tell, end."""

# The SDK does not say of what its workflows are made.
# pyright: reportUnknownMemberType=false

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
from dapr.ext.workflow import WorkflowState, WorkflowStatus
from dapr.ext.workflow.aio import DaprWorkflowClient

from failures import Unreachable, within
from settings import Settings
from turn import ChatTurn, Failure

ENGINE = "Dapr workflow engine"
ENDED = {WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.TERMINATED}
HALF_SAVED = "missing from state store"
PAUSE_SECONDS, LOST_AFTER_READS = 0.05, 40
log = logging.getLogger("chat")


class Lost(Unreachable):
    """The engine refuses to load an instance, because a part of its state is missing: it does no turn any more."""


class Workflows:
    """The instances of chat_workflow; raises Unreachable or TooSlow when the engine does not answer.

    With the scheduler down Dapr does not refuse a start, it keeps the caller waiting: every call here has a time limit.
    """

    def __init__(self, settings: Settings, client: DaprWorkflowClient) -> None:
        self._client, self._seconds = client, settings.schedule_seconds

    async def start(self, instance_id: str, turn: ChatTurn) -> None:
        """Starts the workflow of a message, unless it runs already."""
        async with self._calling():
            try:
                await self._client.schedule_new_workflow("chat_workflow", input=turn, instance_id=instance_id)
            except grpc.aio.AioRpcError as error:
                if "already exists" not in (error.details() or ""):
                    raise

    async def state(self, instance_id: str) -> WorkflowState | None:
        """How far an instance is, with its payloads; None when there is none."""
        async with self._calling():
            return await self._read(instance_id)

    async def ended(self, instance_id: str, seconds: float) -> WorkflowState | None:
        """Waits for an instance to end; None when it has not within that time, or is not there.

        The sidecar tells when that is: one open call, no polling. Its own idea of a time limit is imprecise (up to 5 s
        late, seen on 1.18.0), so the limit is set here.
        """
        try:
            async with asyncio.timeout(seconds):
                return await _whole(lambda: self._client.wait_for_workflow_completion(instance_id))
        except TimeoutError:
            return None
        except grpc.aio.AioRpcError as error:
            raise _unreachable(error) from error

    async def has_ended(self, instance_id: str) -> bool | None:
        """Whether an instance does nothing more: it has ended, or the engine has lost it. None when there is none."""
        try:
            state = await self.state(instance_id)
        except Lost:
            return True
        return None if state is None else state.runtime_status in ENDED

    async def tell(self, instance_id: str, event: str) -> None:
        """Raises an event for an instance. One that is not there (yet), or is lost, is left to itself."""
        async with self._calling():
            try:
                await self._client.raise_workflow_event(instance_id, event)
            except grpc.aio.AioRpcError as error:
                if not _missing(error) and HALF_SAVED not in (error.details() or ""):
                    raise

    async def remove(self, instance_id: str) -> None:
        """Ends an instance if it runs, and removes it with its history; of one that is lost, what is left stays."""
        try:
            await self._remove(instance_id)
        except Lost:
            # Dapr loads an instance before it does anything with it: only the store itself can delete these keys.
            log.error("The engine has lost a workflow and cannot remove it.", extra={"fields": {"id": instance_id}})

    async def _remove(self, instance_id: str) -> None:
        async with self._calling():
            while (state := await self._read(instance_id, fetch_payloads=False)) is not None:
                try:
                    if state.runtime_status not in ENDED:
                        await self._client.terminate_workflow(instance_id, output="forgotten")
                        await self._client.wait_for_workflow_completion(instance_id, fetch_payloads=False)
                    await self._client.purge_workflow(instance_id)
                except grpc.aio.AioRpcError as error:
                    # Ended by itself meanwhile, or not quite ended yet: ask again how it stands.
                    if not _missing(error) and "not yet completed" not in (error.details() or ""):
                        raise
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self, instance_id: str, *, fetch_payloads: bool = True) -> WorkflowState | None:
        return await _whole(lambda: self._client.get_workflow_state(instance_id, fetch_payloads=fetch_payloads))

    @asynccontextmanager
    async def _calling(self) -> AsyncGenerator[None]:
        async with within(ENGINE, self._seconds):
            try:
                yield
            except grpc.aio.AioRpcError as error:
                raise _unreachable(error) from error


async def _whole(read: Callable[[], Awaitable[WorkflowState | None]]) -> WorkflowState | None:
    # Dapr 1.18 reads an instance key by key: one that is written meanwhile looks torn, and a moment later does not.
    # What is missing each time, and always the same, it has lost (seen on 1.18.0).
    missing: list[str] = []
    while True:
        try:
            return await read()
        except grpc.aio.AioRpcError as error:
            reason = error.details() or ""
            if HALF_SAVED not in reason:
                raise
            missing = [*missing, reason] if reason in missing else [reason]
            if len(missing) >= LOST_AFTER_READS:
                raise Lost(ENGINE, "it has lost a part of this message's workflow.") from error
            await asyncio.sleep(PAUSE_SECONDS)


def failure_in(state: WorkflowState) -> Failure | None:
    """What a failed workflow left as its custom status."""
    told = state.serialized_custom_status
    return Failure.model_validate_json(told) if told else None


def _missing(error: grpc.aio.AioRpcError) -> bool:
    return "no such instance exists" in (error.details() or "")


def _unreachable(error: grpc.aio.AioRpcError) -> Unreachable:
    return Unreachable(ENGINE, f"it answers {error.code().name}.")
