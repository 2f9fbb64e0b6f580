"""Orders a part of whose workflow's state is missing: the engine does no turn of them any more.

Dapr 1.18.0 loads an instance before it does anything with it. So it terminates none of these, purges none, also not by
force, and starts no other under the same id (the lab's page says how its keys are removed by hand). What became of the
order is known all the same: from its claim, from the workflow that undoes it, and from pizza-order.
"""

from collections.abc import Callable
from typing import Literal

import refusals
from claims import Claim, Claims
from order_book import Entry, OrderBook, is_deleted
from undoings import Undoings


class LostOrders:
    """Tells what became of them, and has them undone. Raises EngineDown, StoreFailed and PeerFailed."""

    def __init__(self, claims: Claims, book: OrderBook, undoings: Undoings) -> None:
        self._claims, self._book, self._undoings = claims, book, undoings

    async def end_of(self, order_id: str) -> Literal["over", "deleted"] | None:
        """Whether the order is done or undone, or was even deleted after that; None while it is still to be undone."""
        claim, _ = await self._claims.read(order_id)
        return await self._end(claim) if claim else "deleted"

    async def refuse(self, order_id: str, deleted: Callable[[str], refusals.Refused]) -> None:
        """Raises Refused for an order that has ended, made by `deleted` for one that was even deleted after that."""
        end = await self.end_of(order_id)
        if end:
            raise (refusals.finished if end == "over" else deleted)(order_id) from None

    async def undo(self, order_id: str, reason: str) -> bool:
        """Undoes the order; False when there is nothing to undo any more."""
        claim, _ = await self._claims.read(order_id)
        if claim is None or await self._end(claim):
            return False
        await self._undoings.start(order_id, self._claims.input_of(claim), reason)
        return True

    async def _end(self, claim: Claim) -> Literal["over", "deleted"] | None:
        order_id = claim.order.order_id
        found = await self._book.find(order_id)
        if is_deleted(found, claim.run):
            return "deleted"
        if claim.finished:
            return "over"  # pizza-order may not have heard of it yet
        if isinstance(found, Entry) and found.final and found.run == claim.run:
            return "over"
        return "over" if (await self._undoings.of(order_id)).is_done(claim.run) else None
