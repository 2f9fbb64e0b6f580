"""Cancelling, pausing and resuming at each step on the real runtime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.pizza.conftest import COURIER, DOERS, KITCHEN, SHOP, SOON, statuses

pytestmark = pytest.mark.lab("pizza")

STEPS = list(DOERS)
UNDOES = ("recall", "discard", "refund", "cancel")


def go_to(lab, order_id, step):
    """Bring the order to this step, and wait until it begins."""
    if step == "deliver_pizza":
        lab.approve(order_id)
    lab.until(order_id, step)


@pytest.mark.parametrize(("step", "paused"), [*((step, False) for step in STEPS), ("validate_pizza", True)])
def test_a_cancelled_order_is_undone_in_reverse_order(lab, step, paused):
    order_id = lab.order()
    go_to(lab, order_id, step)
    if paused:
        lab.tell("pause-order", order_id)
    lab.tell("cancel-order", order_id, reason="ordered twice")
    state = lab.end_of(order_id)
    assert (state["result"]["final_status"], state["result"]["error"]) == ("cancelled", "ordered twice")
    assert statuses(state)[-1] == "cancelled"
    assert "delivered" not in statuses(state)

    begun = STEPS.index(step)
    kitchen = [("cook", 1), ("discard", 1)] if begun >= 1 else []
    courier = [("deliver", 1), ("recall", 1)] if begun == 3 else []
    shop = [("order", 1), ("refund", 1), ("cancel", 1)]
    lab.assert_deeds(order_id, shop=shop, kitchen=kitchen, courier=courier)
    undone = [
        (datetime.fromisoformat(entry["at"]), UNDOES.index(entry["step"]))
        for app_id in (SHOP, KITCHEN, COURIER)
        for entry in lab.entries(app_id, order_id)
        if entry["step"] in UNDOES
    ]
    assert [place for _, place in sorted(undone)] == sorted(place for _, place in undone)


@pytest.mark.parametrize(
    ("step", "paused"), [("cook_pizza", True), ("validate_pizza", False), ("deliver_pizza", False)]
)
def test_an_order_that_is_cancelled_by_force_is_undone_from_outside(lab, step, paused):
    order_id = lab.order()
    go_to(lab, order_id, step)
    if paused:
        lab.tell("pause-order", order_id)
    lab.tell("cancel-order", order_id, force=True)
    state = lab.end_of(order_id)
    assert (state["result"]["final_status"], statuses(state)[-1]) == ("cancelled", "cancelled")
    # From outside nobody knows which steps were done, so every step that may have been is compensated.
    begun = STEPS.index(step)
    kitchen = [*[("cook", 1)][:begun], ("discard", 3), ("discard", 2), ("discard", 1)]
    courier = [("deliver", 1), ("recall", 1)] if begun == 3 else [("recall", 1)]
    lab.assert_deeds(order_id, shop=[("order", 1), ("refund", 1), ("cancel", 1)], kitchen=kitchen, courier=courier)
    assert lab.post("cancel-order", order_id, force=True).json()["code"] == "ORDER_FINISHED"


@pytest.mark.parametrize("step", ["cook_pizza", "validate_pizza"])
def test_a_paused_order_finishes_its_step_and_waits_there(lab, stays, step):
    order_id = lab.order()
    go_to(lab, order_id, step)
    # Twice, and at once: the second changes nothing.
    lab.tell("pause-order", order_id)
    lab.tell("pause-order", order_id)
    assert wait_until(lambda: lab.state(order_id)["paused"], SOON)
    if step == "validate_pizza":
        lab.tell("validate-pizza", order_id, approved=True)
    done = [lab.deeds(app_id, order_id) for app_id in (SHOP, KITCHEN, COURIER)]
    before = lab.state(order_id)

    def unchanged():
        now = lab.state(order_id)
        assert (now["paused"], now["step"], now["status"]) == (True, before["step"], before["status"])
        return [lab.deeds(app_id, order_id) for app_id in (SHOP, KITCHEN, COURIER)] == done

    # Longer than the step takes.
    assert stays(unchanged, 4)
    lab.tell("resume-order", order_id)
    lab.tell("resume-order", order_id)
    if step == "cook_pizza":
        lab.approve(order_id)
    lab.assert_delivered_once(order_id)


def test_an_order_is_paused_while_its_quality_check_waits_for_a_dead_kitchen_and_does_without_it(lab, stays):
    order_id = lab.order()
    lab.until(order_id, "cook_pizza")
    lab.tell("pause-order", order_id)
    ready = datetime.fromisoformat(lab.entries(KITCHEN, order_id)[0]["at"])
    # The order hears that it is cooked, and goes no further.
    assert wait_until(lambda: datetime.now(UTC) > ready + timedelta(seconds=1), SOON)
    control.kill(lab.stack, KITCHEN)
    lab.tell("resume-order", order_id)
    assert wait_until(lambda: lab.state(order_id)["step"] == "quality_check", SOON), lab.state(order_id)
    lab.tell("pause-order", order_id)
    assert wait_until(lambda: lab.state(order_id)["paused"], SOON)
    # Longer than it waits for the kitchen.
    assert stays(lambda: lab.state(order_id)["step"] == "quality_check", 11)
    lab.tell("resume-order", order_id)
    lab.approve(order_id)
    assert wait_until(lambda: "result" in lab.state(order_id), SOON), lab.state(order_id)
    control.restart(lab.stack, KITCHEN)
    lab.assert_delivered_once(order_id)
    waiting = next(one for one in lab.book(order_id)["timeline"] if one["status"] == "pending_validation")
    assert waiting["note"] == "not checked: the kitchen did not answer in time"
