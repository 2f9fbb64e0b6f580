"""./lab demo pizza, off a terminal: four orders go their ways by themselves, and the board shows how each ended."""

from __future__ import annotations

import re

import pytest

from tests.runtime.demos import demo

pytestmark = pytest.mark.lab("pizza")


def test_the_board_shows_four_orders_to_their_ends(lab) -> None:
    done = demo(lab.site.name, lab.site.offset, "pizza")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"(demo-[0-9a-f]{6}) +([a-z ]+?) +(\d) +(\w+)", done.stdout)
    assert [row[1:] for row in rows] == [
        ("pepperoni", "1", "delivered"),
        ("margherita", "2", "delivered"),
        ("quattro stagioni", "1", "delivered"),
        ("pepperoni", "1", "cancelled"),
    ]
    for order_id, _, _, status in rows:
        assert lab.end_of(order_id)["result"]["final_status"] == status
