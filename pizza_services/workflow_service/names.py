"""The ids of workflow instances, and the names of jobs."""


def instance_of(order_id: str) -> str:
    """The workflow instance that drives an order."""
    return f"pizza-order-{order_id}"


def compensation_of(order_id: str) -> str:
    """The workflow instance that undoes an order from outside."""
    # Nothing after the order's id, which could be the end of another id: each order has instances of its own.
    return f"pizza-undo-{order_id}"


def watch_of(order_id: str) -> str:
    """The job that looks after an order."""
    return f"watch-{order_id}"
