"""Orders on the real runtime: how they end, and what each service did for them, by its own ledger."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
import yaml

from labctl import runfile
from labctl.up.processes import wait_until
from tests.runtime.pizza.conftest import BOOK, COURIER, KITCHEN, SHOP, SOON, WORKFLOW, statuses

pytestmark = pytest.mark.lab("pizza")

COOKED = ["cooking", "cooked", "pending_validation"]


def test_an_approved_pizza_is_delivered(lab):
    order_id = lab.order()
    lab.until(order_id, "validate_pizza")
    # What else waits for a verdict may look here, without the workflow.
    waiting = lab.http.get(lab.sidecar(WORKFLOW, f"/v1.0/state/pizzastatestore/validation_{order_id}"))
    assert waiting.json()["status"] == "pending_validation"
    lab.approve(order_id)
    lab.assert_delivered_once(order_id)
    result = lab.state(order_id)["result"]
    assert (result["final_status"], result["delivery_result"]["status"]) == ("delivered", "delivered")
    # The kitchen's own app has checked the pizza.
    notes = {moment["status"]: moment["note"] for moment in lab.book(order_id)["timeline"]}
    assert notes["pending_validation"].startswith("passed: ")


def test_a_rejected_pizza_is_thrown_away_and_cooked_again(lab):
    order_id = lab.order()
    lab.reject(order_id)
    # A late approval of the first pizza does not approve the second.
    lab.until(order_id, "validate_pizza", 2)
    assert lab.post("validate-pizza", order_id, approved=True, attempt=1).status_code == 409
    lab.approve(order_id, 2)
    state = lab.end_of(order_id)
    assert statuses(state) == ["confirmed", *COOKED, "rejected", *COOKED, "approved", "delivering", "delivered"]
    kitchen = [("cook", 1), ("discard", 1), ("cook", 2)]
    lab.assert_deeds(order_id, shop=[("order", 1)], kitchen=kitchen, courier=[("deliver", 2)])


def test_a_pizza_that_nobody_looks_at_expires(lab):
    # An order keeps the rules of its start under later settings.
    with lab.otherwise(lab.with_settings(WORKFLOW, RULES__VALIDATION_SECONDS="2")):
        order_id = lab.order()
    state = lab.end_of(order_id)
    assert statuses(state) == ["confirmed", *COOKED, "expired"]
    assert state["result"]["error"] == "not validated within 2 s"
    undone = [("cook", 1), ("discard", 1)]
    lab.assert_deeds(order_id, shop=[("order", 1), ("refund", 1), ("cancel", 1)], kitchen=undone)


def test_a_step_that_fails_for_a_while_is_done_once(lab):
    # The sidecar asks four times, and then the workflow's own retry asks again.
    lab.http.put(lab.url(KITCHEN, "/faults"), json={"fail_next": 5, "status": 503}).raise_for_status()
    order_id = lab.order()
    lab.approve(order_id)
    lab.assert_delivered_once(order_id)
    calls = lab.http.get(lab.url(KITCHEN, "/faults")).json()
    assert calls["fail_next"] == 0


def test_a_double_click_that_rejects_does_not_judge_the_next_pizza(lab, stays):
    order_id = lab.order()
    lab.until(order_id, "validate_pizza")
    with ThreadPoolExecutor(8) as pool:
        clicks = [pool.submit(lab.post, "validate-pizza", order_id, approved=False, attempt=1) for _ in range(8)]
        answers = [click.result().status_code for click in clicks]
    assert 202 in answers
    assert set(answers) <= {202, 409}
    lab.until(order_id, "validate_pizza", 2)
    assert stays(lambda: lab.state(order_id)["status"] == "pending_validation", 2)
    lab.approve(order_id, 2)
    lab.end_of(order_id)
    kitchen = [("cook", 1), ("discard", 1), ("cook", 2)]
    lab.assert_deeds(order_id, shop=[("order", 1)], kitchen=kitchen, courier=[("deliver", 2)])


def test_an_order_is_started_once_by_many_and_again_only_when_it_was_deleted(lab):
    order_id = f"o-{uuid4().hex[:12]}"
    with ThreadPoolExecutor(8) as pool:
        starts = list(pool.map(lab.ask, [order_id] * 8))
    assert sorted(start.status_code for start in starts) == [202, *[409] * 7]
    running = lab.ask(order_id)
    assert (running.status_code, running.json()["code"]) == (409, "ORDER_RUNNING")
    lab.until(order_id, "cook_pizza")
    assert wait_until(lambda: lab.book(order_id) != {}, SOON)
    assert lab.http.delete(lab.url(BOOK, f"/orders/{order_id}")).status_code == 409
    lab.approve(order_id)
    lab.assert_delivered_once(order_id)
    finished = lab.ask(order_id)
    assert (finished.status_code, finished.json()["code"]) == (409, "ORDER_FINISHED")
    assert f"DELETE /orders/{order_id}" in finished.json()["detail"]

    assert lab.http.delete(lab.url(BOOK, f"/orders/{order_id}")).status_code == 204
    assert lab.http.get(lab.url(WORKFLOW, f"/orders/{order_id}")).status_code == 404
    lab.order(order_id)
    lab.approve(order_id)
    assert lab.end_of(order_id)["result"]["final_status"] == "delivered"
    for app_id, step in ((SHOP, "order"), (KITCHEN, "cook"), (COURIER, "deliver")):
        entries = lab.entries(app_id, order_id)
        assert [entry["step"] for entry in entries] == [step] * 2
        assert len({entry["run"] for entry in entries}) == 2


@pytest.fixture
def forgetful(lab, tmp_path) -> Iterator[None]:
    """pizza-workflow beside a sidecar that purges an order a second after its end, and not after an hour."""
    config = yaml.safe_load(runfile.stack_config(lab.stack).read_text())
    assert config["spec"]["workflow"]["stateRetentionPolicy"]["anyTerminal"] == "1h"
    config["spec"]["workflow"]["stateRetentionPolicy"]["anyTerminal"] = "1s"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    app = lab.app(WORKFLOW)
    with lab.otherwise(replace(app, entry=app.entry | {"configFilePath": str(tmp_path / "config.yaml")})):
        yield


def test_an_order_that_dapr_has_purged_is_still_known_and_not_started_again(lab, forgetful):
    order_id = lab.order()
    lab.approve(order_id)
    assert wait_until(lambda: lab.book(order_id).get("final", False), SOON)
    instance = lab.sidecar(WORKFLOW, f"/v1.0/workflows/dapr/pizza-order-{order_id}")
    assert wait_until(lambda: lab.http.get(instance).status_code == 404, SOON)
    state = lab.state(order_id)
    assert statuses(state) == ["confirmed", *COOKED, "approved", "delivering", "delivered"]
    assert state["result"]["final_status"] == "delivered"
    assert lab.ask(order_id).json()["code"] == "ORDER_FINISHED"
    assert lab.post("cancel-order", order_id).json()["code"] == "ORDER_FINISHED"
