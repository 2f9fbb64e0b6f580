"""What becomes of an order: the paths through the workflow, as the customer and the other services see them."""

import pytest
from conftest import ORDER

from kit.fakes.waiting import eventually

FAST = {"attempts": 3, "first_seconds": 0.01}


def test_an_approved_pizza_is_delivered(ada, sidecar):
    ada.order()
    waiting = ada.until("pending_validation")
    assert (waiting["step"], waiting["attempt"], waiting["paused"]) == ("validate_pizza", 1, False)
    assert waiting["instance_id"] == "pizza-order-123"
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    ended = ada.until_ended()
    run = sidecar.document("start_123")["run"]
    delivery = {"order_id": "123", "run": run, "attempt": 1, "status": "delivered"}
    expected = {"order_id": "123", "status": "completed", "final_status": "delivered", "delivery_result": delivery}
    assert ended["result"] == expected
    assert ada.statuses() == [
        "confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering", "delivered",
    ]  # fmt: skip
    assert sidecar.peers.asked() == ["order", "cook", "deliver"]


def test_an_order_takes_six_activities(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=True)
    ada.until_ended()
    assert [name for name, _ in sidecar.engine.activities] == [
        "order_pizza", "cook_pizza", "quality_check", "validate_pizza", "deliver_pizza", "publish_status",
    ]  # fmt: skip


