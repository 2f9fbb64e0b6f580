"""Monitor: look at something again and again, for hours or weeks. A parcel is watched until it is delivered.

The pauses are durable timers: no thread waits, and a restart loses nothing. Each look continues the workflow as new,
with an empty history. Otherwise the history would grow with each look, and each turn replays all of it.
"""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel, Field

from kit.engine.context import Context, Steps
from kit.engine.worker import Activity
from models import PatternInput, Step
from pattern import Pattern, Tools

STATIONS = ["posted", "in Lyon", "in Madrid", "in Lisbon"]


class Parcel(PatternInput):
    """A parcel. `fail` knows the steps look-1, look-2 and so on."""

    delivered_after: int = Field(default=4, ge=1, le=1000, description="The look that finds it delivered")
    every_seconds: float = Field(default=0.5, gt=0, le=86_400, description="Pause between two looks")
    most_looks: int = Field(default=100, ge=1, le=1000, description="Then it is lost")
    look: int = Field(default=1, ge=1, le=1000, description="The number of the present look")

    def steps(self) -> Sequence[str]:
        """Return the names of the steps."""
        return [f"look-{number}" for number in range(1, self.most_looks + 1)]


class Look(BaseModel):
    """A look at a parcel."""

    step: Step
    number: int
    delivered_after: int


def monitor(ctx: Context, parcel: Parcel) -> Steps:
    """Look where a parcel is, until it is delivered. Each run of this function is one look."""
    look = Look(step=parcel.step(f"look-{parcel.look}"), number=parcel.look, delivered_after=parcel.delivered_after)
    place = yield ctx.call_activity("locate_parcel", input=look, retry_policy=parcel.policy)
    ctx.set_custom_status(place)
    if place == "delivered" or parcel.look >= parcel.most_looks:
        return {"place": place if place == "delivered" else "lost", "looks": parcel.look}
    yield ctx.create_timer(timedelta(seconds=parcel.every_seconds))
    # save_events: an event that arrived during this look is not lost.
    following = parcel.model_copy(update={"look": parcel.look + 1})
    ctx.continue_as_new(following.model_dump(mode="json"), save_events=True)
    return None


def activities(tools: Tools) -> Sequence[Activity]:
    """Return the step."""

    async def locate_parcel(look: Look) -> str:
        await tools.deeds.do(look.step)
        return "delivered" if look.number >= look.delivered_after else STATIONS[min(look.number, len(STATIONS)) - 1]

    return (locate_parcel,)


PATTERN = Pattern("monitor", "Look again and again, with durable timers", Parcel, [monitor], activities)
