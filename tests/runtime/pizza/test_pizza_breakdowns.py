"""kill -9 of services and sidecars with an order in flight; a rolling restart: nothing is lost or doubled."""

from __future__ import annotations

import pytest

from labctl.runfile import App
from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.pizza.conftest import AFTER_A_KILL, BOOK, COURIER, DOERS, KITCHEN, SHOP, WORKFLOW

pytestmark = pytest.mark.lab("pizza")

# Steps that take long enough to be killed in, by the name that their doers have for them.
INTERRUPTED = {"cook_pizza": "cook", "deliver_pizza": "deliver"}


# Under ./lab chaos each app and each sidecar dies; here one of each kind dies in the middle of a step.
@pytest.mark.parametrize(
    ("app_id", "sidecar", "step"),
    [
        pytest.param(SHOP, True, "order_pizza", id="the storefront's sidecar"),
        pytest.param(KITCHEN, False, "cook_pizza", id="the kitchen"),
        pytest.param(COURIER, True, "deliver_pizza", id="the courier's sidecar"),
        pytest.param(WORKFLOW, False, "cook_pizza", id="the workflow's app"),
        pytest.param(WORKFLOW, True, "cook_pizza", id="the workflow's sidecar"),
        pytest.param(BOOK, False, "cook_pizza", id="the listener to its events"),
    ],
)
def test_an_order_outlives_a_kill_of(lab, app_id, sidecar, step):
    order_id = lab.order()
    if step == "deliver_pizza":
        lab.approve(order_id)
    lab.until(order_id, step)
    control.kill(lab.stack, app_id, sidecar=sidecar)
    # As Kubernetes restarts a container: the other of the two lives on, and continues its work.
    control.restart(lab.stack, app_id, sidecar=sidecar, keep_sidecar=not sidecar)
    if step != "deliver_pizza":
        lab.approve(order_id, timeout=AFTER_A_KILL)
    lab.assert_delivered_once(order_id, AFTER_A_KILL)
    if step in INTERRUPTED and app_id != BOOK:
        doer = DOERS[step]
        asked = {entry["step"]: entry["times_asked"] for entry in lab.entries(doer, order_id)}
        assert asked[INTERRUPTED[step]] > 1, "the kill interrupted nothing"


def test_an_order_is_undone_although_its_services_die_meanwhile(lab):
    order_id = lab.order()
    lab.until(order_id, "validate_pizza")
    control.kill(lab.stack, KITCHEN)
    lab.tell("cancel-order", order_id)
    # It cannot throw the pizza away yet, and asks again until it can; the workflow's own death does not end that.
    assert wait_until(lambda: lab.state(order_id)["step"] == "discard_pizza", AFTER_A_KILL)
    control.kill(lab.stack, WORKFLOW)
    for app_id in (WORKFLOW, KITCHEN):
        control.restart(lab.stack, app_id, keep_sidecar=True)
    assert lab.end_of(order_id, AFTER_A_KILL)["result"]["final_status"] == "cancelled"
    shop = [("order", 1), ("refund", 1), ("cancel", 1)]
    lab.assert_deeds(order_id, shop=shop, kitchen=[("cook", 1), ("discard", 1)])


def activities_run_by(lab, app: App) -> int:
    """Count the activities that the workers behind this sidecar have completed."""
    metrics = lab.http.get(f"http://127.0.0.1:{app.metrics_port}/metrics").text
    name = "dapr_runtime_workflow_activity_execution_count"
    return sum(int(line.rsplit(" ", 1)[1]) for line in metrics.splitlines() if line.startswith(f"{name}{{"))


def test_two_replicas_share_the_orders_and_are_restarted_one_after_the_other(lab):
    first = lab.app(WORKFLOW)
    with lab.replicas(WORKFLOW) as replicas:
        orders = [lab.order() for _ in range(12)]
        for order_id in orders[:4]:
            lab.until(order_id, "validate_pizza")
        assert activities_run_by(lab, first) > 0
        assert activities_run_by(lab, replicas[WORKFLOW]) > 0
        # The first four wait for a verdict, the others are wherever they are.
        control.restart(lab.stack, WORKFLOW, app=replicas[WORKFLOW])
        orders += [lab.order() for _ in range(4)]
        control.restart(lab.stack, WORKFLOW, app=first)
        for order_id in orders:
            lab.approve(order_id, timeout=AFTER_A_KILL)
        for order_id in orders:
            lab.assert_delivered_once(order_id, AFTER_A_KILL)
