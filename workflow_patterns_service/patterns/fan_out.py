"""Fan-out and fan-in: many activities at once, and one result. A nightly report over some shops, at most K at a time.

`when_all` starts them all together. Here the next shop starts when any other is finished, so a report over many
shops does not overload their database.
"""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from kit.engine.context import Context, Steps, Task, when_any
from kit.engine.worker import Activity
from models import PatternInput, Step
from pattern import Pattern, Tools


class Report(PatternInput):
    """A report. `fail` knows the steps shop-1 to shop-N, and save."""

    shops: int = Field(default=6, ge=1, le=50)
    at_once: int = Field(default=3, ge=1, le=10, description="Shops that are read at the same time, at most")

    def steps(self) -> Sequence[str]:
        """Return the names of the steps."""
        return [*(f"shop-{number}" for number in range(1, self.shops + 1)), "save"]


class Shop(BaseModel):
    """A shop to read."""

    step: Step
    number: int


def fan_out(ctx: Context, report: Report) -> Steps:
    """Add up the sales of all shops. Fail if one of them fails for good."""
    waiting = [Shop(step=report.step(f"shop-{number}"), number=number) for number in range(1, report.shops + 1)]
    running: list[Task] = []
    total = 0
    while waiting or running:
        while waiting and len(running) < report.at_once:
            running.append(ctx.call_activity("read_shop", input=waiting.pop(0), retry_policy=report.policy))
        done = yield when_any(running)
        running.remove(done)
        # Raises if the shop failed. The shops in flight continue, and nobody reads their results.
        total += done.get_result()
    yield ctx.call_activity("save_report", input=report.step("save"), retry_policy=report.policy)
    return {"shops": report.shops, "total": total}


def activities(tools: Tools) -> Sequence[Activity]:
    """Return the steps. To read a shop twice is harmless. The report is saved once."""

    async def read_shop(shop: Shop) -> int:
        await tools.deeds.do(shop.step)
        return 100 * shop.number

    async def save_report(step: Step) -> None:
        await tools.deeds.do(step)

    return read_shop, save_report


PATTERN = Pattern("fan_out", "Many activities at once, at most K at a time", Report, [fan_out], activities)
