"""Pizza orders as the two services show them, and what may be asked of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from console import sending
from console.labs import Labs
from labctl.errors import LabError

WORKFLOW, BOOK = "pizza-workflow", "pizza-order"
SHOWN = 20  # orders at once, each asked about while it is in flight

COLUMNS: dict[str, tuple[str, ...]] = {
    "Ordered": ("accepted", "stored", "confirmed"),
    "In the kitchen": ("cooking", "cooked", "rejected"),
    "Waits for you": ("pending_validation",),
    "On its way": ("approved", "delivering"),
    "Ended": ("delivered", "failed", "cancelled", "expired"),
}
_FINAL = COLUMNS["Ended"]


@dataclass(frozen=True)
class Order:
    """An order. timeline: each status with its time and the number of its pizza."""

    order_id: str
    pizza: str = ""
    status: str = "accepted"
    step: str = "accepted"
    attempt: int = 1
    paused: bool = False
    ended: bool = False
    timeline: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """Return the column of the board. A status of a later version is shown among the new ones."""
        return next((name for name, statuses in COLUMNS.items() if self.status in statuses), "Ordered")

    @property
    def allowed(self) -> frozenset[str]:
        """Return the requests that the order's state allows. The service has the last word."""
        if self.ended:
            # A failed order may have ended half done. By force, its steps are compensated.
            return frozenset({"cancel"}) if self.status == "failed" else frozenset()
        if self.status in _FINAL:
            return frozenset({"resume"} if self.paused else ())
        verdicts = {"approve", "reject"} if self.status == "pending_validation" else set[str]()
        return frozenset(verdicts | {"cancel", "resume" if self.paused else "pause"})

    def seen(self, state: Mapping[str, Any]) -> Order:
        """Return the order as pizza-workflow shows it, or pizza-order, which knows the pizza and no pause."""
        pizza: dict[str, str] = state.get("order") or {}
        ended = bool(state.get("final")) if "final" in state else "result" in state
        return replace(
            self,
            pizza=f"{pizza['size']} {pizza['pizza_type']}" if pizza else self.pizza,
            status=str(state["status"]),
            step=str(state.get("step") or self.step),
            attempt=int(state.get("attempt") or 1),
            paused=bool(state.get("paused", self.paused)) and not ended,
            ended=ended,
            timeline=tuple(_entry(entry) for entry in state["timeline"]),
        )


def _entry(entry: Mapping[str, Any]) -> str:
    number = entry.get("attempt") or 1
    return f"{str(entry['at'])[11:19]} {entry['status']}{f', pizza {number}' if number > 1 else ''}"


@dataclass(frozen=True)
class Page:
    """Some orders, newest first, the key of the next page, and a sentence for each service that is down.

    turn: the number of times that a user pressed something before.
    """

    orders: tuple[Order, ...]
    older: str = ""
    notes: tuple[str, ...] = ()
    turn: int = 0


async def read(labs: Labs, known: Mapping[str, Order], own: Iterable[str], before: str = "") -> Page:
    """Return the orders of pizza-order's book, each in flight as pizza-workflow shows it.

    known: the orders that were shown last. They stay while a service is down. own: orders that were placed just now,
    which pizza-order may not have heard of yet.
    """
    notes: list[str] = []
    found = dict.fromkeys((one for one in own if one in known), "") if not before else {}
    orders, older = dict(known), ""
    try:
        answer = await sending.look(labs, BOOK, f"/orders?limit={SHOWN}{f'&before={before}' if before else ''}")
        for state in answer.fields.get("orders", []):
            found[state["order_id"]] = ""
            orders[state["order_id"]] = orders.get(state["order_id"], Order(state["order_id"])).seen(state)
        older = str(answer.fields.get("next") or "")
    except LabError as error:
        notes.append(str(error))
        found = found | dict.fromkeys(known, "")
    shown = await _in_flight(labs, [orders[one] for one in found], notes)
    return Page(tuple(shown), older, tuple(dict.fromkeys(notes)))


async def _in_flight(labs: Labs, orders: list[Order], notes: list[str]) -> list[Order]:
    """Return the orders, those that have not ended as pizza-workflow shows them."""

    async def of(order: Order) -> Order:
        if order.ended:
            return order
        try:
            answer = await sending.look(labs, WORKFLOW, f"/orders/{order.order_id}")
        except LabError as error:
            notes.append(str(error))
            return order
        return order.seen(answer.fields) if answer.is_success else order

    return await asyncio.gather(*(of(order) for order in orders))
