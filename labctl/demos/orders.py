"""All orders of the pizza services, as a board in the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
from rich import box
from rich.table import Table
from rich.text import Text

STATUSES = ("confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering", "delivered")
ENDS = {"delivered": "green", "failed": "red", "cancelled": "yellow", "expired": "yellow"}
_WITHIN = 1.0  # seconds for one look, during which no keys are read


@dataclass
class Order:
    """An order as it was seen last."""

    order_id: str
    pizza: str
    status: str = ""
    attempt: int = 1
    paused: bool = False
    ended: bool = False
    been: set[str] = field(default_factory=set[str])

    def see(self, seen: dict[str, Any]) -> None:
        """Take over the state that pizza-workflow shows, or pizza-order, which shows no pause."""
        self.status, self.attempt = seen["status"], seen["attempt"] or 1
        self.paused = seen.get("paused", self.paused)
        self.ended = seen.get("final", "result" in seen)
        self.been = {entry["status"] for entry in seen["timeline"]}


class Orders:
    """The newest orders in pizza-order's book, oldest first, and how far each one is.

    While a killed service does not answer, the last known state is shown.
    """

    def __init__(self, http: httpx.Client, workflow: str, book: str) -> None:
        self.http, self.workflow, self.book = http, workflow, book
        self.known: dict[str, Order] = {}
        self.chosen: str | None = None

    def add(self, order_id: str, pizza: str) -> None:
        """Add an order that was made just now. Its events may not have reached pizza-order yet."""
        self.known.setdefault(order_id, Order(order_id, pizza))

    def choose(self, step: int, rows: int) -> None:
        """Choose the order `step` rows further down, or the last one when none is chosen."""
        ids = [order.order_id for order in self.shown(rows)]
        here = ids.index(self.chosen) + step if self.chosen else len(ids) - 1
        self.chosen = ids[max(0, min(here, len(ids) - 1))] if ids else None

    def shown(self, rows: int) -> list[Order]:
        """Return the last orders, as many as fit."""
        return list(self.known.values())[-rows:]

    def look(self, rows: int, own: Iterable[str]) -> None:
        """Read the newest orders, and the state of those in flight that are shown or that this demo placed."""
        for one in reversed(self._get(f"{self.book}/orders", limit=rows).get("orders", [])):
            self.add(one["order_id"], one["order"]["pizza_type"] if one["order"] else "?")
            self.known[one["order_id"]].see(one)
        ids = [order.order_id for order in self.shown(rows)]
        # No key acts on an order that has left the board.
        self.chosen = self.chosen if self.chosen in ids else None
        for order_id in dict.fromkeys([*ids, *own]):
            if not self.known[order_id].ended and (state := self._get(f"{self.workflow}/orders/{order_id}")):
                self.known[order_id].see(state)

    def _get(self, url: str, **query: int) -> dict[str, Any]:
        """Return the answer, or nothing from a service that is down."""
        try:
            answer = self.http.get(url, params=query, timeout=_WITHIN)
        except httpx.TransportError:
            return {}
        return answer.json() if answer.is_success else {}

    def table(self, rows: int) -> Table:
        """Return the board."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in ("", "order", "pizza", "no.", "status", "way"):
            table.add_column(column, no_wrap=True)
        for order in self.shown(rows):
            status = Text(order.status + (" (paused)" if order.paused else ""), _colour(order.status))
            way = "".join("●" if one in order.been else "○" for one in STATUSES)
            here = "▶" if order.order_id == self.chosen else ""
            table.add_row(here, order.order_id, Text(order.pizza), str(order.attempt), status, way)
        return table


def _colour(status: str) -> str:
    return ENDS.get(status, "cyan" if status == "pending_validation" else "white")
