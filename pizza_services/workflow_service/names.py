"""The ids of workflow instances."""


def instance_of(order_id: str) -> str:
    """The workflow instance that drives an order."""
    return f"pizza-order-{order_id}"


def compensation_of(order_id: str) -> str:
    """The workflow instance that undoes an order from outside."""
    return f"pizza-order-{order_id}-compensation"
