"""The workflow of an order. It is replayed from its history after each step, so it does no I/O."""

from datetime import timedelta

from kit.engine.context import Context, Steps, retry
from models import Order


def greeting_workflow(ctx: Context, order: Order) -> Steps:
    """Wait a second, then ask for the greeting. A crash in between loses and repeats nothing."""
    yield ctx.create_timer(timedelta(seconds=1))
    policy = retry(attempts=10, first_seconds=1, longest_seconds=10)
    return (yield ctx.call_activity("greet", input=order, retry_policy=policy))
