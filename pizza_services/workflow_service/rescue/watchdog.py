"""Watch each order with a Dapr job, which checks it every minute until it has ended.

An order's own workflow keeps its deadline and compensates its steps. It cannot do so after it failed through no fault
of its steps, or after the engine lost a part of its state (FAULTS.md). The watchdog restarts a failed one once, and
compensates any other from outside, as a forced cancellation does. It sends an idle order an event that no workflow
waits for: if the workflow does not accept it, the engine is stalled.

A restarted workflow repeats the story of the same run: the services have done the steps already, and the verdict is in
the state store.
"""

import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from dapr.ext.workflow import WorkflowState

from kit.engine.instances import AlreadyActive, Instances, LostInstance, NoInstance, active, idle_seconds
from kit.engine.stalled_engine import StalledEngine
from kit.sidecar.jobs import Jobs
from kit.sidecar.unavailable import Unavailable
from messages import VERSION, Resumed, instance_of
from orders.standing import Position, Standing, Standings
from records.claims import Claims
from records.verdicts import Verdicts
from rescue.compensations import Compensations
from settings import Settings

LOST = "the workflow's state is lost"
NUDGE = "Nudge"
log = logging.getLogger("pizza-workflow")


class Watchdog:
    """Schedule the checks, and rescue orders. Raise Unavailable."""

    def __init__(
        self, settings: Settings, jobs: Jobs, instances: Instances, claims: Claims, verdicts: Verdicts,
        standings: Standings, compensations: Compensations, stalled_engine: StalledEngine,
    ) -> None:  # fmt: skip
        self._settings, self._jobs, self._instances, self._claims = settings, jobs, instances, claims
        self._verdicts, self._standings, self._compensations = verdicts, standings, compensations
        self._stalled_engine = stalled_engine

    async def watch(self, order_id: str) -> None:
        """Schedule the checks of an order, whatever happens to this process."""
        every = f"{self._settings.watch_every_seconds}s"
        # A check that failed is made up for by the next.
        await self._jobs.schedule(
            _job_of(order_id), every, schedule=f"@every {every}", data=order_id, max_retries=1, overwrite=False
        )

    async def check(self, order_id: str) -> None:
        """Rescue an order whose workflow cannot continue without help. End the checks when the order has ended."""
        position = await self._standings.of(order_id)
        state, compensation = position.state, position.compensation
        match position.standing:
            case Standing.NEW | Standing.CLAIMED | Standing.ENDED | Standing.DELETED:
                await self._end_checks(position)
            case Standing.RESTARTING:
                await self._restart(position)
            case Standing.BROKEN_OFF if state and state.serialized_input:
                await self._compensate(position, f"the workflow ended as {state.runtime_status.name}")
            case Standing.LOST if compensation and not compensation.is_active:
                await self._compensate(position, LOST)
            case Standing.COMPENSATING | Standing.LOST if compensation and compensation.state:
                await self._nudge(compensation.instance_id, compensation.state)
            case Standing.NOT_BEGUN | Standing.RUNNING | Standing.PAUSED | Standing.ENDING if state:
                await self._check_active(position, state)
            case _:
                pass  # nothing is known of the order by which it could be compensated

    async def _check_active(self, position: Position, state: WorkflowState) -> None:
        compensation = await self._compensations.of(position.order_id)
        if compensation.state and compensation.is_active:
            await self._nudge(compensation.instance_id, compensation.state)
        elif position.standing is Standing.PAUSED:
            pass  # it is left to its user
        elif fault := self._lateness(position, state):
            await self._compensate(position, fault)
        else:
            await self._nudge(instance_of(position.order_id), state)

    async def _restart(self, position: Position) -> None:
        """Restart an order, or leave it to a later check.

        A step of the first workflow may still be running. Its result would count as one of the second, which would then
        wait for its own for ever.
        """
        assert position.state
        if idle_seconds(position.state) < self._settings.time_limits.idle:
            return
        order_id, first, progress = position.order_id, position.input, position.progress
        log.warning("restarting order", extra={"order_id": order_id, "run": first.run})
        attempt = await self._verdicts.resumes_at(order_id, first.run)
        resumed = Resumed(attempt=attempt, timeline=progress.timeline, unpublished=progress.unpublished)
        second = first.model_copy(update={"resumed": resumed, "version": VERSION})
        with suppress(AlreadyActive):
            await self._instances.schedule("pizza_workflow", instance_of(order_id), second)

    async def _compensate(self, position: Position, reason: str) -> None:
        extra = {"order_id": position.order_id, "reason": reason}
        log.warning("compensating order from outside", extra=extra)
        await self._compensations.start(position.order_id, position.input, reason)

    async def _nudge(self, instance_id: str, state: WorkflowState) -> None:
        """Send an idle workflow an event, which it accepts unless the engine is stalled."""
        if idle_seconds(state) <= self._settings.watch_idle_seconds:
            return
        try:
            with suppress(NoInstance):  # purged since
                await self._instances.raise_event(instance_id, NUDGE, {})
        except Unavailable as error:
            if error.status == 504:
                self._stalled_engine.suspect()
            raise

    async def _end_checks(self, position: Position) -> None:
        order_id = position.order_id
        if position.standing is not Standing.CLAIMED:
            await self._claims.forget_customer(order_id, position.run)
        await self._jobs.delete(_job_of(order_id))
        # The order may have been started again since, and then this was its new job.
        with suppress(LostInstance):
            if active(await self._instances.state(instance_of(order_id), payloads=False)):
                await self.watch(order_id)

    def _lateness(self, position: Position, state: WorkflowState) -> str | None:
        if position.standing is Standing.NOT_BEGUN:
            return None
        limit = timedelta(seconds=position.input.rules.deadline_seconds + self._settings.watch_grace_seconds)
        late = datetime.now(UTC) - state.created_at.replace(tzinfo=UTC) > limit
        return f"the workflow was not over {limit.total_seconds():g} s after its start" if late else None


def _job_of(order_id: str) -> str:
    return f"watch-{order_id}"
