"""The kitchen's own check of a pizza: an activity that the workflow of another app calls.

It only reads, so it may run twice, and finds the same each time unless the pizza was thrown away meanwhile.
"""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

from ledger import Ledger, UnknownOrder
from models import QualityReport, QualityTask
from steps import COOK, DISCARD


class QualityCheck:
    """Says whether a pizza may leave the kitchen; types in `refuses` never may."""

    def __init__(self, ledger: Ledger, refuses: AbstractSet[str]) -> None:
        self._ledger = ledger
        self._refuses = refuses

    async def check(self, task: QualityTask) -> QualityReport:
        """Looks at the pizza of one attempt. Raises StoreFailed, on which the workflow tries again."""
        problem = await self._problem(task)
        note = problem or f"A fine {task.pizza_type}."
        return QualityReport(order_id=task.order_id, attempt=task.attempt, passed=problem is None, note=note)

    async def _problem(self, task: QualityTask) -> str | None:
        if task.pizza_type in self._refuses:
            return f"This kitchen lets out no {task.pizza_type}."
        try:
            entries = (await self._ledger.of(task.order_id)).entries
        except UnknownOrder:
            entries = []
        mine = {entry.step: entry for entry in entries if (entry.run, entry.attempt) == (task.run, task.attempt)}
        if DISCARD.name in mine:
            return "This pizza has been thrown away."
        if COOK.name not in mine or mine[COOK.name].at > datetime.now(UTC):
            return "There is no such pizza, or it is still in the oven."
        return None
