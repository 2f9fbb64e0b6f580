"""Answer the one question "where does this order stand?". Each answer is a row of tests/test_standing.py.

An order leaves traces in four places: its workflow, its claim, the workflow that compensates it from outside, and
pizza-order. They are read only as far as the answer needs them.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum, auto

from dapr.ext.workflow import WorkflowState, WorkflowStatus

from kit.engine.instances import Instances, LostInstance, active
from kit.sidecar.unavailable import Unavailable
from messages import OrderInput, Progress, instance_of, is_foreign, run_of
from models import FINAL
from records.claims import Claim, Claims
from records.order_book import Entry, OrderBook, is_deleted
from records.pauses import Pauses
from rescue.compensations import Compensation, Compensations


class Standing(StrEnum):
    """Where an order stands."""

    NEW = auto()  # no request has started it
    CLAIMED = auto()  # a start failed after its claim: nothing has begun
    NOT_BEGUN = auto()  # its workflow is scheduled, and has not had its first turn
    RUNNING = auto()
    PAUSED = auto()
    ENDING = auto()  # its final status is decided, and not yet published
    RESTARTING = auto()  # its workflow failed, and the watchdog restarts it
    BROKEN_OFF = auto()  # its workflow ended half-way, and is not compensated
    COMPENSATING = auto()  # a workflow compensates it from outside
    ENDED = auto()  # delivered, or compensated
    LOST = auto()  # the engine cannot load its workflow, and it has not ended
    DELETED = auto()  # ended, and deleted at pizza-order


@dataclass
class Position:
    """An order's standing, and the records that were read to find it.

    `found` is what pizza-order answered, or why it did not. It is not asked about an order whose workflow runs.
    """

    order_id: str
    standing: Standing = Standing.NEW
    state: WorkflowState | None = None
    lost: LostInstance | None = None
    found: Entry | Unavailable | None = None
    claim: Claim | None = None
    etag: str | None = None
    compensation: Compensation | None = None
    input_if_lost: OrderInput | None = None

    @property
    def run(self) -> str:
        """Return the run of the order's own workflow, or of its claim."""
        if self.state:
            return run_of(self.state.serialized_input)
        return self.claim.run if self.claim else ""

    @property
    def progress(self) -> Progress:
        """Return the progress of the order's own workflow."""
        assert self.state
        return progress_in(self.order_id, self.state)

    @property
    def input(self) -> OrderInput:
        """Return the input of the order's own workflow, which has begun. For a lost one it is made again."""
        if self.input_if_lost:
            return self.input_if_lost
        assert self.state
        assert self.state.serialized_input
        return OrderInput.model_validate_json(self.state.serialized_input)


class Standings:
    """Find out where orders stand. Raise Unavailable."""

    def __init__(
        self, instances: Instances, claims: Claims, compensations: Compensations, book: OrderBook, pauses: Pauses
    ) -> None:
        self._instances, self._claims, self._compensations = instances, claims, compensations
        self._book, self._pauses = book, pauses

    async def of(self, order_id: str) -> Position:
        """Return where an order stands. While pizza-order does not answer, an order that it deleted is ENDED."""
        position = Position(order_id)
        try:
            position.state = await self._instances.state(instance_of(order_id))
        except LostInstance as error:
            position.lost = error
        if position.state and is_foreign(position.state.serialized_input):
            position.state = None  # it is no order's, and has failed at its input
        if position.state and active(position.state):
            position.standing = _standing_of(order_id, position.state)
        else:
            position.standing = await self._not_running(position)
        return position

    async def _not_running(self, position: Position) -> Standing:
        order_id, state = position.order_id, position.state
        position.found, stored = await asyncio.gather(self._ask(order_id), self._claims.read(order_id))
        position.claim, position.etag = stored.value, stored.etag
        claim, run, lost = position.claim, position.run, position.lost
        if claim is None and state is None:
            return Standing.DELETED if lost else Standing.NEW
        if state and run and claim and claim.run != run:
            return Standing.CLAIMED  # after the deletion of the run before
        if is_deleted(position.found, run):
            return Standing.DELETED
        # The claim knows the end also if pizza-order never heard of it.
        has_ended = (claim is not None and claim.finished) or _is_final(position.found, run)
        if state is None and lost is None:
            return Standing.ENDED if has_ended else Standing.CLAIMED
        if state and state.runtime_status is WorkflowStatus.COMPLETED:
            return Standing.ENDED
        position.compensation = await self._compensations.of(order_id)
        if position.compensation.is_done(run) or (lost and has_ended):
            return Standing.ENDED
        if lost:
            if isinstance(position.found, Unavailable):
                raise position.found
            position.input_if_lost = claim and self._claims.input_of(claim)
            return Standing.LOST
        if position.compensation.is_active:
            return Standing.COMPENSATING
        return Standing.RESTARTING if await self._may_restart(position) else Standing.BROKEN_OFF

    async def _may_restart(self, position: Position) -> bool:
        state, claim, run = position.state, position.claim, position.run
        return bool(
            state
            and state.runtime_status is WorkflowStatus.FAILED
            and state.serialized_input
            # A second workflow that fails too is compensated, and so is one of whose compensation a part may be done.
            and not position.input.resumed
            and not (position.compensation and position.compensation.is_of(run))
            # A second workflow would not know of a cancellation or a pause that was accepted.
            and claim
            and not claim.cancelled
            and not await self._pauses.holds(position.order_id, run)
        )

    async def _ask(self, order_id: str) -> Entry | Unavailable | None:
        """Ask pizza-order, which alone knows of a deletion. Return its failure: the other records are worth showing."""
        try:
            return await self._book.find(order_id)
        except Unavailable as error:
            return error


def progress_in(order_id: str, state: WorkflowState) -> Progress:
    """Return the progress that a workflow shows; before its first turn, that of an accepted order."""
    if state.serialized_custom_status:
        return Progress.model_validate_json(state.serialized_custom_status)
    run = run_of(state.serialized_input)
    return Progress(order_id=order_id, run=run, status="accepted", step="accepted", attempt=1, timeline=[])


def _standing_of(order_id: str, state: WorkflowState) -> Standing:
    progress = progress_in(order_id, state)
    if not progress.run:
        return Standing.NOT_BEGUN
    if progress.status in FINAL:
        return Standing.ENDING
    return Standing.PAUSED if state.runtime_status is WorkflowStatus.SUSPENDED else Standing.RUNNING


def _is_final(found: Entry | Unavailable | None, run: str) -> bool:
    return isinstance(found, Entry) and found.final and found.run == run
