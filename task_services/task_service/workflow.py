"""The child workflow that workflow-patterns calls in this app."""

from activities import CarRequest
from kit.engine.context import Context, Steps, retry


def book_car(ctx: Context, request: CarRequest) -> Steps:
    """Book a car at the price that it is quoted at."""
    quote = yield ctx.call_activity("quote_car", input=request, retry_policy=retry(3, 0.5, 2))
    return {"booking": f"car-{ctx.instance_id}", **quote}
