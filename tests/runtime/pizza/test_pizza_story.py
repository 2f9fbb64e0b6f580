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


def test_the_kitchen_checks_each_pizza_in_its_own_app(lab):
    order_id = lab.order()
    lab.approve(order_id)
    lab.end_of(order_id)
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


def test_an_order_whose_every_pizza_is_rejected_is_undone(lab):
    order_id = lab.order()
    for attempt in (1, 2, 3):
        lab.reject(order_id, attempt)
    state = lab.end_of(order_id)
    assert statuses(state) == ["confirmed", *[*COOKED, "rejected"] * 3, "failed"]
    assert state["result"] == {
        "order_id": order_id,
        "status": "failed",
        "final_status": "failed",
        "error": "all 3 pizzas were rejected",
    }
    kitchen = [(step, attempt) for attempt in (1, 2, 3) for step in ("cook", "discard")]
    lab.assert_deeds(order_id, shop=[("order", 1), ("refund", 1), ("cancel", 1)], kitchen=kitchen)


def order_with(lab, **rules: str) -> str:
    """Start an order under other rules. It keeps the rules of its start under later settings."""
    with lab.otherwise(lab.with_settings(WORKFLOW, **rules)):
        return lab.order()


def test_a_pizza_that_nobody_looks_at_expires(lab):
    order_id = order_with(lab, RULES__VALIDATION_SECONDS="2")
    state = lab.end_of(order_id)
    assert statuses(state) == ["confirmed", *COOKED, "expired"]
    assert state["result"]["error"] == "not validated within 2 s"
    undone = [("cook", 1), ("discard", 1)]
    lab.assert_deeds(order_id, shop=[("order", 1), ("refund", 1), ("cancel", 1)], kitchen=undone)


def test_an_order_that_is_not_delivered_in_time_expires_in_whatever_step_it_is(lab):
    order_id = order_with(lab, RULES__DEADLINE_SECONDS="8")
    state = lab.end_of(order_id)
    assert state["result"]["final_status"] == "expired"
    assert state["result"]["error"] == "not delivered within 8 s"
    assert lab.deeds(SHOP, order_id) == [("order", 1), ("refund", 1), ("cancel", 1)]
    # The kitchen's progress by then depends on the machine; its pizza is discarded.
    assert lab.deeds(KITCHEN, order_id) in ([], [("discard", 1)], [("cook", 1), ("discard", 1)])
    assert lab.deeds(COURIER, order_id) == []


def test_a_step_that_fails_for_a_while_is_done_once(lab):
    # The sidecar asks four times, and then the workflow's own retry asks again.
    lab.http.put(lab.url(KITCHEN, "/faults"), json={"fail_next": 5, "status": 503}).raise_for_status()
    order_id = lab.order()
    lab.approve(order_id)
    lab.assert_delivered_once(order_id)
    calls = lab.http.get(lab.url(KITCHEN, "/faults")).json()
    assert calls["fail_next"] == 0


def test_a_double_click_approves_one_pizza(lab):
    order_id = lab.order()
    lab.until(order_id, "validate_pizza")
    with ThreadPoolExecutor(8) as pool:
        clicks = [pool.submit(lab.post, "validate-pizza", order_id, approved=True) for _ in range(8)]
        answers = [click.result().status_code for click in clicks]
    assert 202 in answers
    assert set(answers) <= {202, 409}
    lab.assert_delivered_once(order_id)


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


def test_an_order_started_many_times_at_once_is_one_order(lab):
    order_id = f"o-{uuid4().hex[:12]}"
    with ThreadPoolExecutor(8) as pool:
        answers = sorted(start.result().status_code for start in [pool.submit(lab.ask, order_id) for _ in range(8)])
    assert answers == [202, *[409] * 7]
    lab.approve(order_id)
    lab.assert_delivered_once(order_id)


def test_an_order_is_started_once_and_again_only_when_it_was_deleted(lab):
    order_id = lab.order()
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


@pytest.mark.parametrize("route", ["get-order", "pause-order", "resume-order", "cancel-order", "validate-pizza"])
def test_an_unknown_order_is_404(lab, route):
    more = {"approved": True} if route == "validate-pizza" else {}
    answer = lab.post(route, "nobody", **more)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "nobody" in answer.json()["detail"]


def test_a_pizza_that_is_not_waiting_cannot_be_validated(lab):
    order_id = lab.order()
    lab.until(order_id, "cook_pizza")
    early = lab.post("validate-pizza", order_id, approved=True)
    assert (early.status_code, early.json()["code"]) == (409, "NOT_WAITING")
    lab.approve(order_id)
    lab.end_of(order_id)
    late = lab.post("validate-pizza", order_id, approved=True)
    assert (late.status_code, late.json()["code"]) == (409, "ORDER_FINISHED")


CUSTOMER = {"name": "Ada", "address": "12 St James", "phone": "+44 20 7946"}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("pizza_type", {"pizza_type": None}),
        ("pizza_type", {"pizza_type": 17}),
        ("size", {"size": "huge"}),
        ("customer", {"customer": "Ada"}),
        ("customer.address", {"customer": {"name": "Ada", "phone": "+44 20 7946"}}),
        ("customer.name", {"customer": CUSTOMER | {"name": "x" * 1_000_000}}),
        ("customer.phone", {"customer": CUSTOMER | {"phone": "☎ 7946"}}),
    ],
    ids=["null", "a number", "no such size", "no object", "a field is missing", "a name of 1 MB", "unicode"],
)
def test_a_bad_order_is_422_and_names_the_field(lab, field, changes):
    order_id = "o-bad"
    answer = lab.ask(order_id, **changes)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert lab.post("get-order", order_id).status_code == 404
    assert [lab.deeds(app_id, order_id) for app_id in (SHOP, KITCHEN, COURIER)] == [[], [], []]


@pytest.mark.parametrize(
    "order_id", ["a||b", "../../orders", "1; DROP TABLE orders", "a\r\nb", "пицца", "🍕", "", "x" * 65, None, 7]
)
def test_an_order_id_that_is_none_is_422(lab, order_id):
    for answer in (lab.ask(order_id), lab.post("cancel-order", order_id)):
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["order_id"]


def test_a_customer_may_have_any_name_and_is_nowhere_in_the_clear(lab):
    customer = {"name": "Ада 🍕 O'Hara; --", "address": "7 Nowhere Lane", "phone": "+99 555 0101"}
    order_id = lab.order(customer=customer)
    lab.approve(order_id)
    lab.assert_delivered_once(order_id)
    known = lab.book(order_id)["order"]
    assert known["customer"] is None
    # A client may store the whole order with pizza-order.
    stored = known | {"customer": customer}
    assert lab.http.post(lab.url(BOOK, "/orders"), json=stored).status_code == 200
    assert lab.book(order_id)["order"] == stored
    # Workflow histories, events, ledgers and records: all that Dapr keeps.
    kept = b"\n".join(part for pair in lab.redis.everything() for part in pair)
    assert order_id.encode() in kept
    assert [word for word in ("O'Hara", "Nowhere Lane", "555 0101") if word.encode() in kept] == []
    assert lab.http.delete(lab.url(BOOK, f"/orders/{order_id}")).status_code == 204
    assert lab.book(order_id) == {}
