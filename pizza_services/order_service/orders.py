"""The orders in the state store, each under one key: what comes at once is entered one after the other."""

import asyncio
import random
from collections.abc import Callable

from models import Order, OrderEvent, OrderList, OrderRecord, OrderState
from pages import Pages
from state_store import StateStore, StoreFailed
from timeline import end_run, hear, is_final, state

TRIES = 50


class UnknownOrder(Exception):
    """There is no such order, or there is none any more."""

    def __init__(self, order_id: str, *, deleted: bool = False, run: str | None = None) -> None:
        super().__init__(f"order_id: there is no order {order_id}{' any more' if deleted else ''}.")
        self.deleted = deleted
        self.run = run


class OrderConflict(Exception):
    """What is asked does not go with the order that is there; `code` says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Orders:
    """Keeps the orders. All methods raise StoreFailed when the store cannot be used."""

    def __init__(self, store: StateStore, pages: Pages) -> None:
        self._store = store
        self._pages = pages

    async def put(self, order: Order) -> bool:
        """Stores an order; True if it is new. Raises OrderConflict if there is a different one with its id."""
        new = False

        def store(record: OrderRecord) -> bool:
            nonlocal new
            if record.order not in (None, order):
                raise OrderConflict("ORDER_DIFFERS", f"order_id: there is another order {order.order_id} already.")
            new = record.run is None and record.order is None
            changed = record.order is None
            record.order, record.deleted = order, False
            return changed

        await self._change(order.order_id, store)
        return new

    async def hear(self, event: OrderEvent) -> None:
        """Enters an event into its order, once. Raises RunUnderWay."""
        await self._change(event.data.order_id, lambda record: hear(record, event))

    async def delete(self, order_id: str) -> None:
        """Deletes an order; what is left keeps late events from bringing it back.

        Raises UnknownOrder, and OrderConflict while the workflow still drives the order.
        """

        def delete(record: OrderRecord) -> bool:
            _refuse_if_gone(record)
            if record.run is not None and not is_final(record):
                raise OrderConflict("ORDER_RUNNING", f"order_id: order {order_id} is still running.")
            end_run(record)
            record.deleted = True
            return True

        await self._change(order_id, delete)

    async def get(self, order_id: str) -> OrderState:
        """An order. Raises UnknownOrder."""
        record = _parsed(order_id, (await self._store.read(_key(order_id))).value)
        _refuse_if_gone(record)
        return state(record)

    async def newest(self, limit: int, before: str | None) -> OrderList:
        """Up to `limit` orders, those that came first last. One that was deleted and came again keeps its place."""
        order_ids, following = await self._pages.newest(limit, before)
        values = await self._store.read_many([_key(order_id) for order_id in dict.fromkeys(order_ids)])
        records = [OrderRecord.model_validate_json(value) for value in values]
        return OrderList(orders=[state(record) for record in records if not record.deleted], next=following)

    async def _change(self, order_id: str, change: Callable[[OrderRecord], bool]) -> None:
        for attempt in range(TRIES):
            stored = await self._store.read(_key(order_id))
            record = _parsed(order_id, stored.value)
            if not change(record):
                return
            if not stored.value:
                # Before the order itself: a crash in between leaves a listed id without an order, not the reverse.
                await self._pages.add(order_id)
            if await self._store.save(_key(order_id), record.model_dump_json().encode(), stored.etag):
                return
            await asyncio.sleep(random.uniform(0, 0.01 * (attempt + 1)))
        raise StoreFailed(503, "state store", f"Order {order_id} is written by too many at once.")


def _refuse_if_gone(record: OrderRecord) -> None:
    if record.deleted or (record.run is None and record.order is None):
        run = record.ended_runs[-1] if record.ended_runs else None
        raise UnknownOrder(record.order_id, deleted=record.deleted, run=run)


def _parsed(order_id: str, value: bytes) -> OrderRecord:
    return OrderRecord.model_validate_json(value) if value else OrderRecord(order_id=order_id)


def _key(order_id: str) -> str:
    return f"order:{order_id}"
