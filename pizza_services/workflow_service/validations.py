"""The verdict on a cooked pizza, on its way to the workflow that waits for it."""

import refusals
from instances import Instances
from messages import Progress, Verdict, WaitingPizza
from models import Validation
from names import instance_of, validation_of
from store import Conflict, Store
from workflow import VALIDATED


class Validations:
    """Passes verdicts on, one for each pizza."""

    def __init__(self, instances: Instances, store: Store) -> None:
        self._instances, self._store = instances, store

    async def resumes_at(self, order_id: str, run: str) -> int:
        """The pizza with which a run goes on: the first one that was not rejected."""
        pizza, _ = await self._store.read(validation_of(order_id), WaitingPizza)
        if pizza is None or pizza.run != run:
            return 1
        return pizza.attempt + (pizza.status == "rejected")

    async def give(self, validation: Validation, progress: Progress) -> None:
        """Sends the verdict; the same one again is sent again. Raises Refused when no pizza waits for it.

        The verdict is noted first, so that of two that contradict each other one is refused; and sent after that each
        time, so that a crash in between is mended by asking again. The workflow takes the first for each attempt.
        """
        order_id, verdict = validation.order_id, "approved" if validation.verdict else "rejected"
        key = validation_of(order_id)
        pizza, etag = await self._store.read(key, WaitingPizza)
        if (
            pizza is None
            or (pizza.run, pizza.attempt, "validate_pizza") != (progress.run, progress.attempt, progress.step)
            or validation.attempt not in (None, pizza.attempt)
        ):
            raise refusals.not_waiting(order_id)
        if pizza.status == "pending_validation":
            try:
                await self._store.write(key, pizza.model_copy(update={"status": verdict}), etag)
            except Conflict:
                raise refusals.clash(order_id) from None
        elif pizza.status != verdict:
            raise refusals.Refused(409, "VALIDATED", f"This pizza of order {order_id} was {pizza.status} already.")
        event = Verdict(run=pizza.run, attempt=pizza.attempt, approved=validation.verdict)
        await self._instances.raise_event(instance_of(order_id), VALIDATED, event.model_dump())
