"""The ledger of a service: each step of an order is done once, however often and by however many replicas.

All entries of an order are one key, because on Redis an ETag guards one key and a transaction does not roll back. To
save the entry is to do the step, so neither exists without the other. The first write wins: of two replicas that are
asked at once, one does the step and the other finds it done. Entries hold no data of the customer.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from pydantic import BaseModel, Field

from kit.edge.problems import Refused, documented
from kit.edge.service import from_state
from kit.order import Before, Done, Limit, OrderIdPath, Task
from kit.sidecar.client import SdkClient
from kit.sidecar.collection import Collection
from kit.sidecar.pages import Pages
from kit.sidecar.store import StateStore

KEY = {"order_id", "run", "attempt"}
# Of one order, over all its runs. One run has about ten.
MOST_ENTRIES = 500


class Entry(Done):
    """A step in the ledger. Asking for it again only counts."""

    step: str = Field(examples=["order"])
    times_asked: int = Field(description="Number of requests for the step, which was done once", examples=[1])
    at: datetime = Field(description="When the step was or will be done", examples=["2026-01-02T03:04:05.678Z"])


class OrderLedger(BaseModel):
    """All steps that were done for one order."""

    order_id: str = Field(examples=["123"])
    entries: list[Entry]


class LedgerPage(BaseModel):
    """All steps that were done for some orders, the newest order first."""

    entries: list[Entry]
    next: str | None = Field(default=None, description="The `before` of the next page", examples=["0.42"])


@dataclass(frozen=True)
class Step:
    """An action of this service. A step in `compensated_by` takes it back, and refuses it from then on.

    by_attempt: only in the same attempt of the run, otherwise in the whole run.
    """

    name: str
    status: str
    compensated_by: frozenset[str] = frozenset()
    by_attempt: bool = False


class AlreadyCancelled(Refused):
    """The step was compensated before it was asked for, or while it was being done."""

    def __init__(self, order_id: str, step: Step, compensated: str) -> None:
        detail = f"order_id: order {order_id} was {compensated} and can no longer be {step.status}."
        super().__init__(409, detail, code="ALREADY_CANCELLED")


class UnknownOrder(Refused):
    """No step was ever done for this order."""

    def __init__(self, order_id: str) -> None:
        super().__init__(404, f"order_id: no step was done for order {order_id}.")


class Ledger:
    """Do the steps of this service, and list them. Methods raise Unavailable.

    retention: seconds after its last step in which an order is kept.
    """

    def __init__(self, sdk: SdkClient, store: str, orders_per_page: int, retention: int) -> None:
        # Twice as long: an order may still change long after its page was full, and is kept from then on.
        objects = StateStore(sdk, store)
        self._size, pages = orders_per_page, Pages(objects, orders_per_page, 2 * retention)
        self._orders = Collection(objects.of(OrderLedger), pages, "orders", "order:", retention)
        self.check_key = objects.check_key

    async def do(self, step: Step, task: Task, seconds: float = 0) -> Entry:
        """Carry out a step that takes `seconds`, unless it is done already. Return its entry. Raise AlreadyCancelled.

        The entry exists from the beginning, with the time at which the step will be done. So a pizza in the oven goes
        on baking when this process dies, and a repeated request waits for the rest only.
        """
        order = await self._orders.change(task.order_id, _enter(step, task, seconds))
        entry = order and _find(order, step, task)
        assert entry
        remaining = (entry.at - datetime.now(UTC)).total_seconds()
        if remaining > 0:
            await asyncio.sleep(min(remaining, seconds))
            # It may have been compensated in that time.
            _refuse_if_compensated(await self.of(task.order_id), step, task)
        return entry

    async def of(self, order_id: str) -> OrderLedger:
        """Return all steps that were done for an order. Raise UnknownOrder."""
        found = await self._orders.get(order_id)
        if found is None:
            raise UnknownOrder(order_id)
        return found

    async def newest(self, limit: int, before: str | None) -> LedgerPage:
        """Return the steps of up to `limit` orders, newest order first."""
        page, index = (int(part) for part in before.split(".")) if before else (0, 0)
        found = await self._orders.newest(limit, page * self._size + index if before else None)
        following = None if found.next is None else f"{found.next // self._size}.{found.next % self._size}"
        return LedgerPage(entries=[entry for _, order in found.entries for entry in order.entries], next=following)


def _enter(step: Step, task: Task, seconds: float) -> Callable[[OrderLedger | None], OrderLedger]:
    def enter(order: OrderLedger | None) -> OrderLedger:
        order = order or OrderLedger(order_id=task.order_id, entries=[])
        _refuse_if_compensated(order, step, task)
        entry = _find(order, step, task)
        if entry is None:
            at = datetime.now(UTC) + timedelta(seconds=seconds)
            entry = Entry(**task.model_dump(include=KEY), step=step.name, status=step.status, times_asked=0, at=at)
            order.entries = [*order.entries, entry][-MOST_ENTRIES:]
        entry.times_asked += 1
        return order

    return enter


def _find(order: OrderLedger, step: Step, task: Task) -> Entry | None:
    same = (entry for entry in order.entries if (entry.run, entry.attempt) == (task.run, task.attempt))
    return next((entry for entry in same if entry.step == step.name), None)


def _refuse_if_compensated(order: OrderLedger, step: Step, task: Task) -> None:
    for entry in order.entries:
        same = entry.run == task.run and (entry.attempt == task.attempt or not step.by_attempt)
        if same and entry.step in step.compensated_by:
            raise AlreadyCancelled(task.order_id, step, entry.status)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
    """Open the ledger of a service, by its settings, and yield what the routes share."""
    settings = app.state.settings
    async with aclosing(SdkClient(settings, app.state.session, settings.store_timeout_seconds)) as sdk:
        ledger = Ledger(sdk, settings.ledger_store, settings.orders_per_page, settings.ledger_retention_seconds)
        yield {"ledger": ledger, "step_seconds": settings.step_seconds}


async def ready(request: Request) -> None:
    """Check the key by which the ledger is stored."""
    await request.state.ledger.check_key()


LedgerDep = Annotated[Ledger, Depends(from_state("ledger"))]
StepSeconds = Annotated[float, Depends(from_state("step_seconds"))]
router = APIRouter()


@router.get("/ledger", responses=documented(422, 502, 503, 504))
async def get_ledger(ledger: LedgerDep, limit: Limit = 20, before: Before = None) -> LedgerPage:
    """List the steps that were done, newest order first, all entries of an order together."""
    return await ledger.newest(limit, before)


@router.get("/ledger/{order_id}", responses=documented(404, 422, 502, 503, 504))
async def get_ledger_of(order_id: OrderIdPath, ledger: LedgerDep) -> OrderLedger:
    """Return the steps that were done for one order, in the order in which they were first asked for."""
    return await ledger.of(order_id)
