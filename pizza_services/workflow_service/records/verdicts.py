"""The verdict on a cooked pizza, on its way to the workflow that waits for it."""

from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from kit.edge.problems import Refused
from kit.engine.instances import Instances
from kit.sidecar.client import SdkClient
from kit.sidecar.store import Conflict, StateStore, Stored
from messages import Progress, Verdict, instance_of
from models import Validation
from orders import refusals
from settings import Settings
from workflow import VALIDATED


class WaitingPizza(BaseModel):
    """The state `validation_{order_id}`: a pizza that waits for a verdict, or has one."""

    order_id: str
    run: str
    attempt: int
    status: str = "pending_validation"
    quality: str = ""


class Verdicts:
    """Record the pizzas that wait, and pass on one verdict for each."""

    def __init__(self, settings: Settings, sdk: SdkClient, instances: Instances) -> None:
        self._instances = instances
        self._store = StateStore(sdk, settings.statestore_name, WaitingPizza, settings.record_retention_seconds)

    async def wait(self, order_id: str, run: str, attempt: int, quality: str) -> dict[str, Any] | None:
        """Record that a pizza waits, unless it or a later one does. Return its verdict if it has one."""
        pizza = WaitingPizza(order_id=order_id, run=run, attempt=attempt, quality=quality)
        if attempt == 1:
            # Most pizzas are an order's first. One write records it, and finds out if it is not.
            with suppress(Conflict):
                await self._store.save(_key(order_id), pizza, None)
                return None

        def edit(found: WaitingPizza | None) -> WaitingPizza:
            return pizza if found is None or found.run != run or found.attempt < attempt else found

        waiting = await self._store.change(_key(order_id), edit)
        # A repeated activity may be so late that the next pizza waits already.
        if waiting is None or waiting.attempt > attempt or waiting.status == "pending_validation":
            return None
        return Verdict(run=run, attempt=attempt, approved=waiting.status == "approved").model_dump()

    async def resumes_at(self, order_id: str, run: str) -> int:
        """Return the pizza with which a run continues: the first one that was not rejected."""
        pizza = (await self.find(order_id)).value
        if pizza is None or pizza.run != run:
            return 1
        return pizza.attempt + (pizza.status == "rejected")

    async def find(self, order_id: str) -> Stored[WaitingPizza]:
        """Return the pizza that waits, or the last one that did."""
        return await self._store.get(_key(order_id))

    async def give(self, validation: Validation, progress: Progress, found: Stored[WaitingPizza]) -> None:
        """Send the verdict; the same one again is sent again. Raise Refused if no pizza waits for it.

        The verdict is recorded first, so one of two contradicting ones is refused. It is sent after that each time, so
        a request that crashed in between can be repeated. The workflow takes the first for each attempt.
        """
        order_id, verdict = validation.order_id, "approved" if validation.verdict else "rejected"
        pizza = found.value
        if (
            pizza is None
            or (pizza.run, pizza.attempt, "validate_pizza") != (progress.run, progress.attempt, progress.step)
            or validation.attempt not in (None, pizza.attempt)
        ):
            raise refusals.NOT_WAITING.of(order_id)
        if pizza.status == "pending_validation":
            given = pizza.model_copy(update={"status": verdict})
            try:
                # An equal verdict in the way is this one, whose answer was lost, or does as well.
                await self._store.save(_key(order_id), given, found.etag, is_unique=True)
            except Conflict:
                raise refusals.CLASH.of(order_id) from None
        elif pizza.status != verdict:
            raise Refused(409, f"This pizza of order {order_id} was {pizza.status} already.", code="VALIDATED")
        event = Verdict(run=pizza.run, attempt=pizza.attempt, approved=validation.verdict)
        await self._instances.raise_event(instance_of(order_id), VALIDATED, event.model_dump())


def _key(order_id: str) -> str:
    return f"validation_{order_id}"
