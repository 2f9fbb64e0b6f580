"""Approval: wait for an event from outside, but not for ever. An expense waits until somebody decides.

The event arrives by POST /patterns/{instance_id}/events/decision, or as a message on the topic expenses
(decisions.py). An event that is early is kept until the workflow waits for it. Of two events the first counts.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import Field, ValidationError

from kit.engine.context import Context, Steps
from kit.engine.worker import Activity
from models import PatternInput, Step, Strict
from pattern import Pattern, Tools

DECISION = "decision"


class Expense(PatternInput):
    """An expense. `fail` knows the steps ask, pay, refuse and expire."""

    STEPS = ("ask", "pay", "refuse", "expire")
    amount: int = Field(default=120, ge=1, le=1_000_000)
    limit_seconds: float = Field(default=600, gt=0, le=2_592_000, description="How long it waits for a decision")


class Decision(Strict):
    """The data of the event."""

    approved: bool
    by: str = Field(min_length=1, max_length=100, examples=["Ada"])


def approval(ctx: Context, expense: Expense) -> Steps:
    """Ask for a decision, wait for it, and pay or refuse. Expire after `limit_seconds`."""
    yield ctx.call_activity("do_expense_step", input=expense.step("ask"), retry_policy=expense.policy)
    ctx.set_custom_status("waits for a decision")
    decision = yield from decided(ctx, ctx.current_utc_datetime + timedelta(seconds=expense.limit_seconds))
    if decision is None:
        yield ctx.call_activity("do_expense_step", input=expense.step("expire"), retry_policy=expense.policy)
        return {"outcome": "expired"}
    ctx.set_custom_status(f"decided by {decision.by}")
    step = expense.step("pay" if decision.approved else "refuse")
    yield ctx.call_activity("do_expense_step", input=step, retry_policy=expense.policy)
    return {"outcome": "paid" if decision.approved else "refused", "by": decision.by}


def decided(ctx: Context, until: datetime) -> Steps:
    """Wait for a decision. Return None if there is none in time. Ignore an event that is no decision."""
    while True:
        try:
            # The event, or a durable timer that raises TimeoutError here.
            event = yield ctx.wait_for_external_event(DECISION, timeout=until)
            return Decision.model_validate(event)
        except TimeoutError:
            return None
        except ValidationError:
            continue


def activities(tools: Tools) -> Sequence[Activity]:
    """Return the steps."""

    async def do_expense_step(step: Step) -> None:
        await tools.deeds.do(step)

    return (do_expense_step,)


PATTERN = Pattern(
    "approval", "Wait for an event, but not for ever", Expense, [approval], activities, {DECISION: Decision}
)
