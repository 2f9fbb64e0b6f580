"""./lab demo pizza: no key is lost, and each acts on what the board shows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import StringIO

import httpx
import pytest
from rich.console import Console

from labctl import runfile
from labctl.demos.keyboard import Keyboard
from labctl.demos.pizza import Story
from labctl.stack import TEST_OFFSET, Stack

STACK = Stack("test", TEST_OFFSET)
UP, DOWN = "\x1b[A", "\x1b[B"

pytestmark = pytest.mark.lab("pizza")


class Fingers:
    """Types at a keyboard that is a pipe."""

    def __init__(self) -> None:
        end, self._begin = os.pipe()
        self.ends = end, self._begin
        self.keyboard = Keyboard(end)

    def type(self, *texts: str) -> list[str]:
        """Return the keyboard's keys after each text, all in one."""
        keys: list[str] = []
        for text in texts:
            os.write(self._begin, text.encode())
            keys += self.keyboard.pressed(1)
        return keys


@pytest.fixture
def fingers() -> Iterator[Fingers]:
    fingers = Fingers()
    yield fingers
    for end in fingers.ends:
        os.close(end)


@pytest.mark.parametrize(
    ("texts", "keys"),
    [
        (["q"], ["q"]),
        (["qq"], ["q", "q"]),
        (["ja", "pc"], ["j", "a", "p", "c"]),
        ([UP + DOWN + "a"], [UP, DOWN, "a"]),
        (["\x1bOA"], ["\x1bOA"]),
        (["a\x1b", "[Bq"], ["a", DOWN, "q"]),
        (["a\x1b[", "Bq"], ["a", DOWN, "q"]),
        (["\x1b", "q"], ["\x1b", "q"]),
        (["n" * 1_023 + UP, "q"], ["n"] * 1_023 + [UP, "q"]),
        (["é"], ["é"]),
    ],
)
def test_keys_that_pile_up_are_all_read(fingers: Fingers, texts: list[str], keys: list[str]) -> None:
    found = fingers.type(*texts)
    while more := fingers.keyboard.pressed(0):
        found += more
    assert found == keys


def test_an_escape_that_nothing_follows_is_a_key(fingers: Fingers) -> None:
    assert fingers.type("\x1b") == []
    assert fingers.keyboard.pressed(0.01) == ["\x1b"]
    assert fingers.keyboard.pressed(0.01) == []


def test_a_terminal_that_is_gone_is_no_key() -> None:
    end, begin = os.pipe()
    os.close(begin)
    with pytest.raises(EOFError):
        Keyboard(end).pressed(1)
    os.close(end)


class Services:
    """pizza-workflow and pizza-order, as far as the board needs them."""

    def __init__(self, orders: int = 0) -> None:
        self.book = [f"o-{number}" for number in range(orders)]
        self.attempts: dict[str, int] = {}
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.down: set[str] = set()
        self.pages = 0

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
        self.pages += 1
        end = int(request.url.params.get("before", len(self.book)))
        begin = max(0, end - int(request.url.params["limit"]))
        told = [self._state(one) | {"final": False, "order": None} for one in self.book[begin:end][::-1]]
        return httpx.Response(200, json={"orders": told, "next": str(begin) if begin else None})

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


def test_all_keys_of_a_pile_act_and_what_follows_q_does_not() -> None:
    services = Services(orders=3)
    story = board_of(services)
    assert not story.press([UP, "p", UP, "u", "x", DOWN, "c"])
    assert story.press(["r", "q", "a"])
    assert [(path, body["order_id"]) for path, body in services.asked] == [
        ("/pause-order", "o-2"), ("/resume-order", "o-1"), ("/cancel-order", "o-2"), ("/validate-pizza", "o-2"),
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["a", "r"])
def test_a_verdict_is_for_the_pizza_that_the_board_shows(key: str) -> None:
    services = Services(orders=1)
    story = board_of(services)
    services.attempts["o-0"] = 2
    story.press([UP, key])
    story.look()
    story.press([key])
    assert [(body["approved"], body["attempt"]) for _, body in services.asked] == [(key == "a", 1), (key == "a", 2)]


def test_without_a_chosen_order_no_key_acts_on_one() -> None:
    services = Services(orders=2)
    story = board_of(services)
    story.press(["a", "c"])
    assert services.asked == []
    assert "choose" in story.said


def test_the_order_that_keys_act_on_is_always_seen() -> None:
    story = board_of(Services(orders=40))
    assert ids(story) == [f"o-{number}" for number in range(25, 40)]
    story.press([UP] * 30)
    assert story.orders.chosen == "o-10"
    assert ids(story) == [f"o-{number}" for number in range(10, 25)]
    story.press([UP] * 30)
    assert (story.orders.chosen, ids(story)[0]) == ("o-0", "o-0")
    story.press([DOWN] * 60)
    assert (story.orders.chosen, ids(story)[-1]) == ("o-39", "o-39")


def test_a_new_order_does_not_move_the_choice_and_n_does() -> None:
    services = Services(orders=2)
    story = board_of(services)
    story.press([UP])
    services.book.append("somebody-elses")
    story.look()
    assert (story.orders.chosen, ids(story)) == ("o-1", ["o-0", "o-1", "somebody-elses"])
    story.press(["n"])
    story.look()
    assert story.orders.chosen == services.book[-1] == ids(story)[-1]
    assert len(ids(story)) == 4


def test_all_orders_are_there_however_many_pages_they_fill_and_later_only_what_is_new_is_read() -> None:
    services = Services(orders=170)
    story = board_of(services)
    assert list(story.orders.known) == services.book
    services.pages = 0
    services.book += [f"new-{number}" for number in range(3)]
    story.look()
    assert list(story.orders.known) == services.book
    assert services.pages <= 2


def test_while_services_are_down_the_board_stays_as_it_was() -> None:
    services = Services(orders=60)
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
