"""./lab demo pizza: a live board of all orders on their way, steered by keys or automatically."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from labctl import runfile
from labctl.demos.keyboard import keyboard
from labctl.demos.orders import Order, Orders
from labctl.runfile import App
from labctl.stack import Stack
from labctl.terminal import chapter

KEYS = "n new · ↑↓ choose · a approve · r reject · p pause · u resume · c cancel · q quit"
ROUTES = {"a": "validate-pizza", "r": "validate-pizza", "p": "pause-order", "u": "resume-order", "c": "cancel-order"}
ARROWS = {"\x1b[A": -1, "\x1b[B": 1, "\x1bOA": -1, "\x1bOB": 1, "k": -1, "j": 1}
MENU = ("pepperoni", "margherita", "quattro stagioni")
AT_ONCE = 3  # orders in flight in automatic mode
# Off a terminal it ends after that many orders: one is rejected once, one cancelled.
OFF_A_TERMINAL = 4
_ROWS, _ROWS_LESS = 15, 9  # of orders; on a low terminal its height minus the second number
_LOOK_EVERY = 0.3  # seconds
_PATIENCE = 120  # seconds for all orders, off a terminal


class Story:
    """The board of the pizza services of a stack."""

    def __init__(self, stack: Stack, apps: list[App], console: Console, auto: bool) -> None:
        self.console = console
        self.has_keys = console.is_terminal and sys.stdin.isatty()
        self.auto = auto or not self.has_keys
        self.workflow, book = (runfile.find(apps, one).url for one in ("pizza-workflow", "pizza-order"))
        self.http = httpx.Client(timeout=15)
        self.orders = Orders(self.http, self.workflow, book)
        self.own: list[str] = []
        self.verdicts: set[tuple[str, int]] = set()
        self.said = ""

    def play(self) -> None:
        """Show the board until q is pressed. Off a terminal, until a few orders have ended."""
        chapter(self.console, "orders that cannot be lost", "./lab kill pizza-kitchen elsewhere, and watch the board.")
        begin = time.monotonic()
        self.look()
        self._order(choose=not self.auto)
        with (
            keyboard() if self.has_keys else nullcontext(_wait) as pressed,
            Live(self.board(), console=self.console) as shown,
        ):
            while not self.press(pressed(_LOOK_EVERY)):
                self.look()
                if self.auto:
                    self._go_on()
                shown.update(self.board())
                if not self.has_keys and (self._all_ended() or time.monotonic() - begin > _PATIENCE):
                    break
        if not self.console.is_terminal:
            self.console.print()  # Live leaves its last line open

    def tidy(self) -> None:
        """Close the connections. Orders in flight continue."""
        self.http.close()

    def press(self, keys: list[str]) -> bool:
        """Act on the keys, one after the other. Return True for the key that ends the demo.

        The user pressed them at the visible board, so it is not updated in between.
        """
        for key in keys:
            if key == "q":
                return True
            if key == "n":
                self._order(choose=True)
            elif key in ARROWS:
                self.orders.choose(ARROWS[key], self._rows)
            elif key in ROUTES:
                self._steer(key)
        return False

    def _steer(self, key: str) -> None:
        order = self.orders.known.get(self.orders.chosen or "")
        if order is None:
            self.said = "choose an order first, with ↑ or ↓"
        elif key in "ar":
            self._judge(order, key == "a")
        else:
            self._ask(ROUTES[key], order.order_id)

    def _judge(self, order: Order, approved: bool) -> bool:
        # The verdict is for the pizza on the board. By now the order's next one may be waiting.
        return self._ask("validate-pizza", order.order_id, approved=approved, attempt=order.attempt)

    def _order(self, choose: bool) -> None:
        order_id = f"demo-{uuid4().hex[:6]}"
        pizza = MENU[len(self.own) % len(MENU)]
        customer = {"name": "Ada Lovelace", "address": "12 St James Square", "phone": "+44 20 7946 0000"}
        if self._ask("start-order", order_id, pizza_type=pizza, size="large", customer=customer):
            self.own.append(order_id)
            self.orders.add(order_id, pizza)
            if choose:
                self.orders.chosen = order_id

    def _ask(self, route: str, order_id: str, **more: Any) -> bool:
        """Send a request. Return whether it was accepted. The answer is on the board."""
        self.said = f"{route} {order_id}: "
        try:
            answer = self.http.post(f"{self.workflow}/{route}", json={"order_id": order_id, **more})
        except httpx.TransportError:
            # Killed, as the board suggests.
            self.said += "pizza-workflow cannot be reached"
            return False
        self.said += str(answer.status_code) if answer.is_success else answer.json()["detail"]
        return answer.is_success

    def look(self) -> None:
        """Read the orders and their states."""
        self.orders.look(self._rows, self.own)

    def _go_on(self) -> None:
        """Steer the demo's own orders: approve, reject every third one's first pizza, cancel every fourth one."""
        own = [self.orders.known[order_id] for order_id in self.own]
        for number, order in enumerate(own):
            verdict = (order.order_id, order.attempt)
            if order.status == "pending_validation" and not order.paused and verdict not in self.verdicts:
                if number % 4 == 3:
                    accepted = self._ask("cancel-order", order.order_id, reason="changed their mind")
                else:
                    accepted = self._judge(order, approved=number % 3 != 1 or order.attempt > 1)
                if accepted:
                    self.verdicts.add(verdict)
        in_flight = sum(not order.ended for order in own)
        if in_flight < AT_ONCE and (self.has_keys or len(own) < OFF_A_TERMINAL):
            self._order(choose=False)

    def _all_ended(self) -> bool:
        return len(self.own) == OFF_A_TERMINAL and all(self.orders.known[one].ended for one in self.own)

    @property
    def _rows(self) -> int:
        return max(1, min(_ROWS, self.console.height - _ROWS_LESS))

    def board(self) -> Group:
        """Return the board."""
        known = self.orders.known.values()
        counts = f"{len(known)} orders, {sum(not order.ended for order in known)} in flight"
        lines = [counts, self.said, KEYS if self.has_keys else ""]
        return Group(self.orders.table(self._rows), *(Text(line, "dim") for line in lines))


def _wait(seconds: float) -> list[str]:
    """Stand in for the keyboard off a terminal."""
    time.sleep(seconds)
    return []
