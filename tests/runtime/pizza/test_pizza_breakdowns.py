"""kill -9 of each service and of its sidecar with an order in its hands; a rolling restart: nothing lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from labctl.runfile import App
from labctl.up import control, lifecycle, processes
from labctl.up.processes import wait_until
from tests.runtime.pizza.conftest import AFTER_A_KILL, BOOK, COURIER, DOERS, KITCHEN, SHOP, WORKFLOW

pytestmark = pytest.mark.lab("pizza")

# Each is killed in its own step; the workflow's service and the listener to its events while the kitchen cooks.
BUSY_IN = {
    SHOP: "order_pizza",
    KITCHEN: "cook_pizza",
    COURIER: "deliver_pizza",
    WORKFLOW: "cook_pizza",
    BOOK: "cook_pizza",
}

# Steps that take long enough to be killed in, by the name that their doers have for them.
INTERRUPTED = {"cook_pizza": "cook", "deliver_pizza": "deliver"}


@pytest.mark.parametrize("sidecar", [False, True], ids=["the app", "its sidecar"])
@pytest.mark.parametrize("app_id", BUSY_IN)
def test_an_order_outlives_a_kill_of(lab, app_id, sidecar):
    order_id = lab.order()
    step = BUSY_IN[app_id]
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


@pytest.fixture
def replica(lab) -> Iterator[App]:
    """A second process of pizza-workflow with its own sidecar, at the end of the plan's ranges."""
    app = lab.app(WORKFLOW)
    shift = 71
    entry = {key: value + shift if key.lower().endswith("port") else value for key, value in app.entry.items()}
    second = replace(
        app,
        entry=entry,
        app_port=app.app_port + shift,
        http_port=app.http_port + shift,
        grpc_port=app.grpc_port + shift,
        internal_port=app.internal_port + shift,
        metrics_port=app.metrics_port + shift,
    )
    lifecycle.add(lab.stack, [second], "pizza-replica")
    yield second
    ports = (second.app_port, second.http_port)
    for kind in ("app", "sidecar"):
        mine = [one.process for one in processes.find(lab.stack) if one.kind == kind and one.port in ports]
        processes.end(mine, grace=12)


def activities_run_by(lab, app: App) -> int:
    """Count the activities that the workers behind this sidecar have completed."""
    metrics = lab.http.get(f"http://127.0.0.1:{app.metrics_port}/metrics").text
    name = "dapr_runtime_workflow_activity_execution_count"
    return sum(int(line.rsplit(" ", 1)[1]) for line in metrics.splitlines() if line.startswith(f"{name}{{"))


def test_two_replicas_share_the_orders_and_are_restarted_one_after_the_other(lab, replica):
    first = lab.app(WORKFLOW)
    orders = [lab.order() for _ in range(12)]
    for order_id in orders[:4]:
        lab.until(order_id, "validate_pizza")
    assert activities_run_by(lab, first) > 0
    assert activities_run_by(lab, replica) > 0
    # The first four wait for a verdict, the others are wherever they are.
    control.restart(lab.stack, WORKFLOW, app=replica)
    more = [lab.order() for _ in range(4)]
    control.restart(lab.stack, WORKFLOW, app=first)
    for order_id in (*orders, *more):
        lab.approve(order_id, timeout=AFTER_A_KILL)
    for order_id in (*orders, *more):
        lab.assert_delivered_once(order_id, AFTER_A_KILL)
