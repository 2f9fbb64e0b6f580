"""./lab demo pizza: a live board of all orders moving through the steps, steered by keys or by itself."""

from __future__ import annotations

import sys
import termios
import time
import tty
from collections.abc import Generator
from contextlib import contextmanager, suppress
from select import select
from typing import Any
from uuid import uuid4

import httpx
from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from labctl import runfile
from labctl.demos.telling import chapter, live
from labctl.runfile import App
from labctl.site import Site

KEYS = "n new · ↑↓ choose · a approve · r reject · p pause · u resume · c cancel · q quit"
ROUTES = {"a": "validate-pizza", "r": "validate-pizza", "p": "pause-order", "u": "resume-order", "c": "cancel-order"}
ARROWS = {"\x1b[A": -1, "\x1b[B": 1, "k": -1, "j": 1}
STATUSES = ("confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering", "delivered")
ENDS = {"delivered": "green", "failed": "red", "cancelled": "yellow", "expired": "yellow"}
MENU = ("pepperoni", "margherita", "quattro stagioni")
AT_ONCE = 3  # orders under way, when it runs by itself
# Off a terminal it ends with as many orders: one is rejected once, one cancelled.
OFF_A_TERMINAL = 4
_LOOK_EVERY = 0.3  # seconds
_LOOK_WITHIN = 1.0  # seconds for one order: keys are not read meanwhile
_PATIENCE = 120  # seconds for all orders, off a terminal


class Story:
    """The board of the pizza services of a site."""

    def __init__(self, site: Site, apps: list[App], console: Console, auto: bool) -> None:
        self.console = console
        self.has_keys = console.is_terminal and sys.stdin.isatty()
        self.auto = auto or not self.has_keys
        self.workflow = f"http://127.0.0.1:{runfile.find(apps, 'pizza-workflow').app_port}"
        self.http = httpx.Client(base_url=self.workflow, timeout=15)
        self.orders: dict[str, dict[str, Any]] = {}
        self.verdicts: set[tuple[str, int]] = set()
        self.chosen = 0
        self.said = ""

    def tell(self) -> None:
        """Shows the board until q is pressed; off a terminal until a few orders have ended."""
        chapter(self.console, "orders that cannot be lost", "./lab kill pizza-kitchen elsewhere, and watch the board.")
        begin = time.monotonic()
        self._order()
        with _keys(self.has_keys), live(self.console, self._board()) as shown:
            while not self._press(self._key()):
                self._look()
                if self.auto:
                    self._go_on()
                shown.update(self._board())
                if not self.has_keys and (self._all_ended() or time.monotonic() - begin > _PATIENCE):
                    break

    def tidy(self) -> None:
        """Nothing is left to do: orders under way go on without an audience."""
        self.http.close()

    def _order(self) -> None:
        order_id = f"demo-{uuid4().hex[:6]}"
        pizza = MENU[len(self.orders) % len(MENU)]
        customer = {"name": "Ada Lovelace", "address": "12 St James Square", "phone": "+44 20 7946 0000"}
        order = {"order_id": order_id, "pizza_type": pizza, "size": "large", "customer": customer}
        if self._ask("start-order", order):
            self.orders[order_id] = {"order_id": order_id, "pizza": pizza, "status": "", "attempt": 1}

    def _ask(self, route: str, body: dict[str, Any]) -> bool:
        """Whether it was accepted; what was said is on the board."""
        self.said = f"{route} {body['order_id']}: "
        try:
            answer = self.http.post(f"/{route}", json=body)
        except httpx.TransportError:
            # Killed, as the board invites to do.
            self.said += "pizza-workflow cannot be reached just now"
            return False
        self.said += str(answer.status_code) if answer.is_success else answer.json()["detail"]
        return answer.is_success

    def _look(self) -> None:
        for order in self.orders.values():
            if "result" not in order:
                # A service that was killed answers again in a moment; the board shows what was seen last.
                with suppress(httpx.TransportError):
                    answer = self.http.get(f"/orders/{order['order_id']}", timeout=_LOOK_WITHIN)
                    if answer.is_success:
                        order |= answer.json()

    def _go_on(self) -> None:
        """By itself: approves what waits, rejects every third order's first pizza, cancels every fourth order."""
        for number, order in enumerate(self.orders.values()):
            verdict = (order["order_id"], order["attempt"])
            if order["status"] == "pending_validation" and verdict not in self.verdicts:
                if number % 4 == 3:
                    body: dict[str, Any] = {"order_id": order["order_id"], "reason": "changed their mind"}
                    accepted = self._ask("cancel-order", body)
                else:
                    approved = number % 3 != 1 or order["attempt"] > 1
                    accepted = self._ask("validate-pizza", {"order_id": order["order_id"], "approved": approved})
                if accepted:
                    self.verdicts.add(verdict)
        under_way = sum("result" not in order for order in self.orders.values())
        if under_way < AT_ONCE and (self.has_keys or len(self.orders) < OFF_A_TERMINAL):
            self._order()

    def _all_ended(self) -> bool:
        return len(self.orders) == OFF_A_TERMINAL and all("result" in order for order in self.orders.values())

    def _key(self) -> str:
        if not self.has_keys:
            time.sleep(_LOOK_EVERY)
            return ""
        ready, _, _ = select([sys.stdin], [], [], _LOOK_EVERY)
        # An arrow is three characters, which come together.
        return sys.stdin.buffer.raw.read(3).decode(errors="replace") if ready else ""  # type: ignore[attr-defined]

    def _press(self, key: str) -> bool:
        """Does what a key asks for; True for the one that ends it."""
        if key == "n":
            self._order()
            self.chosen = len(self.orders) - 1
        elif key in ARROWS:
            self.chosen = max(0, min(self.chosen + ARROWS[key], len(self.orders) - 1))
        elif key in ROUTES and self.orders:
            body: dict[str, Any] = {"order_id": list(self.orders)[self.chosen]}
            self._ask(ROUTES[key], body | ({"approved": key == "a"} if key in "ar" else {}))
        return key in ("q", "\x03")

    def _board(self) -> Group:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in ("", "order", "pizza", "no.", "status", "way"):
            table.add_column(column, no_wrap=True)
        for number, order in list(enumerate(self.orders.values()))[-15:]:
            here = number == self.chosen and self.has_keys
            status = order["status"] + (" (paused)" if order.get("paused") else "")
            colour = ENDS.get(order["status"], "cyan" if order["status"] == "pending_validation" else "white")
            been = {moment["status"] for moment in order.get("timeline", [])}
            way = "".join("●" if one in been else "○" for one in STATUSES)
            pizza = (order["order_id"], order["pizza"], str(order["attempt"]))
            table.add_row("▶" if here else "", *pizza, Text(status, colour), way)
        return Group(table, Text(self.said, "dim"), Text(KEYS if self.has_keys else "", "dim"))


@contextmanager
def _keys(wanted: bool) -> Generator[None]:
    """Keys are read as they are pressed, and not shown."""
    if not wanted:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
