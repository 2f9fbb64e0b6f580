"""The steps of the kitchen, and its quality check: an activity that the workflow of another app calls."""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

from kit.ledger import Ledger, Step, UnknownOrder
from models import QualityReport, QualityTask

# By attempt, because another pizza follows one that was rejected.
COOK = Step("cook", "cooked", compensated_by=frozenset({"discard"}), by_attempt=True)
DISCARD = Step("discard", "discarded")


class QualityCheck:
    """Decide whether a pizza may leave the kitchen. Types in `refuses` never may.

    The check only reads, so it may run twice. It finds the same each time unless the pizza was discarded in between.
    """

    def __init__(self, ledger: Ledger, refuses: AbstractSet[str]) -> None:
        self._ledger, self._refuses = ledger, refuses

    async def quality_check(self, task: QualityTask) -> dict[str, Any]:
        """Check the pizza of one attempt. Raise Unavailable, on which the workflow retries."""
        fault = await self._fault(task)
        note = fault or f"A fine {task.pizza_type}."
        report = QualityReport(order_id=task.order_id, attempt=task.attempt, passed=fault is None, note=note)
        return report.model_dump()

    async def _fault(self, task: QualityTask) -> str | None:
        if task.pizza_type in self._refuses:
            return f"This kitchen serves no {task.pizza_type}."
        try:
            entries = (await self._ledger.of(task.order_id)).entries
        except UnknownOrder:
            entries = []
        mine = {entry.step: entry for entry in entries if (entry.run, entry.attempt) == (task.run, task.attempt)}
        if DISCARD.name in mine:
            return "This pizza was discarded."
        if COOK.name not in mine or mine[COOK.name].at > datetime.now(UTC):
            return "There is no such pizza, or it is still in the oven."
        return None
