"""Pizza orders on the board: their column, and the buttons that their state allows."""

from __future__ import annotations

from typing import Any

import pytest

from console.pages.lab.orders import COLUMNS, Order

ENTRY = {"status": "cooking", "at": "2026-12-01T11:37:52.000Z", "attempt": 2}
WORKFLOW: dict[str, Any] = {
    "status": "cooking",
    "step": "cook_pizza",
    "attempt": 2,
    "paused": True,
    "timeline": [ENTRY],
}
BOOK: dict[str, Any] = {
    "status": "delivered",
    "step": "deliver_pizza",
    "attempt": 1,
    "final": True,
    "order": {"order_id": "1", "pizza_type": "pepperoni", "size": "large", "customer": {"name": "Ada"}},
    "timeline": [],
}


def test_an_order_in_flight_is_as_its_workflow_shows_it() -> None:
    order = Order("1", "large pepperoni").seen(WORKFLOW)
    assert order == Order(
        "1", "large pepperoni", "cooking", "cook_pizza", 2, paused=True, timeline=("11:37:52 cooking, pizza 2",)
    )
    assert order.column == "In the kitchen"


def test_the_book_knows_the_pizza_and_whether_the_order_has_ended() -> None:
    order = Order("1").seen(BOOK)
    assert (order.pizza, order.ended, order.column) == ("large pepperoni", True, "Ended")
    assert Order("1").seen(WORKFLOW | {"result": {}}).ended
    # Before its first status it has no step and no attempt.
    assert (
        Order("1").seen({"status": "stored", "step": None, "attempt": None, "final": False, "timeline": []}).attempt
        == 1
    )


@pytest.mark.parametrize(
    ("order", "allowed"),
    [
        (Order("1"), {"pause", "cancel"}),
        (Order("1", status="cooking"), {"pause", "cancel"}),
        (Order("1", status="cooking", paused=True), {"resume", "cancel"}),
        (Order("1", status="pending_validation"), {"approve", "reject", "pause", "cancel"}),
        (Order("1", status="pending_validation", paused=True), {"approve", "reject", "resume", "cancel"}),
        # Its last status is decided, and not yet published.
        (Order("1", status="delivered"), set()),
        (Order("1", status="delivered", paused=True), {"resume"}),
        (Order("1", status="cancelled", ended=True), set()),
        (Order("1", status="failed", ended=True), {"cancel"}),
    ],
)
def test_the_buttons_follow_the_state(order: Order, allowed: set[str]) -> None:
    assert order.allowed == allowed


def test_each_status_has_one_column() -> None:
    statuses = [status for column in COLUMNS.values() for status in column]
    assert len(statuses) == len(set(statuses))
    assert [Order("1", status=status).column for status in statuses] == [
        name for name, column in COLUMNS.items() for _ in column
    ]
    assert Order("1", status="of a later version").column == "Ordered"
