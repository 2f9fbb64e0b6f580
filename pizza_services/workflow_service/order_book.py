"""What pizza-order knows of an order: it outlives the workflow instance, which Dapr purges some time after its end."""

from typing import Any

from pydantic import BaseModel

from models import Moment
from peers import NotFound, Peers


class Heard(Moment):
    """A moment as pizza-order has it."""

    note: str | None = None


class Entry(BaseModel):
    """An order as pizza-order answers it."""

    status: str
    step: str | None = None
    attempt: int | None = None
    run: str | None = None
    ended_run: str | None = None
    final: bool = False
    timeline: list[Heard] = []


class Deleted(BaseModel):
    """An order that pizza-order was told to delete, and the run that went with it."""

    run: str | None = None


def is_deleted(found: Entry | Deleted | None, run: str) -> bool:
    """Whether this run was deleted; the order may have been stored again since."""
    if isinstance(found, Deleted):
        return found.run == run
    return found is not None and found.run is None and found.ended_run == run


class OrderBook:
    """Asks pizza-order, by invocation. Raises PeerFailed when it does not answer."""

    def __init__(self, peers: Peers, app_id: str, seconds: float) -> None:
        self._peers, self._app_id, self._seconds = peers, app_id, seconds

    async def find(self, order_id: str) -> Entry | Deleted | None:
        """The order; None if pizza-order never heard of it, which may only mean that its events are late."""
        try:
            return Entry.model_validate(await self._peers.get(self._app_id, f"orders/{order_id}", self._seconds))
        except NotFound as error:
            told: dict[str, Any] = error.told
            return Deleted(run=told.get("run")) if told.get("code") == "ORDER_DELETED" else None
