"""Pausing and resuming, each sent to the engine once.

dapr-ext-workflow 1.18.3 does not bear repetitions: to resume a workflow that is not suspended fails it, and to pause
one twice makes its replay after the resume go round for ever (tests/test_sdk_traps.py shows both). So a request first
takes its turn in the state store, which only one of two can do.
"""

import asyncio
from datetime import UTC, datetime
from secrets import token_hex
from typing import Literal

from dapr.ext.workflow import WorkflowState, WorkflowStatus
from pydantic import BaseModel

import refusals
from instances import EngineDown, Instances, active
from names import instance_of
from store import Conflict, Store

PAUSE_SECONDS = 0.1


class Turn(BaseModel):
    """The state `pause_{order_id}`: what the engine was last told of this run."""

    run: str
    told: Literal["pause", "resume"]
    at: datetime
    # Tells apart two requests of the same moment (store.py); turns from before have none.
    by: str = ""


class Pauses:
    """Pauses and resumes orders."""

    def __init__(self, instances: Instances, store: Store, wait_seconds: float, grace_seconds: float) -> None:
        self._instances, self._store = instances, store
        self._wait_seconds, self._grace_seconds = wait_seconds, grace_seconds

    async def pause(self, order_id: str, run: str) -> None:
        """Pauses an order; does nothing when it is paused, or was told to already."""
        turn, etag = await self._turn(order_id, run)
        # A turn that is old, and whose order goes on all the same, never came to the engine: it is taken again.
        if turn and turn.told == "pause" and (not self._is_old(turn) or await self._is_paused(order_id)):
            return
        await self._take(order_id, run, "pause", etag)
        await self._instances.pause(instance_of(order_id))

    async def resume(self, order_id: str, run: str) -> None:
        """Resumes an order; does nothing when it is not paused, or was told to already."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                # A resume that overtakes its pause would fail the workflow, so it waits until the pause is seen.
                while not await self._resumed(order_id, run):  # noqa: ASYNC110 (another process changes it)
                    await asyncio.sleep(PAUSE_SECONDS)
        except TimeoutError as error:
            raise EngineDown(503, f"Order {order_id} was told to pause and has not done so yet.") from error

    async def _resumed(self, order_id: str, run: str) -> bool:
        turn, etag = await self._turn(order_id, run)
        state = await self._instances.state(instance_of(order_id))
        told = turn.told if turn and not self._is_old(turn) else None
        if _paused(state):
            if told != "resume":
                await self._take(order_id, run, "resume", etag)
                await self._instances.resume(instance_of(order_id))
            return True
        if told == "pause" and active(state):
            return False
        if turn and turn.told == "pause":
            # Whoever took this turn never told the engine; the next pause may.
            await self._take(order_id, run, "resume", etag)
        return True

    async def _is_paused(self, order_id: str) -> bool:
        return _paused(await self._instances.state(instance_of(order_id)))

    async def _turn(self, order_id: str, run: str) -> tuple[Turn | None, str | None]:
        turn, etag = await self._store.read(_key(order_id), Turn)
        return (turn if turn and turn.run == run else None), etag

    async def _take(self, order_id: str, run: str, told: Literal["pause", "resume"], etag: str | None) -> None:
        try:
            turn = Turn(run=run, told=told, at=datetime.now(UTC), by=token_hex(4))
            await self._store.write(_key(order_id), turn, etag)
        except Conflict:
            raise refusals.clash(order_id) from None

    def _is_old(self, turn: Turn) -> bool:
        # Whoever took the turn may have crashed before the engine was told.
        return (datetime.now(UTC) - turn.at).total_seconds() > self._grace_seconds


def _key(order_id: str) -> str:
    return f"pause_{order_id}"


def _paused(state: WorkflowState | None) -> bool:
    return state is not None and state.runtime_status is WorkflowStatus.SUSPENDED
