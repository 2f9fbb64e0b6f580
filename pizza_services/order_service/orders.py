"""The orders in the state store, each under one key, so that changes at once are made one after the other."""

from collections.abc import Callable

from kit.edge.problems import Refused
from kit.sidecar.collection import Collection
from kit.sidecar.pages import Pages
from kit.sidecar.store import Object, StateStore
from models import KnownOrder, Order, OrderEvent, OrderList, OrderRecord, OrderState
from timeline import end_run, enter, is_final, state_of


class OrderError(Refused):
    """The request does not fit the order as it is."""

    def __init__(self, status: int, detail: str, **members: str | None) -> None:
        super().__init__(status, f"order_id: {detail}", **members)


class Orders:
    """Store orders, and enter the events of the workflow. Methods raise Unavailable.

    retention: seconds after its last change in which an order is kept.
    """

    def __init__(self, store: StateStore[Object], orders_per_page: int, retention: int) -> None:
        # Twice as long: an order may still change long after its page was full, and is kept from then on.
        self._size, pages = orders_per_page, Pages(store, orders_per_page, 2 * retention)
        self._records = Collection(store.of(OrderRecord), pages, "orders", "order:", retention)

    async def put(self, order: Order) -> bool:
        """Store an order. Return whether it is new. Raise OrderError if a different one has its id."""
        is_new = False

        def put(record: OrderRecord) -> bool:
            nonlocal is_new
            before, after = record.order, KnownOrder.model_validate(order, from_attributes=True)
            # An order that is known from events only has no customer yet.
            if before and before.model_copy(update={"customer": before.customer or order.customer}) != after:
                raise OrderError(409, f"another order has the id {order.order_id}.", code="ORDER_DIFFERS")
            is_new = record.run is None and before is None
            record.order, record.deleted = after, False
            return before != after

        await self._change(order.order_id, put)
        return is_new

    async def enter(self, event: OrderEvent) -> None:
        """Enter an event into its order, once. Raise AnotherRun."""
        await self._change(event.data.order_id, lambda record: enter(record, event))

    async def delete(self, order_id: str) -> None:
        """Delete an order with the customer's data. Late events cannot bring it back.

        Raise OrderError if it is unknown, or while the workflow still drives it.
        """

        def delete(record: OrderRecord) -> bool:
            _refuse_if_gone(record)
            if record.run is not None and not is_final(record):
                raise OrderError(409, f"order {order_id} is still running.", code="ORDER_RUNNING")
            end_run(record)
            record.deleted = True
            return True

        await self._change(order_id, delete)

    async def get(self, order_id: str) -> OrderState:
        """Return an order. Raise OrderError if it is unknown."""
        record = await self._records.get(order_id) or OrderRecord(order_id=order_id)
        _refuse_if_gone(record)
        return state_of(record)

    async def newest(self, limit: int, before: str | None) -> OrderList:
        """Return up to `limit` orders, newest first. An order that was deleted and stored again keeps its place."""
        page, index = (int(part) for part in before.split(".")) if before else (0, 0)
        found = await self._records.newest(limit, page * self._size + index if before else None)
        following = None if found.next is None else f"{found.next // self._size}.{found.next % self._size}"
        return OrderList(orders=[state_of(one) for _, one in found.entries if not one.deleted], next=following)

    async def _change(self, order_id: str, change: Callable[[OrderRecord], bool]) -> None:
        """Store what `change` makes of an order, unless it returns False. It may be called more than once."""

        def edit(record: OrderRecord | None) -> OrderRecord | None:
            record = record or OrderRecord(order_id=order_id)
            return record if change(record) else None

        await self._records.change(order_id, edit)


def _refuse_if_gone(record: OrderRecord) -> None:
    if record.deleted:
        # pizza-workflow lets an order start again only when it sees that its run was deleted.
        run = record.ended_runs[-1] if record.ended_runs else None
        raise OrderError(404, f"order {record.order_id} was deleted.", code="ORDER_DELETED", run=run)
    if record.run is None and record.order is None:
        raise OrderError(404, f"order {record.order_id} does not exist.")
