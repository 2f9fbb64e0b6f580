"""The workflow that undoes an order from outside; one that the engine has lost is followed by another.

The next one undoes everything again: the services do each step of it once, whoever asks for it.
"""

from typing import NamedTuple

from dapr.ext.workflow import WorkflowState, WorkflowStatus

from instances import AlreadyActive, Instances, Unreadable, active, quiet_seconds
from messages import Compensation, OrderInput, run_of
from names import compensations_of


class Undoing(NamedTuple):
    """A workflow that undoes an order from outside; without a state it has not begun."""

    instance_id: str
    state: WorkflowState | None

    def is_done(self, run: str) -> bool:
        """Whether it has undone this run."""
        if self.state is None or self.state.runtime_status is not WorkflowStatus.COMPLETED:
            return False
        return run_of(self.state.serialized_input) == run


class Undoings:
    """Finds and starts them. Any method may raise EngineDown."""

    def __init__(self, instances: Instances, quiet_seconds: float) -> None:
        # How long nothing must have happened before one that has ended is begun again under its id.
        self._instances, self._quiet = instances, quiet_seconds

    async def of(self, order_id: str) -> Undoing:
        """The one that counts: the first that is not lost. Raises Unreadable when all are."""
        lost: Unreadable | None = None
        for instance_id in compensations_of(order_id):
            try:
                return Undoing(instance_id, await self._instances.state(instance_id))
            except Unreadable as error:
                lost = error
        assert lost
        raise lost

    async def start(self, order_id: str, of: OrderInput, reason: str) -> None:
        """Stops an order that has begun and undoes it, unless that is under way."""
        undoing = await self.of(order_id)
        if undoing.state and not active(undoing.state) and quiet_seconds(undoing.state) < self._quiet:
            return  # a late result of its last step would count as one of the next: at a later look
        given = Compensation(of=of, reason=reason)
        try:
            # It stops the order itself: a crash between stopping and undoing leaves nothing half done.
            await self._instances.start("compensation_workflow", undoing.instance_id, given)
        except AlreadyActive:
            return


def came_to_an_end(order: WorkflowState, undoing: Undoing) -> bool:
    """Whether all of an order is done or undone: by its own workflow, or from outside for the same run."""
    return order.runtime_status is WorkflowStatus.COMPLETED or undoing.is_done(run_of(order.serialized_input))
