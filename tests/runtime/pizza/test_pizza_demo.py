"""./lab demo pizza: off a terminal four orders go their ways by themselves; in one, keys steer all orders there are."""

from __future__ import annotations

import re

import pytest

from labctl.up.processes import wait_until
from tests.runtime.demos import Terminal, demo_in_a_terminal
from tests.runtime.lab_shell import LabShell
from tests.runtime.pizza.conftest import BOOK

pytestmark = pytest.mark.lab("pizza")

UP, DOWN = "\x1b[A", "\x1b[B"
OWN = "demo-[0-9a-f]{6}"


def there_already(lab) -> set[str]:
    """Return the orders that pizza-order knows."""
    listed = lab.http.get(lab.url(BOOK, "/orders"), params={"limit": 100}).json()["orders"]
    return {order["order_id"] for order in listed}


def test_the_board_shows_four_orders_to_their_ends(lab) -> None:
    others = there_already(lab)
    done = LabShell(lab.stack).run("demo", "pizza")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [row for row in re.findall(rf"({OWN}) +([a-z ]+?) +(\d) +(\w+)", done.stdout) if row[0] not in others]
    assert [row[1:] for row in rows] == [
        ("pepperoni", "1", "delivered"),
        ("margherita", "2", "delivered"),
        ("quattro stagioni", "1", "delivered"),
        ("pepperoni", "1", "cancelled"),
    ]
    for order_id, _, _, status in rows:
        assert lab.end_of(order_id)["result"]["final_status"] == status


def chosen(board: Terminal, than: str = "") -> str:
    """Wait until the board has chosen another order than this one, and return it."""
    return board.see(rf"▶ +(?!{than or '-'} )([\w-]+)")[1]


def waits_for_a_verdict(board: Terminal, order_id: str, attempt: int = 1) -> None:
    board.see(rf"▶ +{order_id} .* {attempt} +pending_validation", 60)


@pytest.mark.timeout(240)
def test_each_key_does_to_the_chosen_order_what_the_board_says(lab) -> None:
    elsewhere = lab.order()
    assert wait_until(lambda: elsewhere in there_already(lab), 20)
    with demo_in_a_terminal(lab.stack, "pizza") as board:
        first = chosen(board)
        board.see(f"{elsewhere} .*\n.*{first}")
        waits_for_a_verdict(board, first)
        board.type("a")
        assert lab.end_of(first)["result"]["final_status"] == "delivered"

        board.type("n")
        second = chosen(board, than=first)
        waits_for_a_verdict(board, second)
        board.type("r")
        waits_for_a_verdict(board, second, attempt=2)
        board.type("p")
        board.see(rf"{second} .*\(paused\)")
        assert lab.state(second)["paused"]
        board.type("u")
        assert wait_until(lambda: not lab.state(second)["paused"], 20)
        # Three keys and an arrow that arrive at once: the order above, which was made elsewhere, and back.
        board.type(f"{UP}{UP}c{DOWN}{DOWN}")
        assert lab.end_of(elsewhere)["result"]["final_status"] == "cancelled"
        waits_for_a_verdict(board, second, attempt=2)
        board.type("a")
        assert lab.end_of(second)["result"]["final_status"] == "delivered"

        board.type("qq")
        assert board.ends() == 0
    assert [moment["attempt"] for moment in lab.state(second)["timeline"] if moment["status"] == "approved"] == [2]


@pytest.mark.timeout(240)
def test_by_itself_it_keeps_orders_coming_and_q_ends_it(lab) -> None:
    others = there_already(lab)
    with demo_in_a_terminal(lab.stack, "pizza", "--auto") as board:
        started: list[str] = []
        most_at_once = 0

        def five_started_and_three_ended() -> bool:
            nonlocal started, most_at_once
            started = [one for one in dict.fromkeys(re.findall(OWN, board.shown())) if one not in others]
            states = [lab.state(one) for one in started]
            under_way = [state for state in states if "result" not in state]
            most_at_once = max(most_at_once, len(under_way))
            return len(started) > 4 and len(states) - len(under_way) >= 3

        assert wait_until(five_started_and_three_ended, 120, 0.5), board.shown()[-4_000:]
        board.type("q")
        assert board.ends() == 0
    assert most_at_once == 3
    # The board may have placed one more before it saw the key.
    started = [one for one in dict.fromkeys(re.findall(OWN, board.shown())) if one not in others]
    for order_id in started:
        lab.post("cancel-order", order_id)
    ends = [lab.end_of(order_id)["result"]["final_status"] for order_id in started]
    assert ends[:3] == ["delivered"] * 3
    # The next test's board would show an order that reaches pizza-order only then.
    assert wait_until(lambda: there_already(lab).issuperset(started), 20)
    assert len(lab.deeds("pizza-kitchen", started[1])) >= 2
