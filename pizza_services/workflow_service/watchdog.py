"""A watchdog of orders: for each a Dapr job, which looks every minute until the order is over.

An order's own workflow sees to its deadline, and undoes what it did. It cannot once it has failed through no fault of
its steps, or a part of its state is lost: Dapr 1.18.0 was seen to do either to one order in several hundred while its
parts were killed. Then the watchdog has the order undone from outside, as a forced cancellation does.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from dapr.aio.clients import DaprClient
from dapr.clients import ConstantFailurePolicy, Job
from dapr.clients.exceptions import DaprGrpcError, DaprInternalError
from dapr.ext.workflow import WorkflowState, WorkflowStatus
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.struct_pb2 import Value

from instances import EngineDown, Instances, Unreadable, active
from messages import OrderInput
from names import instance_of, watch_of
from orders import Orders
from sdk_client import SdkClient
from settings import Settings

SCHEDULER = "Dapr scheduler"
log = logging.getLogger("pizza-workflow")


class Watchdog:
    """Schedules the looks at orders, and has undone what stands still. Any method may raise EngineDown."""

    def __init__(self, settings: Settings, sdk: SdkClient, instances: Instances, orders: Orders) -> None:
        self._settings, self._sdk, self._instances, self._orders = settings, sdk, instances, orders

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
        """Has the order undone if its workflow cannot do that itself; looks no more when the order is over."""
        try:
            state = await self._instances.state(instance_of(order_id))
        except Unreadable:
            fault = "the workflow's state is lost"
            if not await self._orders.undo_lost(order_id, fault):
                await self._look_no_more(order_id)
            else:
                _warn(order_id, fault)
            return
        if state is None or await self._orders.is_over(order_id, state):
            await self._look_no_more(order_id)
        elif fault := self._fault_of(state):
            _warn(order_id, fault)
            await self._orders.undo(order_id, OrderInput.model_validate_json(state.serialized_input), fault)

    async def _look_no_more(self, order_id: str) -> None:
        async with self._asked() as client:
            await client.delete_job(watch_of(order_id))

    def _fault_of(self, state: WorkflowState) -> str | None:
        if not active(state):
            return f"the workflow ended as {state.runtime_status.name}"
        # Who paused an order has taken it into his own hands; before the first turn its rules are not told.
        if state.runtime_status is WorkflowStatus.SUSPENDED or not state.serialized_input:
            return None
        deadline = OrderInput.model_validate_json(state.serialized_input).rules.deadline_seconds
        limit = timedelta(seconds=deadline + self._settings.watch_grace_seconds)
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
