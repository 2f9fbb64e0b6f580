"""Which run of an order was started: what of an order is kept outside its workflow, and outlives it."""

from pydantic import BaseModel

from messages import OrderInput
from models import Order
from settings import Settings
from store import Store
from workflow import VERSION


class Claim(BaseModel):
    """The state `start_{order_id}`: the order was started, as this run of it, and what is to be known of that.

    `finished`: the run has come to its end. `cancelled`: somebody asked for that, and was told that it will be.
    """

    order: Order
    run: str
    finished: bool = False
    cancelled: bool = False


class Claims:
    """Reads and writes claims. Raises StoreFailed, or Conflict where two write the same one."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store

    async def read(self, order_id: str) -> tuple[Claim | None, str | None]:
        """The claim and its ETag; (None, None) of an order that was never started."""
        return await self._store.read(_key(order_id), Claim)

    async def write(self, claim: Claim, etag: str | None) -> None:
        """Writes the claim if nobody has since it was read."""
        await self._store.write(_key(claim.order.order_id), claim, etag)

    async def finish(self, order_id: str, run: str) -> None:
        """Notes that this run has come to its end, unless another has followed it."""
        claim, etag = await self.read(order_id)
        if claim and claim.run == run:
            await self.write(claim.model_copy(update={"finished": True}), etag)

    async def cancel(self, order_id: str) -> None:
        """Notes that the order is to be undone, whatever becomes of its workflow. May raise Conflict."""
        claim, etag = await self.read(order_id)
        if claim and not claim.cancelled:
            await self.write(claim.model_copy(update={"cancelled": True}), etag)

    def input_of(self, claim: Claim, trace: str | None = None) -> OrderInput:
        """What the workflow of this run is given, under the rules of now."""
        return OrderInput(
            order=claim.order,
            run=claim.run,
            rules=self._settings.rules,
            version=VERSION,
            kitchen_app_id=self._settings.kitchen_app_id,
            trace=trace,
        )


def _key(order_id: str) -> str:
    # Dapr puts the app id and "||" before it, and refuses a key that has "||" of its own.
    return f"start_{order_id}"
