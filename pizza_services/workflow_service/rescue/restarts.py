"""Restart an order whose workflow failed through no fault of its steps (FAULTS.md).

A second workflow of the same run repeats the story: the services have done the steps already, and the verdict is in the
state store. It must wait until no step of the first can still be running. Otherwise its result would count as one of
the second, which would then wait for its own for ever.
"""

import logging
from contextlib import suppress

from kit.engine.instances import AlreadyActive, Instances, idle_seconds
from messages import VERSION, Resumed, instance_of
from orders.standing import Position
from records.verdicts import Verdicts
from settings import Settings

log = logging.getLogger("pizza-workflow")


class Restarts:
    """Restart orders, each run once. Raise Unavailable."""

    def __init__(self, settings: Settings, instances: Instances, verdicts: Verdicts) -> None:
        self._idle = settings.time_limits.idle
        self._instances, self._verdicts = instances, verdicts

    async def restart(self, position: Position) -> None:
        """Restart an order whose standing is RESTARTING, or leave it to a later check if it is not idle yet."""
        assert position.state
        if idle_seconds(position.state) < self._idle:
            return
        first, progress = position.input, position.progress
        log.warning("restarting order", extra={"order_id": position.order_id, "run": first.run})
        attempt = await self._verdicts.resumes_at(position.order_id, first.run)
        resumed = Resumed(attempt=attempt, timeline=progress.timeline, unpublished=progress.unpublished)
        second = first.model_copy(update={"resumed": resumed, "version": VERSION})
        with suppress(AlreadyActive):
            await self._instances.schedule("pizza_workflow", instance_of(position.order_id), second)
