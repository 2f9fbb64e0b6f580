"""./lab chaos LAB: kill each part of a lab in turn while it works, on a private stack, and audit the result."""

from __future__ import annotations

from rich.console import Console

from labctl import variants
from labctl.chaos import pizza
from labctl.errors import LabError
from labctl.up.private_stack import private_stack

LABS = {"pizza": pizza.play}


def run(lab: str, console: Console, orders: int, seed: int, components: str = "") -> int:
    """Run the chaos of a lab, and print each kill and every ledger. Return 1 when anything was lost or doubled.

    Raise LabError for a lab without chaos and for unknown components, as `private_stack` does, and when a process does
    not restart.
    """
    if lab not in LABS:
        raise LabError(f"There is no chaos for {lab!r}, only for: {', '.join(LABS)}.")
    variants.refuse_unknown(components)
    with private_stack("chaos", components) as stack:
        return 0 if LABS[lab](stack, console, orders, seed) else 1
