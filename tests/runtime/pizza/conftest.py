"""Lab 4 as its tests talk to it: orders are started and steered, and what each service says that it did is compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from labctl.up.processes import wait_until
from tests.runtime.conftest import RETURNS_WITHIN, Running

WORKFLOW, BOOK = "pizza-workflow", "pizza-order"
SHOP, KITCHEN, COURIER = "pizza-storefront", "pizza-kitchen", "pizza-delivery"
# The doer of each step that the workflow shows: its ledger shows that the step has begun.
DOERS = {"order_pizza": SHOP, "cook_pizza": KITCHEN, "validate_pizza": WORKFLOW, "deliver_pizza": COURIER}
# A step takes 1 to 3 s; the rest is for a machine that is busy, and for the retries after a kill.
SOON, AFTER_A_KILL = 60, 100 + RETURNS_WITHIN

Deed = tuple[str, int]


class Pizza(Running):
    """The running lab."""

    def order(self, order_id: str | None = None, **changes: Any) -> str:
        """Start an order and return its id, which no other test has."""
        order_id = order_id or f"o-{uuid4().hex[:12]}"
        answer = self.ask(order_id, **changes)
        assert answer.status_code == 202, answer.text
        return order_id

    def ask(self, order_id: Any, **changes: Any) -> httpx.Response:
        """Return the answer to a start of an order."""
        customer = {"name": "Ada Lovelace", "address": "12 St James's Square", "phone": "+44 20 7946 0000"}
        order = {"order_id": order_id, "pizza_type": "pepperoni", "size": "large", "customer": customer}
        return self.http.post(self.url(WORKFLOW, "/start-order"), json=order | changes)

    def post(self, route: str, order_id: str, **more: Any) -> httpx.Response:
        """Return the answer to a request about an order."""
        return self.http.post(self.url(WORKFLOW, f"/{route}"), json={"order_id": order_id, **more})

    def tell(self, route: str, order_id: str, **more: Any) -> None:
        """Make a request about an order that has to be accepted."""
        answer = self.post(route, order_id, **more)
        assert answer.status_code == 202, answer.text

    def state(self, order_id: str) -> dict[str, Any]:
        """Return the order as its workflow shows it."""
        answer = self.http.get(self.url(WORKFLOW, f"/orders/{order_id}"))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def book(self, order_id: str) -> dict[str, Any]:
        """Return the order as pizza-order knows it from the events; {} until the first one."""
        answer = self.http.get(self.url(BOOK, f"/orders/{order_id}"))
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else {}

    def deeds(self, app_id: str, order_id: str) -> list[Deed]:
        """Return the deeds of a service for the order, in sequence: (step, attempt), repeated ones too."""
        return [(entry["step"], entry["attempt"]) for entry in self.entries(app_id, order_id)]

    def entries(self, app_id: str, order_id: str) -> list[dict[str, Any]]:
        """Return the service's ledger of the order."""
        answer = self.http.get(self.url(app_id, f"/ledger/{order_id}"))
        assert answer.status_code in (200, 404), answer.text
        return answer.json()["entries"] if answer.status_code == 200 else []

    def until(self, order_id: str, step: str, attempt: int = 1, timeout: float = SOON) -> None:
        """Wait until this step of the order has begun: its service knows of it, or its pizza waits for a verdict."""

        def begun() -> bool:
            state = self.state(order_id)
            assert "result" not in state, state
            if (state["step"], state["attempt"]) != (step, attempt):
                return False
            if step == "validate_pizza":
                return state["status"] == "pending_validation"
            return (step.split("_")[0], attempt) in self.deeds(DOERS[step], order_id)

        assert wait_until(begun, timeout), self.state(order_id)

    def approve(self, order_id: str, attempt: int = 1, timeout: float = SOON) -> None:
        """Approve the pizza as soon as it waits for that."""
        self.until(order_id, "validate_pizza", attempt, timeout)
        self.tell("validate-pizza", order_id, approved=True)

    def reject(self, order_id: str, attempt: int = 1) -> None:
        """Reject the pizza as soon as it waits for a verdict."""
        self.until(order_id, "validate_pizza", attempt)
        self.tell("validate-pizza", order_id, approved=False)

    def end_of(self, order_id: str, timeout: float = SOON) -> dict[str, Any]:
        """Wait until the order has ended and pizza-order has all its events. Return its state, on which both agree."""
        assert wait_until(lambda: "result" in self.state(order_id), timeout), self.state(order_id)
        assert wait_until(lambda: self.book(order_id).get("final", False), timeout), self.book(order_id)
        # An event may arrive after younger ones, the first after an outage of pizza-order by 15 s.
        same = wait_until(lambda: moments(self.book(order_id)) == moments(self.state(order_id)), timeout)
        assert same, (self.book(order_id), self.state(order_id))
        return self.state(order_id)

    def assert_delivered_once(self, order_id: str, timeout: float = SOON) -> None:
        """Check that the order ends with its first pizza delivered, and that each service did its part once."""
        state = self.end_of(order_id, timeout)
        assert state["result"]["status"] == "completed", state
        assert statuses(state) == [
            "confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering", "delivered",
        ]  # fmt: skip
        self.assert_deeds(order_id, shop=[("order", 1)], kitchen=[("cook", 1)], courier=[("deliver", 1)])

    def assert_deeds(
        self, order_id: str, *, shop: list[Deed], kitchen: list[Deed] | None = None, courier: list[Deed] | None = None
    ) -> None:
        """Check that these entries and no others are in the ledgers of the three services."""
        done = {app_id: self.deeds(app_id, order_id) for app_id in (SHOP, KITCHEN, COURIER)}
        assert done == {SHOP: shop, KITCHEN: kitchen or [], COURIER: courier or []}
        runs = {entry["run"] for app_id in done for entry in self.entries(app_id, order_id)}
        assert len(runs) == 1


def moments(told: dict[str, Any]) -> list[tuple[str, int]]:
    """Return the statuses of an order, each with its attempt."""
    return [(moment["status"], moment["attempt"]) for moment in told["timeline"]]


def statuses(state: dict[str, Any]) -> list[str]:
    """Return the statuses of an order."""
    return [moment["status"] for moment in state["timeline"]]


@pytest.fixture
def lab(lab: Running) -> Pizza:
    return Pizza(lab.stack, lab.apps, lab.http)


@pytest.fixture
def stays() -> Callable[[Callable[[], bool], float], bool]:
    """Return whether something stays true for that many seconds."""
    return lambda holds, seconds: not wait_until(lambda: not holds(), seconds)
