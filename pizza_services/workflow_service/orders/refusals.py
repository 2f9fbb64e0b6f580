"""The refusals of a request that an order's standing does not allow."""

from typing import NamedTuple

from fastapi import Request
from fastapi.responses import JSONResponse

from kit.edge.problems import Refused, problem
from kit.engine.instances import ENGINE, RETRY_AFTER_SECONDS
from kit.sidecar.unavailable import Unavailable


class Refusal(NamedTuple):
    """A refusal, whose detail has {id} for the order. One with 503 may be asked for again."""

    status: int
    code: str
    detail: str

    def of(self, order_id: str) -> Exception:
        """Return the error for this order."""
        detail = self.detail.replace("{id}", order_id)
        if self.status == 503:
            return Unavailable(503, ENGINE, detail, retry_after=RETRY_AFTER_SECONDS)
        return Refused(self.status, detail, code=self.code)


UNKNOWN = Refusal(404, "ORDER_UNKNOWN", "order_id: there is no order {id}.")
RUNNING = Refusal(409, "ORDER_RUNNING", "Order {id} is running.")
# The runtime itself would run the workflow again.
FINISHED = Refusal(
    409, "ORDER_FINISHED", "Order {id} has ended; DELETE /orders/{id} of pizza-order before it is started again."
)
BROKEN_OFF = Refusal(
    409,
    "ORDER_FINISHED",
    'Order {id} has ended half done; POST /cancel-order {"order_id": "{id}", "force": true} compensates it.',
)
LOST = Refusal(
    409,
    "ORDER_LOST",
    "The Dapr workflow engine has lost a part of pizza-order-{id}, and starts no other under that id: "
    "give the order another order_id.",
)
NOT_WAITING = Refusal(409, "NOT_WAITING", "No pizza of order {id} waits for validation.")
CLASH = Refusal(409, "AT_ONCE", "Another request changed order {id} at the same moment; try again.")
# Its run is unknown until its first turn.
NOT_BEGUN = Refusal(503, "", "Order {id} is accepted and has not begun yet; try again.")
RESTARTING = Refusal(503, "", "The workflow of order {id} failed and is being restarted; try again.")


async def no_instance(_: Request, __: Exception) -> JSONResponse:
    """Answer a request whose order ended, and was removed, after its standing was read."""
    return problem(404, "order_id: this order's workflow is not there any more.", code="ORDER_UNKNOWN")
