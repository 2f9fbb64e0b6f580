"""./lab bench NAME: measure side by side in one run, on a private stack, and end everything that was started."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from labctl.bench import attempts, blocks, chat, invocation, jobs, lateness, pizza, report, scaling, up
from labctl.bench import console as web_console
from labctl.errors import LabError
from labctl.stack import ROOT
from labctl.terminal import print_whole
from labctl.up import remembered
from labctl.up.private_stack import private_stack

BENCHES = {
    "invocation": invocation.measure,
    "jobs": jobs.measure,
    "chat": chat.measure,
    "pizza": pizza.measure,
    "blocks": blocks.measure,
    "console": web_console.measure,
    "scaling": scaling.measure,
    "up": up.measure,
}
PICTURES = {"invocation": attempts, "jobs": lateness}
FOLDER = ROOT / "docs" / "img"


def run(
    name: str, console: Console, json_: Path | None, seconds: float, *, full: bool = False, check: bool = False
) -> int:
    """Run a bench, print its table and write its JSON. Return the exit code: 1 with `check` when a target was missed.

    full: also the long rows, if the bench has any.

    Raise LabError for an unknown bench, as `private_stack` does, and when a request failed.
    """
    if name not in BENCHES:
        raise LabError(f"There is no bench {name!r}. The benches are: {', '.join(BENCHES)}.")
    with private_stack("bench") as stack:
        result = BENCHES[name](stack, console, seconds, full)
        dapr = remembered.find_runtime(stack).version()
    print_whole(console, report.table(result))
    met = report.say_targets(console, result.targets)
    if json_:
        report.write(json_, result.rows, dapr)
        console.print(f"Written to {json_}.")
    return 0 if met or not check else 1


def plot(name: str, console: Console) -> None:
    """Measure what a bench's picture shows, and draw it into docs/img.

    Raise LabError for a bench without a picture, as `private_stack` does, and when a measurement fails.
    """
    if name not in PICTURES:
        raise LabError(f"There is no picture of the bench {name!r}, only of: {', '.join(PICTURES)}.")
    with private_stack("bench") as stack:
        drawn = PICTURES[name].measure(stack, console)
    file = FOLDER / PICTURES[name].FILE
    file.write_text(drawn)
    console.print(f"Written to {file.relative_to(ROOT)}.")
