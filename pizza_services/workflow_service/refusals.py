"""What an order cannot do now."""


class Refused(Exception):
    """A request that the order's state does not allow; `status` is 404 or 409, `code` says which conflict."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code = status, code


def unknown(order_id: str) -> Refused:
    """No workflow, and pizza-order does not know it either."""
    return Refused(404, "ORDER_UNKNOWN", f"order_id: there is no order {order_id}.")


def running(order_id: str) -> Refused:
    """Started twice."""
    return Refused(409, "ORDER_RUNNING", f"Order {order_id} is under way.")


def finished(order_id: str) -> Refused:
    """The runtime itself would run it again."""
    hint = f"DELETE /orders/{order_id} of pizza-order before it is started again"
    return Refused(409, "ORDER_FINISHED", f"Order {order_id} has ended; {hint}.")


def broken_off(order_id: str) -> Refused:
    """The workflow failed, or was stopped, and nothing has undone what it did: pizza-order takes it for under way."""
    hint = f'POST /cancel-order {{"order_id": "{order_id}", "force": true}} undoes it'
    return Refused(409, "ORDER_FINISHED", f"Order {order_id} has ended half done; {hint}.")


def lost(order_id: str) -> Refused:
    """Deleted, so that it might start again, but the engine has nothing to do with its instance any more."""
    hint = f"The Dapr workflow engine has lost a part of pizza-order-{order_id}, and starts no other under that id"
    return Refused(409, "ORDER_LOST", f"{hint}: give the order another order_id.")


def not_waiting(order_id: str) -> Refused:
    """A verdict that nobody waits for."""
    return Refused(409, "NOT_WAITING", f"No pizza of order {order_id} waits for validation.")


def clash(order_id: str) -> Refused:
    """Two requests at once that exclude each other."""
    return Refused(409, "AT_ONCE", f"Another request changed order {order_id} at the same moment; ask again.")
