"""Workflow instances, through the Dapr workflow client, with the errors of the engine told in this app's words."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from dapr.ext.workflow import WorkflowState, WorkflowStatus
from dapr.ext.workflow.aio import DaprWorkflowClient
from grpc import StatusCode
from grpc.aio import AioRpcError
from pydantic import BaseModel

ENGINE = "Dapr workflow engine"
HALF_SAVED = "missing from state store"
READ_AGAIN_SECONDS, LOST_AFTER_READS = 0.02, 100
ENDED = {WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.TERMINATED}


class EngineDown(Exception):
    """The engine, its scheduler or the sidecar did not do what it was asked for; `status` is 503 or 504."""

    def __init__(self, status: int, detail: str, dependency: str = ENGINE) -> None:
        super().__init__(detail)
        self.status, self.dependency = status, dependency


class Unreadable(EngineDown):
    """The engine refuses to load an instance, because a part of its state is missing: it does no turn any more."""


class NoInstance(Exception):
    """There is no workflow instance of that id."""


class AlreadyActive(Exception):
    """A workflow instance of that id is under way."""


class Instances:
    """Starts, reads and steers workflow instances. Any method may raise EngineDown."""

    def __init__(self, client: DaprWorkflowClient, seconds: float) -> None:
        # The SDK's signatures are partly unknown to the type checker.
        self._client: Any = client
        self._seconds = seconds

    async def start(self, workflow: str, instance_id: str, given: BaseModel) -> None:
        """Starts an instance; raises AlreadyActive. One that has ended is started anew: ask for its state before."""
        async with self._asked():
            await self._client.schedule_new_workflow(workflow, input=given, instance_id=instance_id)

    async def state(self, instance_id: str) -> WorkflowState | None:
        """The state of an instance, None if there is none. Raises Unreadable."""
        async with self._asked():
            missing: list[str] = []
            while True:
                try:
                    return await self._client.get_workflow_state(instance_id)
                except AioRpcError as error:
                    # The runtime reads an instance key by key, also while a turn of it is being saved. What is missing
                    # each time, and always the same, it has lost (both seen on 1.18.0).
                    reason = error.details() or ""
                    if HALF_SAVED not in reason:
                        raise
                    missing = [*missing, reason] if reason in missing else [reason]
                    if len(missing) >= LOST_AFTER_READS:
                        raise Unreadable(503, f"The {ENGINE} has lost a part of {instance_id}.") from error
                await asyncio.sleep(READ_AGAIN_SECONDS)

    async def raise_event(self, instance_id: str, name: str, data: dict[str, Any]) -> None:
        """Sends an event to an instance; raises NoInstance."""
        async with self._asked():
            await self._client.raise_workflow_event(instance_id, name, data=data)

    async def pause(self, instance_id: str) -> None:
        """Suspends an instance. Never twice without a resume in between: see pauses.py."""
        async with self._asked():
            await self._client.pause_workflow(instance_id)

    async def resume(self, instance_id: str) -> None:
        """Resumes an instance. Never one that is not suspended: see pauses.py."""
        async with self._asked():
            await self._client.resume_workflow(instance_id)

    async def stop(self, instance_id: str) -> WorkflowStatus:
        """Terminates an instance, and returns when it does nothing more: TERMINATED, or how it ended just before that.

        Raises NoInstance.
        """
        async with self._asked():
            await self._client.terminate_workflow(instance_id, output={"status": "terminated"})
            ended = await self._client.wait_for_workflow_completion(instance_id, fetch_payloads=False)
        if ended is None:
            raise NoInstance
        return ended.runtime_status

    @asynccontextmanager
    async def _asked(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError as error:
            raise EngineDown(504, f"The {ENGINE} did not answer within {self._seconds:g} s.") from error
        except AioRpcError as error:
            # The engine has one status for all that can go wrong; only its words tell which it was (seen on 1.18.0).
            reason = error.details() or ""
            if "no such instance exists" in reason:
                raise NoInstance from error
            if "already exists" in reason or "already awaiting an activity result" in reason:
                raise AlreadyActive from error
            place = "Dapr sidecar" if error.code() is StatusCode.UNAVAILABLE else ENGINE
            raise EngineDown(503, f"The {place} cannot do this now.") from error


def not_begun(order_id: str) -> EngineDown:
    """What an order cannot do before its first turn, until which its run is not known."""
    return EngineDown(503, f"Order {order_id} is accepted and has not begun yet; ask again.")


def quiet_seconds(state: WorkflowState) -> float:
    """How long ago an instance did its last turn."""
    return (datetime.now(UTC) - state.last_updated_at.replace(tzinfo=UTC)).total_seconds()


def active(state: WorkflowState | None) -> bool:
    """Whether there is an instance, and it has not ended."""
    return state is not None and state.runtime_status not in ENDED
