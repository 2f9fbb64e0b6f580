"""Retries: a partner that fails now and then. The engine repeats the step, with longer pauses each time.

The pauses are durable timers, so a crash between two attempts loses no attempt and adds none. A refusal is no
failure: the same request gets the same answer, so it is not retried.
"""

from collections.abc import Sequence

from dapr.ext.workflow import TaskFailedError
from pydantic import BaseModel, Field

from kit.engine.context import Context, Steps
from kit.engine.worker import Activity
from models import PatternInput, Step, StepName, Times
from pattern import Pattern, Tools

PRICE = 240


class NonRetryableError(Exception):
    """The partner refused the request. Dapr's workers know this class by its name, and do not retry it."""


class Inquiry(PatternInput):
    """A question to the partner, which is flaky unless `fail` is {}. `fail` knows the step quote."""

    STEPS = ("quote",)
    fail: dict[StepName, Times] = Field(default={"quote": 2}, max_length=1, description="Attempts that fail first")
    is_refused: bool = Field(default=False, description="The partner refuses the request for good")


class Question(BaseModel):
    """The input of the activity."""

    step: Step
    is_refused: bool


def retries(ctx: Context, inquiry: Inquiry) -> Steps:
    """Ask the partner for a price, up to `attempts` times."""
    question = Question(step=inquiry.step("quote"), is_refused=inquiry.is_refused)
    try:
        price = yield ctx.call_activity("ask_partner", input=question, retry_policy=inquiry.policy)
    except TaskFailedError as error:
        return {"outcome": "no price", "reason": error.details.message}
    return {"outcome": "quoted", "price": price}


def activities(tools: Tools) -> Sequence[Activity]:
    """Return the step. Its error is raised: an error that is caught and logged here would never be retried."""

    async def ask_partner(question: Question) -> int:
        if question.is_refused:
            await tools.deeds.count(question.step)
            raise NonRetryableError("the partner does not serve this customer")
        await tools.deeds.do(question.step)
        return PRICE

    return (ask_partner,)


PATTERN = Pattern("retries", "A flaky partner, and a retry policy", Inquiry, [retries], activities)
