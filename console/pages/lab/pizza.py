"""The board of lab 4: orders by status, and the buttons that place and steer them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from nicegui import ui

from console import sending
from console.frame import code, heading
from console.labs import Labs
from console.pages.lab import orders
from console.pages.lab.orders import WORKFLOW, Order, Page
from console.pages.lab.parts import EDGE, Notice, grid, line, link
from console.parts import action, watch

EVERY = 1.5  # seconds
MENU = ["pepperoni", "margherita", "quattro stagioni"]
SIZES = ["small", "medium", "large"]
CUSTOMER = {"name": "Ada Lovelace", "address": "12 St James Square", "phone": "+44 20 7946 0000"}
VERBS = {
    "approve": ("Approve", "validate-pizza"),
    "reject": ("Reject", "validate-pizza"),
    "pause": ("Pause", "pause-order"),
    "resume": ("Resume", "resume-order"),
    "cancel": ("Cancel", "cancel-order"),
}


class Board:
    """The board in one browser tab."""

    def __init__(self, labs: Labs) -> None:
        self.labs = labs
        self.known: dict[str, Order] = {}
        self.cards: dict[str, _Card] = {}
        self.own: list[str] = []
        self.before = self.older = ""
        self.turns = 0
        heading("The board")
        self._form()
        self.notice = Notice()
        self._notes = ui.label().props("role=status")
        self._columns = dict[str, _Column]()
        with grid("15rem").classes("items-start q-mt-md"):
            self._columns = {name: _Column(name) for name in orders.COLUMNS}
        with line():
            action(labs, "Newest orders", lambda: self._turn_to("")).props("dense flat")
            self._next = action(labs, "Older orders", lambda: self._turn_to(self.older)).props("dense flat")
        self._cancelling = _Cancelling(self)
        watch(labs, EVERY, self._load, self._show)

    def _form(self) -> None:
        with line():
            pizza = ui.select(MENU, value=MENU[0], label="Pizza").props("dense outlined").style("min-width: 11rem")
            size = ui.select(SIZES, value="large", label="Size").props("dense outlined").style("min-width: 7rem")
            action(self.labs, "Order", lambda: self._place(str(pizza.value), str(size.value)))
            ui.label("for a made-up customer, by POST /start-order of pizza-workflow").classes("text-caption")

    async def _place(self, pizza: str, size: str) -> None:
        order_id = f"console-{uuid4().hex[:6]}"
        accepted = await self.ask(
            "start-order", order_id, f"Ordered: {order_id}.", pizza_type=pizza, size=size, customer=CUSTOMER
        )
        if accepted:
            self.own.insert(0, order_id)
            self.known[order_id] = Order(order_id, f"{size} {pizza}")
            await self._turn_to("")

    async def ask(self, route: str, order_id: str, done: str, **more: Any) -> bool:
        """Send a request about an order, and show the answer. Return whether it was accepted."""
        answer = await sending.ask(self.labs, WORKFLOW, "POST", f"/{route}", {"order_id": order_id, **more})
        return self.notice.show(answer, done)

    async def steer(self, verb: str, order_id: str) -> None:
        """Do what the button says, and look again at once."""
        order = self.known[order_id]
        if verb == "cancel":
            self._cancelling.open(order)
            return
        # The verdict is for the pizza on the board. By now the order's next one may be waiting.
        more = {"approved": verb == "approve", "attempt": order.attempt} if verb in ("approve", "reject") else {}
        await self.ask(VERBS[verb][1], order_id, f"Accepted: {verb} {order_id}.", **more)
        await self._turn_to(self.before)

    async def _turn_to(self, before: str) -> None:
        """Show a page of the book now, and with each look from now on."""
        self.before, self.turns = before, self.turns + 1
        self._show(await self._load())

    async def _load(self) -> Page:
        page = await orders.read(self.labs, self.known, self.own, self.before)
        # A look after a press is shown, also if it equals the look before the press.
        return replace(page, turn=self.turns)

    def _show(self, page: Page) -> None:
        self.older = page.older
        self._next.set_enabled(bool(page.older))
        self._notes.text = " ".join(page.notes)
        self.known = {order.order_id: order for order in page.orders}
        for gone in self.cards.keys() - self.known.keys():
            self.cards.pop(gone).delete()
        for order in reversed(page.orders):
            if order.order_id not in self.cards:
                with self._columns[order.column].body:
                    self.cards[order.order_id] = _Card(self, order)
            self.cards[order.order_id].show(order, self._columns)
        for name, column in self._columns.items():
            column.count(sum(order.column == name for order in page.orders))


class _Column:
    def __init__(self, name: str) -> None:
        self.name = name
        with ui.column().classes("full-width").style("gap: 0.5rem"):
            self._title = heading(name, level=3)
            self.body = ui.element("ul").classes("full-width q-pa-none q-ma-none").style("list-style: none")

    def count(self, number: int) -> None:
        self._title.text = f"{self.name} ({number})"


class _Card:
    """An order on the board. It is changed in place, so that the keyboard's focus stays."""

    def __init__(self, board: Board, order: Order) -> None:
        self._shown: Order | None = None
        self.element = ui.element("li").classes("q-pa-sm q-mb-sm").style(EDGE)
        self.element.props["aria-label"] = f"Order {order.order_id}"
        with self.element:
            with line():
                code(order.order_id).classes("text-weight-medium")
                self._status = ui.label()
            self._facts = ui.label().classes("text-caption")
            with line() as self._buttons:
                self._verbs = {verb: self._button(board, verb, order.order_id) for verb in VERBS}
            with ui.expansion("Timeline").props("dense dense-toggle header-class='q-px-none'").classes("full-width"):
                self._timeline = ui.element("ol").classes("q-ma-none q-pl-md text-caption")
            link("Its workflow", f"/workflows/{WORKFLOW}/pizza-order-{order.order_id}").classes("text-caption")

    def _button(self, board: Board, verb: str, order_id: str) -> ui.button:
        press: Callable[[], Awaitable[None]] = lambda: board.steer(verb, order_id)  # noqa: E731
        button = action(board.labs, VERBS[verb][0], press).props("dense size=sm")
        button.props["aria-label"] = f"{VERBS[verb][0]} {order_id}"
        return button

    def delete(self) -> None:
        self.element.delete()

    def show(self, order: Order, columns: dict[str, _Column]) -> None:
        """Show the order as it is now, in its column."""
        if order == self._shown:
            return
        if self._shown is None or order.column != self._shown.column:
            self.element.move(columns[order.column].body, 0)
        self._status.text = f"{order.status}{', paused' if order.paused else ''}"
        self._facts.text = f"{order.pizza or 'unknown pizza'}, no. {order.attempt}, step {order.step}"
        for verb, button in self._verbs.items():
            button.set_enabled(verb in order.allowed)
        self._buttons.set_visibility(bool(order.allowed))
        if self._shown is None or order.timeline != self._shown.timeline:
            self._timeline.clear()
            with self._timeline:
                for entry in order.timeline:
                    with ui.element("li"):
                        ui.label(entry)
        self._shown = order


class _Cancelling:
    """The dialog that asks for the reason of a cancellation, and whether it is by force."""

    def __init__(self, board: Board) -> None:
        self._board, self._order_id = board, ""
        with ui.dialog() as self._dialog, ui.card():
            self._title = heading("")
            self._reason = ui.input("Reason", value="not hungry any more").classes("full-width")
            self._force = ui.checkbox("By force: stop the workflow at once, and compensate from outside")
            with line():
                action(board.labs, "Cancel the order", self._cancel)
                ui.button("Keep it", on_click=self._dialog.close, color=None).props("no-caps flat")

    def open(self, order: Order) -> None:
        """Ask about an order."""
        self._order_id = order.order_id
        self._title.text = f"Cancel {order.order_id}?"
        self._force.value = order.ended
        self._dialog.open()

    async def _cancel(self) -> None:
        more: dict[str, Any] = {"force": True} if self._force.value else {}
        if reason := (self._reason.value or "").strip():
            more["reason"] = reason
        self._dialog.close()
        await self._board.ask("cancel-order", self._order_id, f"Accepted: cancel {self._order_id}.", **more)


def draw(labs: Labs) -> None:
    """Draw the board."""
    Board(labs)
