"""Compensate orders whose workflow the engine has lost.

Dapr loads an instance before it does anything with it. So it neither terminates nor purges such an instance, not even
with force, and starts no other under its id. `docs/dapr-faults.md` says how to remove its keys by hand. The order's
claim, its compensation and pizza-order still tell where it stands.
"""

from orders.standing import Position
from records.claims import Claims
from rescue.compensations import Compensations


class LostOrders:
    """Compensate lost orders. Raise Unavailable."""

    def __init__(self, claims: Claims, compensations: Compensations) -> None:
        self._claims, self._compensations = claims, compensations

    async def compensate(self, position: Position, reason: str) -> None:
        """Compensate an order whose standing is LOST."""
        assert position.claim
        await self._compensations.start(position.order_id, self._claims.input_of(position.claim), reason)