def test_each_service_gets_the_order(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    app_ids = [app_id for app_id, _, _ in sidecar.peers.calls]
    assert app_ids == ["pizza-storefront", "pizza-kitchen"]
    run = sidecar.document("start_123")["run"]
    assert sidecar.peers.calls[1][2] == {**ORDER, "run": run, "attempt": 1}


def test_a_rejected_pizza_is_thrown_away_and_cooked_again(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=False)
    ada.until("pending_validation", attempt=2)
    assert sidecar.peers.asked() == ["order", "cook", "discard", "cook"]
    assert [body["attempt"] for _, method, body in sidecar.peers.calls if method in ("cook", "discard")] == [1, 1, 2]
    ada.post("/validate-pizza", validation_status="approved")
    assert ada.until_ended()["result"]["final_status"] == "delivered"
    assert sidecar.peers.asked() == ["order", "cook", "discard", "cook", "deliver"]


def test_after_the_last_rejection_everything_is_undone_in_reverse_order(ada, sidecar):
    ada.order()
    for attempt in (1, 2, 3):
        ada.until("pending_validation", attempt)
        ada.post("/validate-pizza", approved=False)
    result = ada.until_ended()["result"]
    assert result == {
        "order_id": "123", "status": "failed", "final_status": "failed", "error": "all 3 pizzas were rejected",
    }  # fmt: skip
    assert sidecar.peers.asked()[-3:] == ["discard", "refund", "cancel"]
    assert sidecar.peers.calls[-3][2]["attempt"] == 3
    assert ada.statuses()[-2:] == ["rejected", "failed"]


def test_a_pizza_that_nobody_validates_expires(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    sidecar.engine.pass_time(899)
    assert ada.state()["status"] == "pending_validation"
    sidecar.engine.pass_time(1)
    assert ada.until_ended()["result"]["error"] == "not validated within 900 s"
    assert ada.state()["status"] == "expired"
    assert sidecar.peers.asked()[2:] == ["discard", "refund", "cancel"]


def test_an_order_has_a_deadline_whatever_it_is_doing(ada, sidecar):
    sidecar.peers.hold("cook")
    ada.order()
    eventually(lambda: "cook" in sidecar.peers.asked())
    sidecar.engine.pass_time(3600)
    assert ada.until_ended()["result"]["error"] == "not delivered within 3600 s"
    assert ada.state()["status"] == "expired"


@pytest.mark.parametrize("held", ["order", "cook", "deliver"])
def test_a_cancellation_overtakes_a_step_that_is_under_way(ada, sidecar, held):
    sidecar.peers.hold(held)
    ada.order()
    if held == "deliver":
        ada.until("pending_validation")
        ada.post("/validate-pizza", approved=True)
    eventually(lambda: held in sidecar.peers.asked())
    assert ada.post("/cancel-order", reason="not hungry").status_code == 202
    ended = ada.until_ended()
    assert ended["status"] == "cancelled"
    assert ended["result"]["error"] == "not hungry"
    undone = {"order": 2, "cook": 3, "deliver": 4}[held]
    assert sidecar.peers.asked()[-undone:] == ["recall", "discard", "refund", "cancel"][-undone:]
    # What was begun is undone although nobody knows whether it was done; done later, it is refused.
    assert (held, 1) in sidecar.peers.compensated


def test_a_cancellation_ends_the_wait_for_validation(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/cancel-order")
    assert ada.until_ended()["status"] == "cancelled"
    assert sidecar.peers.asked() == ["order", "cook", "discard", "refund", "cancel"]


def test_a_cancellation_ends_the_wait_for_the_kitchens_check(ada, sidecar):
    sidecar.engine.other_apps.clear()
    ada.order()
    eventually(lambda: ada.state()["step"] == "quality_check")
    ada.post("/cancel-order")
    assert ada.until_ended()["status"] == "cancelled"


def test_a_step_that_fails_is_tried_again(serve, sidecar, ada):
    sidecar.peers.fail("cook", 503, times=2)
    ada.client = serve(rules={"cook_pizza": FAST})
    ada.order()
    ada.until("pending_validation")
    assert sidecar.peers.asked() == ["order", "cook", "cook", "cook"]


def test_a_step_that_fails_to_the_last_attempt_ends_the_order(serve, sidecar, ada):
    sidecar.peers.fail("deliver", 500, times=3, detail="no bicycle")
    ada.client = serve(rules={"deliver_pizza": FAST})
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=True)
    result = ada.until_ended()["result"]
    assert result["error"] == "deliver_pizza failed: pizza-delivery answered 500: no bicycle"
    assert sidecar.peers.asked()[2:] == ["deliver"] * 3 + ["recall", "discard", "refund", "cancel"]


def test_a_step_that_is_refused_is_not_tried_again(ada, sidecar):
    sidecar.peers.fail("cook", 422, detail="pizza_type: not on the menu")
    ada.order()
    assert "not on the menu" in ada.until_ended()["result"]["error"]
    assert sidecar.peers.asked() == ["order", "cook", "discard", "refund", "cancel"]


def test_an_answer_without_a_body_is_no_success(ada, sidecar):
    sidecar.peers.fail("cook", 200)
    ada.order()
    ada.until("pending_validation")
    assert sidecar.peers.asked().count("cook") == 2


def test_an_answer_that_breaks_the_contract_is_a_failure(serve, sidecar, ada):
    sidecar.peers.fail("order", 200, times=3, surprise=True)
    ada.client = serve(rules={"order_pizza": FAST})
    ada.order()
    assert ada.until_ended()["status"] == "failed"


@pytest.mark.parametrize("method", ["order", "cook", "deliver"])
def test_a_step_whose_answer_has_another_status_fails(serve, sidecar, ada, method):
    sidecar.peers.faults[method] = [(200, {"order_id": "123", "run": "1", "attempt": 1, "status": "burnt"})] * 3
    ada.client = serve(rules={f"{method}_pizza": FAST})
    ada.order()
    if method == "deliver":
        ada.until("pending_validation")
        ada.post("/validate-pizza", approved=True)
    state = ada.until_ended()
    assert state["status"] == "failed"
    assert "answered 'burnt' to" in state["result"]["error"]


def test_a_step_has_a_time_limit_inside_the_activity(serve, sidecar, ada):
    sidecar.peers.hold("cook")
    ada.client = serve(rules={"cook_pizza": {"attempts": 1}}, time_limits={"cook_pizza": 0.05})
    ada.order()
    assert ada.until_ended()["result"]["error"].startswith("cook_pizza failed")


def test_an_undoing_step_is_tried_again_too(ada, sidecar):
    sidecar.peers.fail("refund", 503, times=5)
    ada.order()
    ada.until("pending_validation")
    ada.post("/cancel-order")
    assert ada.until_ended()["result"] == {
        "order_id": "123", "status": "failed", "final_status": "cancelled", "error": "cancelled by request",
    }  # fmt: skip
    assert sidecar.peers.asked()[2:] == ["discard"] + ["refund"] * 6 + ["cancel"]


def test_what_could_not_be_undone_is_told_and_the_rest_is_undone(ada, sidecar):
    sidecar.peers.fail("refund", 409, detail="the till is closed")
    ada.order()
    ada.until("pending_validation")
    ada.post("/cancel-order")
    error = ada.until_ended()["result"]["error"]
    assert error.startswith("cancelled by request; not compensated: refund_order: ")
    assert "the till is closed" in error
    assert sidecar.peers.asked()[-1] == "cancel"


@pytest.mark.parametrize("approved", [True, False])
def test_a_rejected_pizza_that_could_not_be_thrown_away_is_told(ada, sidecar, approved):
    sidecar.peers.fail("discard", 409, detail="the bin is full")
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=False)
    ada.until("pending_validation", attempt=2)
    ada.post("/validate-pizza", approved=True) if approved else ada.post("/cancel-order")
    result = ada.until_ended()["result"]
    assert result["final_status"] == ("delivered" if approved else "cancelled")
    assert "not compensated: discard_pizza: " in result["error"]
    assert "the bin is full" in result["error"]
    assert "the bin is full" in sidecar.events()[-1]["note"]


def test_while_the_kitchens_worker_is_away_an_order_goes_on_unchecked(ada, sidecar):
    sidecar.engine.other_apps.clear()
    ada.order()
    eventually(lambda: ada.state()["step"] == "quality_check")
    sidecar.engine.pass_time(10)
    ada.until("pending_validation")
    assert sidecar.document("validation_123")["quality"] == "not checked: the kitchen did not answer in time"
    # The check itself waits for the kitchen, and does not disturb the order any more.
    sidecar.engine.connect_other_app("pizza-kitchen", "quality_check", sidecar.peers.quality_check)
    ada.post("/validate-pizza", approved=True)
    assert ada.until_ended()["result"]["final_status"] == "delivered"


@pytest.mark.parametrize("answer", [{"passed": "who knows"}, "crisp", None])
def test_a_check_whose_answer_cannot_be_read_does_not_hold_up_the_order(ada, sidecar, answer):
    sidecar.engine.connect_other_app("pizza-kitchen", "quality_check", lambda given: answer)
    ada.order()
    ada.until("pending_validation")
    assert sidecar.document("validation_123")["quality"] == "not checked: the check's answer cannot be read"
    ada.post("/validate-pizza", approved=True)
    assert ada.until_ended()["result"]["final_status"] == "delivered"


def test_whoever_validates_can_read_what_the_kitchen_says(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    assert sidecar.document("validation_123")["quality"] == "passed: crisp"
    eventually(lambda: sidecar.events()[-1]["status"] == "pending_validation")
    assert sidecar.events()[-1]["note"] == "passed: crisp"


def test_an_order_keeps_the_rules_it_was_started_with(serve, sidecar, ada):
    ada.order()
    ada.until("pending_validation")
    ada.client = serve(rules={"pizzas": 1, "validation_seconds": 1})
    ada.post("/validate-pizza", approved=False)
    ada.until("pending_validation", attempt=2)


def test_the_services_see_the_trace_of_the_request(client, ada, sidecar):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client.post("/start-order", json=ORDER, headers={"traceparent": trace})
    ada.until("pending_validation")
    assert sidecar.headers("traceparent") == {trace}
    assert {event["traceparent"] for event in sidecar.published()} == {trace}


@pytest.mark.parametrize("trace", ["x" * 20_000, "00-" + "0" * 32 + "-b7ad6b7169203331-01"])
def test_an_invalid_trace_is_dropped(client, ada, sidecar, trace):
    answer = client.post("/start-order", json=ORDER, headers={"traceparent": trace})
    assert answer.status_code == 202
    ada.until("pending_validation")
    assert sidecar.headers("traceparent") == set()
    assert "traceparent" not in sidecar.published()[0]


def test_many_orders_at_once(client, sidecar):
    for number in range(20):
        order = {**ORDER, "order_id": f"o{number}"}
        assert client.post("/start-order", json=order).status_code == 202
    for number in range(20):
        state = eventually(
            lambda number=number: (
                (found := client.get(f"/orders/o{number}").json())["status"] == "pending_validation" and found
            )
        )
        assert state["order_id"] == f"o{number}"
    assert sorted(sidecar.peers.asked()) == ["cook"] * 20 + ["order"] * 20
