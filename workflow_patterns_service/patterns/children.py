"""Children: a workflow for each part of a larger one. A tour of stops, each its own child.

A child has its own history, its own retries and its own id, so it can be read and ended alone. It fails alone, too:
the tour goes on without that stop. An activity would be enough for a stop that is a single step.
"""

from collections.abc import Sequence
from typing import Annotated

from dapr.ext.workflow import TaskFailedError
from pydantic import BaseModel, Field

from kit.engine.context import Context, Steps, retry
from kit.engine.worker import Activity
from models import PatternInput, Step
from pattern import Pattern, Tools

Place = Annotated[str, Field(min_length=1, max_length=100)]


class Tour(PatternInput):
    """A tour. `fail` knows the steps travel-1, play-1, travel-2 and so on."""

    stops: list[Place] = Field(default=["Porto", "Lisbon", "Faro"], min_length=1, max_length=20)

    def steps(self) -> Sequence[str]:
        """Return the names of the steps."""
        return [f"{what}-{number}" for number in range(1, len(self.stops) + 1) for what in ("travel", "play")]


class Stop(BaseModel):
    """The input of a child."""

    travel: Step
    play: Step
    attempts: int


def children(ctx: Context, tour: Tour) -> Steps:
    """Visit the stops one after the other. Skip a stop that fails for good."""
    visited: list[str] = []
    skipped: list[str] = []
    for number, place in enumerate(tour.stops, 1):
        stop = Stop(travel=tour.step(f"travel-{number}"), play=tour.step(f"play-{number}"), attempts=tour.attempts)
        # The id follows from the parent's, so you can ask the engine for the second stop of a tour.
        try:
            yield ctx.call_child_workflow("visit", input=stop, instance_id=f"{ctx.instance_id}:{number}")
            visited.append(place)
        except TaskFailedError:
            skipped.append(place)
        ctx.set_custom_status(f"{number} of {len(tour.stops)} stops")
    return {"visited": visited, "skipped": skipped}


def visit(ctx: Context, stop: Stop) -> Steps:
    """Travel to a stop and play there."""
    policy = retry(stop.attempts, first_seconds=0.2, longest_seconds=5.0)
    yield ctx.call_activity("do_tour_step", input=stop.travel, retry_policy=policy)
    yield ctx.call_activity("do_tour_step", input=stop.play, retry_policy=policy)


def activities(tools: Tools) -> Sequence[Activity]:
    """Return the steps."""

    async def do_tour_step(step: Step) -> None:
        await tools.deeds.do(step)

    return (do_tour_step,)


PATTERN = Pattern("children", "A child workflow for each part", Tour, [children, visit], activities)
