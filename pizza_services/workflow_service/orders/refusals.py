"""The refusals of a request that an order's standing does not allow."""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from kit.edge.problems import problem
from kit.engine.instances import ENGINE, RETRY_AFTER_SECONDS, NoInstance
from kit.sidecar.unavailable import Unavailable


class Refused(Exception):
    """The order's standing does not allow the request. `status` is 404 or 409, `code` names the conflict."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code = status, code


async def answer(_: Request, error: Exception) -> JSONResponse:
    """Answer a refused request."""
    assert isinstance(error, Refused)
    return problem(error.status, str(error), code=error.code)


async def no_instance(_: Request, __: Exception) -> JSONResponse:
    """Answer a request whose order ended, and was removed, after its standing was read."""
    return problem(404, "order_id: this order's workflow is not there any more.", code="ORDER_UNKNOWN")


HANDLERS: dict[type[Exception], Any] = {Refused: answer, NoInstance: no_instance}


def unknown(order_id: str) -> Refused:
    """Refuse a request for an order that has no workflow and that pizza-order does not know."""
    return Refused(404, "ORDER_UNKNOWN", f"order_id: there is no order {order_id}.")


def running(order_id: str) -> Refused:
    """Refuse a second start."""
    return Refused(409, "ORDER_RUNNING", f"Order {order_id} is running.")


def finished(order_id: str) -> Refused:
    """Refuse what comes after the end. The runtime itself would run the workflow again."""
    hint = f"DELETE /orders/{order_id} of pizza-order before it is started again"
    return Refused(409, "ORDER_FINISHED", f"Order {order_id} has ended; {hint}.")


def broken_off(order_id: str) -> Refused:
    """Refuse a request for an order whose workflow failed or was stopped, and that is not compensated."""
    hint = f'POST /cancel-order {{"order_id": "{order_id}", "force": true}} compensates it'
    return Refused(409, "ORDER_FINISHED", f"Order {order_id} has ended half done; {hint}.")


def lost(order_id: str) -> Refused:
    """Refuse to start a deleted order whose id the engine cannot use again."""
    hint = f"The Dapr workflow engine has lost a part of pizza-order-{order_id}, and starts no other under that id"
    return Refused(409, "ORDER_LOST", f"{hint}: give the order another order_id.")


def not_waiting(order_id: str) -> Refused:
    """Refuse a verdict on a pizza that waits for none."""
    return Refused(409, "NOT_WAITING", f"No pizza of order {order_id} waits for validation.")


def clash(order_id: str) -> Refused:
    """Refuse one of two requests that exclude each other."""
    return Refused(409, "AT_ONCE", f"Another request changed order {order_id} at the same moment; try again.")


def not_begun(order_id: str) -> Unavailable:
    """Return the error for a request that must wait for the order's first turn, until which its run is unknown."""
    return _later(f"Order {order_id} is accepted and has not begun yet; try again.")


def restarting(order_id: str) -> Unavailable:
    """Return the error for a request that must wait until the order's second workflow has begun."""
    return _later(f"The workflow of order {order_id} failed and is being restarted; try again.")


def _later(detail: str) -> Unavailable:
    return Unavailable(503, ENGINE, detail, retry_after=RETRY_AFTER_SECONDS)
