"""Pause and resume orders so that the engine gets each command once.

The SDK does not survive repetitions: a resume of a running workflow fails it, and a second pause makes its replay loop
(FAULTS.md). So a request first records its command in the state store, which only one of two can do.
"""

import asyncio
from datetime import UTC, datetime
from secrets import token_hex
from typing import Literal

from dapr.ext.workflow import WorkflowStatus
from pydantic import BaseModel

from kit.engine.instances import ENGINE, RETRY_AFTER_SECONDS, Instances, active
from kit.sidecar.client import SdkClient
from kit.sidecar.store import Conflict, StateStore, Stored
from kit.sidecar.unavailable import Unavailable
from messages import instance_of
from orders import refusals
from settings import Settings

PAUSE_SECONDS = 0.1
Word = Literal["pause", "resume"]


class Command(BaseModel):
    """The state `pause_{order_id}`: the last command of this run that was sent to the engine."""

    run: str
    told: Word
    at: datetime
    # Tells apart two requests of the same moment.
    by: str = ""


class Pauses:
    """Pause and resume orders. Raise Unavailable if the engine does not carry out the command before."""

    def __init__(self, settings: Settings, sdk: SdkClient, instances: Instances) -> None:
        self._instances = instances
        self._store = StateStore(sdk, settings.statestore_name, Command, settings.record_retention_seconds)
        self._wait_seconds, self._grace_seconds = settings.call_timeout_seconds, settings.pause_grace_seconds

    async def send(self, wanted: Word, order_id: str, run: str) -> None:
        """Pause or resume an order. Do nothing if it is so already."""
        now = asyncio.get_running_loop().time
        until = now() + self._wait_seconds
        while in_flight := await self._try_to_send(order_id, run, wanted):
            if now() > until:
                detail = f"The command to {in_flight} order {order_id} was sent and is not carried out yet."
                raise Unavailable(503, ENGINE, detail, retry_after=RETRY_AFTER_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)

    async def holds(self, order_id: str, run: str) -> bool:
        """Return whether the last command of this run is a pause."""
        command = (await self._last(order_id, run)).value
        return command is not None and command.told == "pause"

    async def _try_to_send(self, order_id: str, run: str, wanted: Word) -> Word | None:
        """Send the command, unless the order is so already. Return the command that must be carried out first, if any.

        Another request may be sending its command at this moment, or have failed to: only the order shows it. Sending
        the same or the contrary before that would be one command too many. An old command that is not carried out was
        lost.
        """
        last = await self._last(order_id, run)
        # After the command was read: it may be carried out by now, but the opposite needs another command.
        state = await self._instances.state(instance_of(order_id))
        if state is None or not active(state):
            return None
        so_far: Word = "pause" if state.runtime_status is WorkflowStatus.SUSPENDED else "resume"
        if last.value and last.value.told != so_far and not self._is_old(last.value):
            return last.value.told
        if so_far != wanted:
            command = Command(run=run, told=wanted, at=datetime.now(UTC), by=token_hex(4))
            try:
                await self._store.save(_key(order_id), command, last.etag, is_unique=True)
            except Conflict:
                raise refusals.CLASH.of(order_id) from None
            await (self._instances.pause if wanted == "pause" else self._instances.resume)(instance_of(order_id))
        return None

    async def _last(self, order_id: str, run: str) -> Stored[Command]:
        found = await self._store.get(_key(order_id))
        return found if found.value and found.value.run == run else Stored(found.key, None, found.etag)

    def _is_old(self, command: Command) -> bool:
        # The request may have crashed before it sent the command.
        return (datetime.now(UTC) - command.at).total_seconds() > self._grace_seconds


def _key(order_id: str) -> str:
    return f"pause_{order_id}"
