"""Versioning: change a workflow while instances of it are in flight. A letter that waits for its signature.

A replay must do what the history says, so a letter in flight must not meet new code. Both versions are registered
under one name. New letters run the latest, and Dapr notes the version in the history of each.

A number in the input does the same without the SDK (pizza_services/workflow_service/workflow.py). Take the number for
a change of a few lines in one function. Take named versions for another story.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from kit.engine.context import Context, Steps
from kit.engine.worker import Activity, Version
from models import PatternInput, Step, Strict
from pattern import Pattern, Tools

SIGNATURE = "signature"


class Letter(PatternInput):
    """A letter. `fail` knows the steps write, proofread and send."""

    STEPS = ("write", "proofread", "send")


class Signature(Strict):
    """The data of the event."""

    by: str = Field(min_length=1, max_length=100, examples=["Ada"])


def letter_v1(ctx: Context, letter: Letter) -> Steps:
    """Write a letter, wait for the signature, and send it."""
    yield ctx.call_activity("do_letter_step", input=letter.step("write"), retry_policy=letter.policy)
    ctx.set_custom_status("v1 waits for a signature")
    yield ctx.wait_for_external_event(SIGNATURE)
    yield ctx.call_activity("do_letter_step", input=letter.step("send"), retry_policy=letter.policy)
    return {"version": "v1"}


def letter_v2(ctx: Context, letter: Letter) -> Steps:
    """Proofread the letter, too."""
    yield ctx.call_activity("do_letter_step", input=letter.step("write"), retry_policy=letter.policy)
    yield ctx.call_activity("do_letter_step", input=letter.step("proofread"), retry_policy=letter.policy)
    ctx.set_custom_status("v2 waits for a signature")
    yield ctx.wait_for_external_event(SIGNATURE)
    yield ctx.call_activity("do_letter_step", input=letter.step("send"), retry_policy=letter.policy)
    return {"version": "v2"}


def versions(latest: Literal["v1", "v2"]) -> list[Version]:
    """Return both versions. v1 stays until its last instance has ended."""
    known = {"v1": letter_v1, "v2": letter_v2}
    return [Version(workflow, "versioning", name, name == latest) for name, workflow in known.items()]


def activities(tools: Tools) -> Sequence[Activity]:
    """Return the steps."""

    async def do_letter_step(step: Step) -> None:
        await tools.deeds.do(step)

    return (do_letter_step,)


PATTERN = Pattern(
    "versioning", "Two versions under one name", Letter, versions("v2"), activities, {SIGNATURE: Signature}
)
