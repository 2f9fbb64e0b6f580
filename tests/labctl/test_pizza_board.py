"""./lab demo pizza: no key is lost, and each acts on what the board shows."""

from __future__ import annotations

import json
import os
from io import StringIO

import httpx
import pytest
from rich.console import Console

from labctl import runfile
from labctl.demos.keyboard import pressed
from labctl.demos.pizza import Story
from labctl.stack import TEST_OFFSET, Stack

STACK = Stack("test", TEST_OFFSET)
UP, DOWN = "\x1b[A", "\x1b[B"

pytestmark = pytest.mark.lab("pizza")


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("q", ["q"]),
        ("japc", ["j", "a", "p", "c"]),
        (UP + DOWN + "a", [UP, DOWN, "a"]),
        ("\x1bOA", ["\x1bOA"]),
        ("\x1bé", ["\x1b", "é"]),
    ],
)
def test_keys_that_pile_up_are_all_read(typed: str, keys: list[str]) -> None:
    end, begin = os.pipe()
    os.write(begin, typed.encode())
    assert pressed(end, 1) == keys
    assert pressed(end, 0) == []
    os.close(begin)
    assert pressed(end, 1) == ["q"], "the terminal is gone"
    os.close(end)


class Services:
    """pizza-workflow and pizza-order, as far as the board needs them."""

    def __init__(self, orders: int = 0) -> None:
        self.book = [f"o-{number}" for number in range(orders)]
        self.attempts: dict[str, int] = {}
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.down: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = "pizza-order" if request.url.port == PORT_OF_THE_BOOK else "pizza-workflow"
        if name in self.down:
            raise httpx.ConnectError("killed")
        if request.method == "POST":
            body = json.loads(request.content)
            self.asked.append((request.url.path, body))
            if request.url.path == "/start-order":
                self.book.append(body["order_id"])
            return httpx.Response(202, json={})
        if name == "pizza-workflow":
            return httpx.Response(200, json=self._state(request.url.path.rpartition("/")[2]))
        newest = self.book[::-1][: int(request.url.params["limit"])]
        return httpx.Response(
            200, json={"orders": [self._state(one) | {"final": False, "order": None} for one in newest]}
        )

    def _state(self, order_id: str) -> dict[str, object]:
        attempt = self.attempts.get(order_id, 1)
        return {"order_id": order_id, "status": "pending_validation", "attempt": attempt, "timeline": []}


APPS = runfile.read_apps(STACK)
PORT_OF_THE_BOOK = runfile.find(APPS, "pizza-order").app_port


def board_of(services: Services) -> Story:
    story = Story(STACK, APPS, Console(file=StringIO(), width=120, height=40), auto=False)
    story.orders.http = story.http = httpx.Client(transport=httpx.MockTransport(services))
    story.look()
    return story


def ids(story: Story) -> list[str]:
    return [order.order_id for order in story.orders.shown(15)]


@pytest.mark.parametrize("key", ["a", "r"])
def test_a_verdict_is_for_the_pizza_that_the_board_shows(key: str) -> None:
    services = Services(orders=1)
    story = board_of(services)
    services.attempts["o-0"] = 2
    story.press([UP, key])
    story.look()
    story.press([key])
    assert [(body["approved"], body["attempt"]) for _, body in services.asked] == [(key == "a", 1), (key == "a", 2)]


def test_the_order_that_keys_act_on_is_on_the_board() -> None:
    services = Services(orders=40)
    story = board_of(services)
    story.press(["a", "c"])
    assert services.asked == []
    assert "choose" in story.said
    assert ids(story) == [f"o-{number}" for number in range(25, 40)]
    story.press([UP] * 30)
    assert story.orders.chosen == "o-25"
    story.press([DOWN] * 60)
    assert story.orders.chosen == "o-39"
    services.book.append("somebody-elses")
    story.look()
    assert (story.orders.chosen, ids(story)[-1]) == ("o-39", "somebody-elses")
    services.book += [f"more-{number}" for number in range(15)]
    story.look()
    assert story.orders.chosen is None
    story.press(["n"])
    assert story.orders.chosen == services.book[-1] == ids(story)[-1]


def test_while_services_are_down_the_board_stays_as_it_was() -> None:
    services = Services(orders=9)
    services.down.add("pizza-order")
    story = board_of(services)
    assert ids(story) == []
    services.down.clear()
    story.look()
    services.down |= {"pizza-order", "pizza-workflow"}
    story.look()
    story.press([UP, "a", "n"])
    assert list(story.orders.known) == services.book
    assert "cannot be reached" in story.said
