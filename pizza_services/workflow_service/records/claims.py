"""The claim of an order, stored outside its workflow: it outlives the workflow, and it alone has the customer."""

from collections import OrderedDict

from pydantic import BaseModel

from kit.sidecar.client import SdkClient
from kit.sidecar.store import StateStore, Stored
from messages import OrderInput
from models import Customer, Order, Pizza
from settings import Settings

CACHED_ORDERS = 1000


class ClaimMissing(Exception):
    """The claim of this run is gone: the order was deleted, or its customer's data was removed after its end."""


class Claim(BaseModel):
    """The state `start_{order_id}`: the order was started, as this run of it.

    `finished`: the run has ended. `cancelled`: a request to cancel it was accepted. The customer is removed after the
    end.
    """

    order: Pizza
    customer: Customer | None
    run: str
    finished: bool = False
    cancelled: bool = False

    @property
    def whole_order(self) -> Order | None:
        """Return the order with its customer, as long as that is known."""
        return self.customer and Order(**self.order.model_dump(), customer=self.customer)


class Claims:
    """Read and write claims. Raise Unavailable, or Conflict if two requests write the same one."""

    def __init__(self, settings: Settings, sdk: SdkClient) -> None:
        self._settings = settings
        self._store = StateStore(sdk, settings.statestore_name, Claim, settings.record_retention_seconds)
        self._orders: OrderedDict[tuple[str, str], Order] = OrderedDict()

    async def read(self, order_id: str) -> Stored[Claim]:
        """Return the claim and its ETag."""
        return await self._store.get(_key(order_id))

    async def claim(self, order: Order, run: str, etag: str | None) -> Claim:
        """Claim an order, first or instead of the claim with this ETag. Raise Conflict if another request has."""
        claim = Claim(order=Pizza(**order.model_dump(exclude={"customer"})), customer=order.customer, run=run)
        await self._store.save(_key(order.order_id), claim, etag, is_unique=True)
        self._remember(order, run)
        return claim

    async def order_of(self, order_id: str, run: str) -> Order:
        """Return the whole order of a run. Raise ClaimMissing."""
        if known := self._orders.get((order_id, run)):
            return known
        claim = (await self.read(order_id)).value
        if claim is None or claim.run != run or claim.whole_order is None:
            raise ClaimMissing(f"order {order_id} has no claim for this run any more")
        return self._remember(claim.whole_order, run)

    async def finish(self, order_id: str, run: str) -> None:
        """Note that this run has ended, unless another has followed it."""
        await self._note(order_id, run, finished=True)

    async def forget_customer(self, order_id: str, run: str) -> None:
        """Remove the customer's data of a run that has ended."""
        self._orders.pop((order_id, run), None)
        await self._note(order_id, run, customer=None)

    async def cancel(self, order_id: str) -> None:
        """Note that the order must be cancelled, even if its workflow fails."""
        await self._note(order_id, None, cancelled=True)

    def input_of(self, claim: Claim) -> OrderInput:
        """Return the input of this run's workflow, under today's rules."""
        rules, kitchen = self._settings.rules, self._settings.kitchen_app_id
        return OrderInput(order=claim.order, run=claim.run, rules=rules, kitchen_app_id=kitchen)

    async def _note(self, order_id: str, run: str | None, **changes: object) -> None:
        def edit(claim: Claim | None) -> Claim | None:
            if claim is None or (run and claim.run != run):
                return None
            return claim.model_copy(update=changes)

        await self._store.change(_key(order_id), edit)

    def _remember(self, order: Order, run: str) -> Order:
        self._orders[order.order_id, run] = order
        while len(self._orders) > CACHED_ORDERS:
            self._orders.popitem(last=False)
        return order


def _key(order_id: str) -> str:
    return f"start_{order_id}"
