"""Begins once more an order whose workflow the engine has broken off.

Dapr 1.18.0 was seen to write a turn twice while the scheduler died just then: the SDK refuses such a history, and the
workflow ends as FAILED in the middle of its story. A second workflow of the same run goes the same way: the services
have done the steps already, and the verdict that was given is in the state store.

Not at once: a step of the first may be under way still, and its result would count as one of the second (seen on
1.18.0), which then waits for ever for its own.
"""

import logging
from contextlib import suppress

from dapr.ext.workflow import WorkflowState, WorkflowStatus

from claims import Claims
from instances import AlreadyActive, Instances, quiet_seconds
from messages import OrderInput, Progress, Resumed, run_of
from names import instance_of
from pauses import Pauses
from settings import Settings
from undoings import Undoing
from validations import Validations
from workflow import VERSION

log = logging.getLogger("pizza-workflow")


class Restarts:
    """Restarts orders, each run once. Raises EngineDown and StoreFailed."""

    def __init__(
        self, settings: Settings, instances: Instances, claims: Claims, pauses: Pauses, validations: Validations
    ) -> None:
        self._quiet = settings.time_limits.quiet
        self._instances, self._claims = instances, claims
        self._pauses, self._validations = pauses, validations

    async def restart(self, order_id: str, state: WorkflowState, undoing: Undoing) -> bool:
        """Begins the order once more, now or at a later look, if nothing speaks against that; whether nothing does."""
        given = await self.takes_up(order_id, state, undoing)
        if given is None:
            return False
        if quiet_seconds(state) < self._quiet:
            return True
        log.warning("an order is begun once more", extra={"fields": {"order_id": order_id, "run": given.run}})
        told = state.serialized_custom_status
        resumed = Resumed(
            attempt=await self._validations.resumes_at(order_id, given.run),
            timeline=Progress.model_validate_json(told).timeline if told else [],
        )
        again = given.model_copy(update={"resumed": resumed, "version": VERSION})
        with suppress(AlreadyActive):
            await self._instances.start("pizza_workflow", instance_of(order_id), again)
        return True

    async def takes_up(self, order_id: str, state: WorkflowState, undoing: Undoing) -> OrderInput | None:
        """What an order was begun with that is to be begun once more; None if it is not."""
        if state.runtime_status is not WorkflowStatus.FAILED or not state.serialized_input:
            return None
        given = OrderInput.model_validate_json(state.serialized_input)
        if given.resumed or (undoing.state and run_of(undoing.state.serialized_input) == given.run):
            return None
        # What was accepted must not be forgotten: a second workflow knows of no cancellation and of no pause.
        claim, _ = await self._claims.read(order_id)
        if claim is None or claim.run != given.run or claim.cancelled:
            return None
        return None if await self._pauses.holds(order_id, given.run) else given
