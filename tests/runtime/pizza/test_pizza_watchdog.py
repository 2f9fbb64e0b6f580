"""The watchdog's job on the real scheduler: an order whose workflow broke off continues, or is compensated."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.pizza.conftest import AFTER_A_KILL, BOOK, SOON, WORKFLOW, Pizza, statuses

pytestmark = pytest.mark.lab("pizza")

EVERY = 2
STEPS = ("ORDER_PIZZA", "COOK_PIZZA", "VALIDATE_PIZZA", "DELIVER_PIZZA", "PUBLISH_STATUS", "COMPENSATE", "STOP_ORDER")


@pytest.fixture
def lab(lab) -> Iterator[Pizza]:
    """The lab with a watchdog that looks every 2 s, and not every minute, and with short time limits for steps."""
    limits = {f"TIME_LIMITS__{step}": "8" for step in STEPS}
    with lab.otherwise(lab.with_settings(WORKFLOW, WATCH_EVERY_SECONDS=str(EVERY), **limits)):
        yield lab


def watched(lab, order_id) -> bool:
    return lab.http.get(lab.sidecar(WORKFLOW, f"/v1.0/jobs/watch-{order_id}")).status_code == 200


def ended_by(lab, order_id, call, status) -> None:
    """Make a call to the engine that ends the order's workflow in this way."""
    order = f"/v1.0/workflows/dapr/pizza-order-{order_id}"
    assert lab.http.post(lab.sidecar(WORKFLOW, f"{order}/{call}")).status_code == 202

    def ended() -> bool:
        # While the engine is just writing the workflow it answers 500, without a status.
        return lab.http.get(lab.sidecar(WORKFLOW, order)).json().get("runtimeStatus") == status

    assert wait_until(ended, SOON, 0.05)


def assert_undone(lab, order_id) -> None:
    assert wait_until(lambda: "final_status" in lab.state(order_id).get("result", {}), SOON), lab.state(order_id)
    assert lab.end_of(order_id)["result"]["final_status"] == "cancelled"
    kitchen = lab.deeds("pizza-kitchen", order_id)
    assert kitchen[0] == ("cook", 1)
    assert ("discard", 1) in kitchen
    assert lab.deeds("pizza-storefront", order_id) == [("order", 1), ("refund", 1), ("cancel", 1)]
    assert wait_until(lambda: not watched(lab, order_id), SOON)


def test_an_order_whose_workflow_failed_is_begun_once_more_and_delivered_once(lab):
    waiting, approved = lab.order(), lab.order()
    lab.until(waiting, "validate_pizza")
    lab.approve(approved)
    lab.until(approved, "deliver_pizza")
    for order_id in (waiting, approved):
        # To the SDK a resume of a workflow that is not paused is a fault (kit/tests/test_sdk_faults.py).
        ended_by(lab, order_id, "resume", "FAILED")
    assert wait_until(lambda: statuses(lab.state(waiting)).count("pending_validation") == 2, SOON), lab.state(waiting)
    lab.approve(waiting)
    for order_id in (waiting, approved):
        assert lab.end_of(order_id)["result"]["final_status"] == "delivered"
        lab.assert_deeds(order_id, shop=[("order", 1)], kitchen=[("cook", 1)], courier=[("deliver", 1)])
        assert wait_until(lambda order_id=order_id: not watched(lab, order_id), SOON)


def test_orders_that_are_approved_while_the_scheduler_dies_are_delivered_once(lab):
    """Dapr 1.18.0 then writes a turn twice into the histories of some, of which the SDK makes a FAILED workflow."""
    orders = [lab.order() for _ in range(12)]
    for order_id in orders:
        lab.until(order_id, "validate_pizza")
    with ThreadPoolExecutor(len(orders) + 1) as pool:
        killed = pool.submit(lambda: (control.kill(lab.stack, "scheduler"), control.restart(lab.stack, "scheduler")))
        # With the scheduler away the sidecar refuses, and the customer asks again.
        asked = [pool.submit(approve_in_the_end, lab, order_id) for order_id in orders]
        killed.result()
        assert all(one.result() for one in asked)
    for order_id in orders:
        assert lab.end_of(order_id, AFTER_A_KILL)["result"]["final_status"] == "delivered"
        lab.assert_deeds(order_id, shop=[("order", 1)], kitchen=[("cook", 1)], courier=[("deliver", 1)])


def approve_in_the_end(lab, order_id) -> bool:
    return wait_until(lambda: lab.post("validate-pizza", order_id, approved=True).status_code == 202, SOON, 0.2)


def test_an_order_whose_workflow_was_ended_is_undone(lab, stays):
    broken, whole = lab.order(), lab.order()
    for order_id in (broken, whole):
        lab.until(order_id, "validate_pizza")
    before = lab.state(whole)
    ended_by(lab, broken, "terminate", "TERMINATED")
    assert_undone(lab, broken)
    assert lab.state(broken)["result"]["error"] == "the workflow ended as TERMINATED"
    # The other one has been looked at as often, and still waits for its verdict.
    assert stays(lambda: lab.state(whole) == before and watched(lab, whole), 2 * EVERY)
    lab.approve(whole)
    lab.assert_delivered_once(whole)
    assert wait_until(lambda: not watched(lab, whole), SOON)


def test_an_order_is_undone_a_part_of_whose_workflow_is_lost(lab):
    """As Dapr 1.18.0 itself was seen to lose one, under `./lab chaos pizza`: then it refuses to load the workflow."""
    order_id = lab.order()
    lab.until(order_id, "validate_pizza")
    lose(lab, f"pizza-order-{order_id}")
    assert_undone(lab, order_id)
    last = lab.book(order_id)["timeline"][-1]
    assert (last["status"], last["note"]) == ("cancelled", "the workflow's state is lost")

    # From now on it is like any other that has ended, though the engine cannot report it.
    for route in ("cancel-order", "pause-order", "resume-order"):
        answer = lab.post(route, order_id)
        assert (answer.status_code, answer.json()["code"]) == (409, "ORDER_FINISHED"), route
    assert lab.http.delete(lab.url(BOOK, f"/orders/{order_id}")).status_code == 204
    assert lab.http.get(lab.url(WORKFLOW, f"/orders/{order_id}")).status_code == 404
    again = lab.ask(order_id)
    assert (again.status_code, again.json()["code"]) == (409, "ORDER_LOST")
    # How to free the id of a lost order.
    left = [key.decode() for key in lab.redis("KEYS", f"{keys_of(f'pizza-order-{order_id}')}||*")]
    assert lab.redis("DEL", *left) == len(left) > 0
    lab.order(order_id)
    lab.approve(order_id)
    assert lab.end_of(order_id)["result"]["final_status"] == "delivered"


def keys_of(instance: str) -> str:
    """Return the prefix of the engine's keys of an instance."""
    return f"{WORKFLOW}||dapr.internal.default.{WORKFLOW}.workflow||{instance}"


def lose(lab, instance) -> None:
    """Delete a part of the engine's state of a workflow."""
    assert lab.redis("DEL", f"{keys_of(instance)}||history-000000") == 1
    # Until then its sidecar has all of it in memory.
    control.kill(lab.stack, WORKFLOW, sidecar=True)
    control.restart(lab.stack, WORKFLOW, sidecar=True)
    told = lab.http.get(lab.sidecar(WORKFLOW, f"/v1.0/workflows/dapr/{instance}"))
    assert "missing from state store" in told.text
