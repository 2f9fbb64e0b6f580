"""The ids of workflow instances, and the names of jobs and of what several modules keep in the state store."""


def instance_of(order_id: str) -> str:
    """The workflow instance that drives an order."""
    return f"pizza-order-{order_id}"


def compensations_of(order_id: str) -> tuple[str, ...]:
    """The workflow instances that undo an order from outside: the first, and those that follow when it is lost."""
    # Nothing after the order's id, which could be the end of another id: each order has instances of its own.
    return tuple(f"{kind}-{order_id}" for kind in ("pizza-undo", "pizza-undo2", "pizza-undo3"))


def watch_of(order_id: str) -> str:
    """The job that looks after an order."""
    return f"watch-{order_id}"


def validation_of(order_id: str) -> str:
    """The key of the pizza of an order that waits for a verdict, or has got one."""
    return f"validation_{order_id}"
