"""What this service did, once per order, run, step and attempt: the record that makes its actions idempotent.

All of an order is one key, because on Redis an ETag guards one key and a transaction does not roll back. An action and
its mark are one write: there is no moment in which one of them is there without the other. The first write wins, so of
two replicas that are asked at once one does the thing, and the other finds it done.
"""

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from models import Entry, LedgerPage, OrderLedger, Task
from pages import Pages
from state_store import StateStore, StoreFailed

TRIES = 50


@dataclass(frozen=True)
class Step:
    """Something this service does; what undoes it also refuses it from then on.

    `undone_by` are the names of the steps that undo it: in the same run, and if `by_attempt` for the same attempt only.
    """

    name: str
    status: str
    undone_by: frozenset[str] = frozenset()
    by_attempt: bool = False


class AlreadyCancelled(Exception):
    """The step was undone before it was asked for, or while it was being done."""

    def __init__(self, undone: Step, task: Task, by: str) -> None:
        super().__init__(f"order_id: {by} has already undone {undone.name} of order {task.order_id}.")


class UnknownOrder(Exception):
    """Nothing was ever done for this order."""

    def __init__(self, order_id: str) -> None:
        super().__init__(f"order_id: nothing was ever done for order {order_id}.")


class Ledger:
    """Does the steps of this service, and tells what it did."""

    def __init__(self, store: StateStore, pages: Pages) -> None:
        self._store = store
        self._pages = pages

    async def do(self, step: Step, task: Task, seconds: float = 0) -> Entry:
        """Does a step that takes so many seconds, if it has not been done, and returns its entry either way.

        The entry is there from the beginning, with the time at which the step will be done: a pizza in the oven goes on
        baking when this process dies, and who asks again waits for the rest. Raises AlreadyCancelled, StoreFailed.
        """
        entry = await self._enter(step, task, seconds)
        remaining = (entry.at - datetime.now(UTC)).total_seconds()
        if remaining > 0:
            await asyncio.sleep(min(remaining, seconds))
            # The time that it took was time for undoing it.
            _refuse_if_undone(await self._read(task.order_id), step, task)
        return entry

    async def of(self, order_id: str) -> OrderLedger:
        """All that was done for an order. Raises UnknownOrder, StoreFailed."""
        found = await self._read(order_id)
        if not found.entries:
            raise UnknownOrder(order_id)
        return found

    async def newest(self, limit: int, before: str | None) -> LedgerPage:
        """All that was done for up to `limit` orders, those that came last first. Raises StoreFailed."""
        order_ids, following = await self._pages.newest(limit, before)
        values = await self._store.read_many([_key(order_id) for order_id in dict.fromkeys(order_ids)])
        orders = [OrderLedger.model_validate_json(value) for value in values]
        return LedgerPage(entries=[entry for order in orders for entry in order.entries], next=following)

    async def _enter(self, step: Step, task: Task, seconds: float) -> Entry:
        for attempt in range(TRIES):
            stored = await self._store.read(_key(task.order_id))
            order = _parsed(task.order_id, stored.value)
            _refuse_if_undone(order, step, task)
            entry = _find(order, step, task)
            if entry is None:
                done_at = datetime.now(UTC) + timedelta(seconds=seconds)
                entry = Entry(
                    order_id=task.order_id,
                    run=task.run,
                    step=step.name,
                    attempt=task.attempt,
                    status=step.status,
                    times_asked=0,
                    at=done_at,
                )
                order.entries.append(entry)
            entry.times_asked += 1
            if not stored.value:
                # Before the order itself: a crash in between leaves a listed id without entries, not the reverse.
                await self._pages.add(task.order_id)
            if await self._store.save(_key(task.order_id), order.model_dump_json().encode(), stored.etag):
                return entry
            await asyncio.sleep(random.uniform(0, 0.01 * (attempt + 1)))
        raise StoreFailed(503, "state store", f"Order {task.order_id} is written by too many at once.")

    async def _read(self, order_id: str) -> OrderLedger:
        return _parsed(order_id, (await self._store.read(_key(order_id))).value)


def _find(order: OrderLedger, step: Step, task: Task) -> Entry | None:
    same = (entry for entry in order.entries if (entry.run, entry.attempt) == (task.run, task.attempt))
    return next((entry for entry in same if entry.step == step.name), None)


def _refuse_if_undone(order: OrderLedger, step: Step, task: Task) -> None:
    for entry in order.entries:
        same = entry.run == task.run and (entry.attempt == task.attempt or not step.by_attempt)
        if same and entry.step in step.undone_by:
            raise AlreadyCancelled(step, task, entry.step)


def _parsed(order_id: str, value: bytes) -> OrderLedger:
    return OrderLedger.model_validate_json(value) if value else OrderLedger(order_id=order_id, entries=[])


def _key(order_id: str) -> str:
    return f"order:{order_id}"
