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
Word = Literal["pause", "resume"]


class Turn(BaseModel):
    """The state `pause_{order_id}`: what the engine was last told of this run."""

    run: str
    told: Word
    at: datetime
    # Tells apart two requests of the same moment (store.py); turns from before have none.
    by: str = ""


class Pauses:
    """Pauses and resumes orders. Raises EngineDown when what the engine was told before is not seen to be done."""

    def __init__(self, instances: Instances, store: Store, wait_seconds: float, grace_seconds: float) -> None:
        self._instances, self._store = instances, store
        self._wait_seconds, self._grace_seconds = wait_seconds, grace_seconds

    async def pause(self, order_id: str, run: str) -> None:
        """Pauses an order; does nothing when it is paused."""
        await self._until_told(order_id, run, "pause")

    async def resume(self, order_id: str, run: str) -> None:
        """Resumes an order; does nothing when it is not paused."""
        await self._until_told(order_id, run, "resume")

    async def holds(self, order_id: str, run: str) -> bool:
        """Whether a pause of this run was asked for last, and no resume since."""
        turn, _ = await self._turn(order_id, run)
        return turn is not None and turn.told == "pause"

    async def _until_told(self, order_id: str, run: str, wanted: Word) -> None:
        now = asyncio.get_running_loop().time
        until = now() + self._wait_seconds
        while on_its_way := await self._tell(order_id, run, wanted):
            if now() > until:
                raise EngineDown(503, f"Order {order_id} was told to {on_its_way} and has not done so yet.")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _tell(self, order_id: str, run: str, wanted: Word) -> Word | None:
        """Tells the engine, unless the order is so already; returns what must first be seen to be done, if anything.

        Whoever took the last turn may just be telling the engine, or have failed to: only the order itself shows it.
        To tell the same again before that, or the contrary, would be one word too many. A turn that is old, and not
        done all the same, never came to the engine: it counts no more.
        """
        turn, etag = await self._turn(order_id, run)
        # After the turn: what the turn says may be done by now, but nothing is undone without another turn.
        state = await self._instances.state(instance_of(order_id))
        if not active(state):
            return None
        so_far: Word = "pause" if _paused(state) else "resume"
        if turn and turn.told != so_far and not self._is_old(turn):
            return turn.told
        if so_far != wanted:
            await self._take(order_id, run, wanted, etag)
            await (self._instances.pause if wanted == "pause" else self._instances.resume)(instance_of(order_id))
        return None

    async def _turn(self, order_id: str, run: str) -> tuple[Turn | None, str | None]:
        turn, etag = await self._store.read(_key(order_id), Turn)
        return (turn if turn and turn.run == run else None), etag

    async def _take(self, order_id: str, run: str, told: Word, etag: str | None) -> None:
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
