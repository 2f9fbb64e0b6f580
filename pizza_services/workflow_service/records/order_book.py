"""The entry of an order at pizza-order. It outlives the workflow instance, which Dapr purges after its end."""

from pydantic import BaseModel, ValidationError

from kit.sidecar.invoke import Invoker
from kit.sidecar.unavailable import Unavailable
from models import StatusEntry
from settings import Settings

DELETED = "deleted"


class NotedStatus(StatusEntry):
    """A line of the timeline at pizza-order."""

    note: str | None = None


class Entry(BaseModel):
    """The answer of pizza-order. Of an order that was deleted, only the run is known that was deleted with it."""

    status: str
    step: str | None = None
    attempt: int | None = None
    run: str | None = None
    ended_run: str | None = None
    final: bool = False
    timeline: list[NotedStatus] = []


def is_deleted(found: Entry | Unavailable | None, run: str) -> bool:
    """Return whether this run was deleted. The order may have been stored again since."""
    return isinstance(found, Entry) and found.run is None and found.ended_run == run


class OrderBook:
    """Ask pizza-order. Raise Unavailable if it does not answer."""

    def __init__(self, settings: Settings, invoker: Invoker) -> None:
        self._invoker, self._app_id, self._seconds = invoker, settings.order_app_id, settings.call_timeout_seconds

    async def find(self, order_id: str) -> Entry | None:
        """Return the order, or None if pizza-order does not know it, perhaps because its events are late."""
        answer = await self._invoker.get(self._app_id, f"orders/{order_id}", seconds=self._seconds)
        if answer.status == 404:
            found = answer.json
            return Entry(status=DELETED, ended_run=found.get("run")) if found.get("code") == "ORDER_DELETED" else None
        try:
            return Entry.model_validate(answer.json)
        except ValidationError as error:
            detail = f"{self._app_id} answered {answer.status} with something else than an order."
            raise Unavailable(503, self._app_id, detail) from error
