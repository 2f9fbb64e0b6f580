"""The workflow that compensates an order from outside. If the engine loses it, another follows.

The next one compensates everything again: the services do each step of it once. So does one for an order whose own
workflow is lost. Dapr loads an instance before it does anything with it. So it neither terminates nor purges a lost
one, not even with force, and starts no other under its id. `docs/dapr-faults.md` says how to remove its keys by hand.
"""

from contextlib import suppress
from typing import NamedTuple

from dapr.ext.workflow import WorkflowState, WorkflowStatus

from kit.engine.instances import AlreadyActive, Instances, LostInstance, active, idle_seconds
from messages import CompensationInput, OrderInput, run_of
from settings import Settings


class Compensation(NamedTuple):
    """A workflow that compensates an order from outside. Without a state it does not exist yet."""

    instance_id: str
    state: WorkflowState | None

    @property
    def is_active(self) -> bool:
        """Return whether it runs."""
        return active(self.state)

    def is_of(self, run: str) -> bool:
        """Return whether it compensates this run."""
        return self.state is not None and run_of(self.state.serialized_input) == run

    def is_done(self, run: str) -> bool:
        """Return whether it has compensated this run."""
        return self.is_of(run) and self.state is not None and self.state.runtime_status is WorkflowStatus.COMPLETED


class Compensations:
    """Find and start compensations. Raise Unavailable."""

    def __init__(self, settings: Settings, instances: Instances) -> None:
        self._instances, self._idle = instances, settings.time_limits.idle

    async def of(self, order_id: str) -> Compensation:
        """Return the one that counts: the first that is not lost. Raise LostInstance if all are."""
        lost: LostInstance | None = None
        # The order's id comes last, because ids that follow it could be the end of another order's id.
        for kind in ("pizza-undo", "pizza-undo2", "pizza-undo3"):
            instance_id = f"{kind}-{order_id}"
            try:
                return Compensation(instance_id, await self._instances.state(instance_id))
            except LostInstance as error:
                lost = error
        assert lost
        raise lost

    async def start(self, order_id: str, of: OrderInput, reason: str) -> None:
        """Stop an order that has begun and compensate it, unless that is running."""
        compensation = await self.of(order_id)
        state = compensation.state
        if state and not active(state) and idle_seconds(state) < self._idle:
            return  # a late result of its last step would count as one of the next: a later check starts it
        with suppress(AlreadyActive):
            # It stops the order itself, so that a crash between stopping and compensating leaves nothing half done.
            # It shows only its own statuses, so it does not continue those of a first workflow.
            input_ = CompensationInput(of=of.model_copy(update={"resumed": None}), reason=reason)
            await self._instances.schedule("compensation_workflow", compensation.instance_id, input_)
