"""Answer the one question "where does this order stand?". Each answer is a row of tests/test_standing.py.

An order leaves traces in four places: its workflow, its claim, the workflow that compensates it from outside, and
pizza-order. They are read only as far as the answer needs them.
"""

from dataclasses import dataclass
from enum import StrEnum, auto

from dapr.ext.workflow import WorkflowState, WorkflowStatus

from kit.engine.instances import Instances, LostInstance, active
from kit.sidecar.unavailable import Unavailable
from messages import OrderInput, Progress, instance_of, run_of
from models import FINAL
from records.claims import Claim, Claims
from records.order_book import Deleted, Entry, OrderBook, is_deleted
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


@dataclass(frozen=True)
class Position:
    """An order's standing, and the records that were read to find it.

    `found` is what pizza-order answered, or why it did not. It is not asked about an order whose workflow runs.
    """

    order_id: str
    standing: Standing
    state: WorkflowState | None = None
    claim: Claim | None = None
    etag: str | None = None
    compensation: Compensation | None = None
    found: Entry | Deleted | Unavailable | None = None
    lost: LostInstance | None = None
    input_if_lost: OrderInput | None = None

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
        try:
            state = await self._instances.state(instance_of(order_id))
        except LostInstance as error:
            return await self._of_lost(order_id, error)
        if state is None:
            return await self._without_workflow(order_id)
        if not active(state):
            return await self._after_workflow(order_id, state)
        return Position(order_id, _standing_of(order_id, state), state)

    async def _without_workflow(self, order_id: str) -> Position:
        stored = await self._claims.read(order_id)
        claim, found = stored.value, await self._ask(order_id)
        if claim is None:
            standing = Standing.NEW
        elif is_deleted(found, claim.run):
            standing = Standing.DELETED
        # The claim knows the end also if pizza-order never heard of it.
        elif claim.finished or (isinstance(found, Entry) and found.final):
            standing = Standing.ENDED
        else:
            standing = Standing.CLAIMED
        return Position(order_id, standing, claim=claim, etag=stored.etag, found=found)

    async def _after_workflow(self, order_id: str, state: WorkflowState) -> Position:
        run = run_of(state.serialized_input)
        found = await self._ask(order_id)
        if state.runtime_status is WorkflowStatus.COMPLETED and not is_deleted(found, run):
            return Position(order_id, Standing.ENDED, state, found=found)
        stored = await self._claims.read(order_id)
        if not is_deleted(found, run):
            compensation = await self._compensations.of(order_id)
            standing = await self._broken_off(order_id, state, stored.value, compensation)
            return Position(order_id, standing, state, stored.value, stored.etag, compensation, found)
        # Started again after the deletion, and nothing has begun.
        is_claimed = stored.value is not None and stored.value.run != run
        standing = Standing.CLAIMED if is_claimed else Standing.DELETED
        return Position(order_id, standing, state, stored.value, stored.etag, found=found)

    async def _broken_off(
        self, order_id: str, state: WorkflowState, claim: Claim | None, compensation: Compensation
    ) -> Standing:
        run = run_of(state.serialized_input)
        if compensation.is_active:
            return Standing.COMPENSATING
        if compensation.is_done(run):
            return Standing.ENDED
        may_restart = (
            state.runtime_status is WorkflowStatus.FAILED
            and state.serialized_input
            # A second workflow that fails too is compensated, and so is one of whose compensation a part may be done.
            and not OrderInput.model_validate_json(state.serialized_input).resumed
            and not compensation.is_of(run)
            # A second workflow would not know of a cancellation or a pause that was accepted.
            and claim is not None
            and claim.run == run
            and not claim.cancelled
            and not await self._pauses.holds(order_id, run)
        )
        return Standing.RESTARTING if may_restart else Standing.BROKEN_OFF

    async def _of_lost(self, order_id: str, lost: LostInstance) -> Position:
        stored = await self._claims.read(order_id)
        claim, found = stored.value, await self._book.find(order_id)
        compensation = await self._compensations.of(order_id)
        if claim is None or is_deleted(found, claim.run):
            standing = Standing.DELETED
        elif claim.finished or _is_final(found, claim.run) or compensation.is_done(claim.run):
            standing = Standing.ENDED
        else:
            standing = Standing.LOST
        order_input = claim and self._claims.input_of(claim)
        return Position(order_id, standing, None, claim, stored.etag, compensation, found, lost, order_input)

    async def _ask(self, order_id: str) -> Entry | Deleted | Unavailable | None:
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


def _is_final(found: Entry | Deleted | Unavailable | None, run: str) -> bool:
    return isinstance(found, Entry) and found.final and found.run == run
