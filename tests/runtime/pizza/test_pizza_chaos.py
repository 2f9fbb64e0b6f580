"""./lab chaos pizza, run as a user runs it: everything dies once, and no order is lost, doubled or stuck."""

from __future__ import annotations

import re
import subprocess

import pytest

from labctl import runfile
from labctl.stack import ROOT, TEST_OFFSET, Stack
from labctl.up import infrastructure, processes
from tests.runtime.pizza.conftest import DOERS

STACK = Stack("chaos", TEST_OFFSET)

pytestmark = [pytest.mark.lab("pizza"), pytest.mark.usefixtures("no_other_stack")]


def chaos(orders: int, seed: int, timeout: float) -> str:
    """Return the command's output; check that it ends well and leaves no process."""
    command = [str(ROOT / "lab"), "chaos", "pizza", "--orders", str(orders), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert processes.find(STACK) == []
    return done.stdout


@pytest.mark.timeout(600)
def test_fifty_orders_outlive_the_death_of_everything():
    told = chaos(50, 1, 580)
    kills = [line.split("kill -9 ")[1] for line in told.splitlines() if "kill -9 " in line]
    apps = [app.app_id for app in runfile.select(runfile.read_apps(STACK), ["pizza"])]
    victims = [*apps, *(f"{app}'s sidecar" for app in apps), *infrastructure.names(STACK)]
    assert sorted(kill.split("  ")[0] for kill in kills) == sorted(victims)
    # Each of them died with orders in its hands.
    assert all(int(re.findall(r"(\d+) in flight", kill)[0]) > 0 for kill in kills), told
    # The ledger: what each service did, how often it was asked for that, and for how many orders.
    rows = {
        cells[1]: [int(cell) for cell in cells[2:]]
        for cells in map(str.split, told.splitlines())
        if cells[:1] and cells[0] in DOERS.values() and len(cells) == 5
    }
    for step in ("order", "cook", "deliver", "discard", "refund", "cancel"):
        done, asked, orders = rows[step]
        assert 0 < orders <= done <= asked, step
    assert "50 orders, seed 1: " in told
    assert "0 things are wrong." in told


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_hundred_orders_outlive_it_three_times_in_a_row(seed):
    assert "0 things are wrong." in chaos(200, seed, 1180)
