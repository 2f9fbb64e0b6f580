"""Customers of the pizza lab that do not give up: a call that fails is repeated."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from labctl.errors import LabError

ASK_AGAIN_SECONDS = 0.4
PIZZAS = 3  # RULES__PIZZAS


@dataclass(frozen=True)
class Plan:
    """The behaviour of a customer: reject a number of pizzas, or cancel when the order has a certain status."""

    order_id: str
    rejects: int = 0
    cancels_at: str | None = None

    @property
    def wants_it(self) -> bool:
        """Whether the customer accepts one of the pizzas in the end."""
        return self.cancels_at is None and self.rejects < PIZZAS

    @classmethod
    def of(cls, number: int, chance: Random) -> Plan:
        """Return the plan of the customer with that number."""
        order_id = f"chaos-{number}"
        (kind,) = chance.choices(["approve", "reject", "cancel"], [6, 2, 2])
        if kind == "cancel":
            return cls(order_id, cancels_at=chance.choice(["accepted", "cooking", "pending_validation", "delivering"]))
        return cls(order_id, rejects=chance.randint(1, PIZZAS) if kind == "reject" else 0)


class Customer:
    """Place one order, judge its pizzas, and wait for its end."""

    def __init__(self, plan: Plan, http: httpx.Client, url: str, closed: threading.Event) -> None:
        self.plan, self._http, self._url, self._closed = plan, http, url, closed
        self.repeated = 0
        self.last: dict[str, Any] = {}

    def visit(self, seconds: float) -> None:
        """Return when the order has ended, or is stuck because it has not ended within `seconds`."""
        customer = {"name": "Ada Lovelace", "address": "12 St James's Square", "phone": "+44 20 7946 0000"}
        order = {"order_id": self.plan.order_id, "pizza_type": "pepperoni", "size": "large", "customer": customer}
        deadline = time.monotonic() + seconds
        # 409: it was accepted already, and only the answer was lost.
        while self._ask("POST", "/start-order", order, (202, 409)) is None:
            if time.monotonic() > deadline or self._closed.wait(ASK_AGAIN_SECONDS):
                return
        while self.ended_as is None and time.monotonic() < deadline and not self._closed.wait(ASK_AGAIN_SECONDS):
            # 404 before it was ever seen: a process was killed between claiming the order and starting it.
            fine = (200,) if self.last else (200, 404)
            state = self._ask("GET", f"/orders/{self.plan.order_id}", None, fine)
            if state == {}:
                self._ask("POST", "/start-order", order, (202, 409))
            elif state and "result" not in state:
                self._act_on(state)
            self.last = state or self.last

    @property
    def ended_as(self) -> str | None:
        """The final status. None for an order that is stuck, or that failed and is not compensated yet."""
        return self.last.get("result", {}).get("final_status")

    def _act_on(self, state: dict[str, Any]) -> None:
        if self.plan.cancels_at == state["status"]:
            self._ask("POST", "/cancel-order", {"order_id": self.plan.order_id}, (202, 409))
        elif state["status"] == "pending_validation":
            approved = state["attempt"] > self.plan.rejects
            verdict = {"order_id": self.plan.order_id, "approved": approved, "attempt": state["attempt"]}
            # 409: it was judged already. The answer was lost, or the workflow has not seen the verdict yet.
            self._ask("POST", "/validate-pizza", verdict, (202, 409))

    def _ask(self, method: str, path: str, body: dict[str, Any] | None, fine: tuple[int, ...]) -> dict[str, Any] | None:
        """Return the answer. None without one, or when it says that a dependency is down."""
        try:
            answer = self._http.request(method, f"{self._url}{path}", json=body)
        except httpx.TransportError:
            # A process was killed. The call is repeated, and one that is never answered shows as a stuck order.
            self.repeated += 1
            return None
        if answer.status_code in (502, 503, 504):
            self.repeated += 1
            return None
        if answer.status_code not in fine:
            raise LabError(f"{method} {path} of pizza-workflow: {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.status_code == 200 else {}
