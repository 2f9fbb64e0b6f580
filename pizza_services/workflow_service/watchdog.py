"""A watchdog of orders: for each a Dapr job, which looks every minute until the order is over.

An order's own workflow sees to its deadline, and undoes what it did. It cannot once it has failed through no fault of
its steps, or a part of its state is lost: Dapr 1.18.0 was seen to do either to one order in several hundred while its
parts were killed. The watchdog has one that failed begun once more (restarts.py). Whatever else has ended, or cannot
begin again, it has undone from outside, as a forced cancellation does. An order that is only quiet is sent an event
that means nothing: not taken, it shows a standstill (standstill.py).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

from dapr.aio.clients import DaprClient
from dapr.clients import ConstantFailurePolicy, Job
from dapr.clients.exceptions import DaprGrpcError, DaprInternalError
from dapr.ext.workflow import WorkflowState, WorkflowStatus
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.struct_pb2 import Value

from instances import EngineDown, Instances, NoInstance, Unreadable, active, quiet_seconds
from lost_orders import LostOrders
from messages import OrderInput
from names import instance_of, watch_of
from restarts import Restarts
from sdk_client import SdkClient
from settings import Settings
from standstill import Standstill
from undoings import Undoing, Undoings, came_to_an_end

SCHEDULER = "Dapr scheduler"
LOST = "the workflow's state is lost"
# No workflow waits for an event of this name.
NUDGE = "Nudge"
log = logging.getLogger("pizza-workflow")


class Watchdog:
    """Schedules the looks at orders, and has undone what stands still. Any method may raise EngineDown."""

    def __init__(
        self,
        settings: Settings,
        sdk: SdkClient,
        instances: Instances,
        undoings: Undoings,
        lost: LostOrders,
        restarts: Restarts,
        standstill: Standstill,
    ) -> None:
        self._settings, self._sdk, self._instances = settings, sdk, instances
        self._undoings, self._lost, self._restarts, self._standstill = undoings, lost, restarts, standstill

    async def watch(self, order_id: str) -> None:
        """From now on, and whatever happens to this process, somebody looks at the order."""
        every = f"{self._settings.watch_every_seconds}s"
        data = AnyMessage()
        # Over HTTP a job without data reaches no app (seen on 1.18.0).
        data.Pack(Value(string_value=order_id))
        job = Job(
            watch_of(order_id),
            schedule=f"@every {every}",
            due_time=every,
            data=data,
            # A look that failed is made up for by the next.
            failure_policy=ConstantFailurePolicy(max_retries=1, interval_seconds=1),
        )
        async with self._asked() as client:
            await client.schedule_job(job, overwrite=True)

    async def look(self, order_id: str) -> None:
        """Helps an order whose workflow cannot go on by itself; looks no more when the order is over."""
        undoing = await self._undoings.of(order_id)
        try:
            state = await self._instances.state(instance_of(order_id))
        except Unreadable:
            await self._look_at_lost(order_id, undoing)
            return
        if state is None or came_to_an_end(state, undoing):
            await self._look_no_more(order_id)
        elif undoing.state and active(undoing.state):
            await self._nudge(undoing.instance_id, undoing.state)
        elif state.runtime_status is not WorkflowStatus.SUSPENDED:
            # Who paused an order has taken it into his own hands.
            await self._look_at_unended(order_id, state, undoing)

    async def _look_at_unended(self, order_id: str, state: WorkflowState, undoing: Undoing) -> None:
        if await self._restarts.restart(order_id, state, undoing):
            return
        # Before the first turn its input is not told, nor are its rules thereby.
        given = OrderInput.model_validate_json(state.serialized_input) if state.serialized_input else None
        if given and (fault := self._fault_of(state, given)):
            _warn(order_id, fault)
            await self._undoings.start(order_id, given, fault)
        else:
            await self._nudge(instance_of(order_id), state)

    async def _look_at_lost(self, order_id: str, undoing: Undoing) -> None:
        if undoing.state and active(undoing.state):
            await self._nudge(undoing.instance_id, undoing.state)
        elif await self._lost.undo(order_id, LOST):
            _warn(order_id, LOST)
        else:
            await self._look_no_more(order_id)

    async def _nudge(self, instance_id: str, state: WorkflowState) -> None:
        """Sends a workflow that is quiet an event, which it takes unless it stands still."""
        if quiet_seconds(state) <= self._settings.watch_quiet_seconds:
            return
        try:
            with suppress(NoInstance):  # it may be purged just now
                await self._instances.raise_event(instance_id, NUDGE, {})
        except EngineDown as error:
            if error.status == 504:
                self._standstill.suspect()
            raise

    async def _look_no_more(self, order_id: str) -> None:
        async with self._asked() as client:
            await client.delete_job(watch_of(order_id))
        # It may have been started meanwhile, and then it was the new job that went.
        with suppress(Unreadable):
            if active(await self._instances.state(instance_of(order_id))):
                await self.watch(order_id)

    def _fault_of(self, state: WorkflowState, given: OrderInput) -> str | None:
        if not active(state):
            return f"the workflow ended as {state.runtime_status.name}"
        limit = timedelta(seconds=given.rules.deadline_seconds + self._settings.watch_grace_seconds)
        late = datetime.now(UTC) - state.created_at.replace(tzinfo=UTC) > limit
        return f"the workflow was not over {limit.total_seconds():g} s after its start" if late else None

    @asynccontextmanager
    async def _asked(self) -> AsyncGenerator[DaprClient]:
        seconds = self._settings.call_timeout_seconds
        try:
            async with asyncio.timeout(seconds), self._sdk.lent() as client:
                yield client
        except TimeoutError as error:
            raise EngineDown(504, f"The {SCHEDULER} did not answer within {seconds:g} s.", SCHEDULER) from error
        except (DaprGrpcError, DaprInternalError) as error:
            raise EngineDown(503, f"The {SCHEDULER} cannot do this now.", SCHEDULER) from error


def _warn(order_id: str, reason: str) -> None:
    log.warning("an order is undone from outside", extra={"fields": {"order_id": order_id, "reason": reason}})
