"""What becomes of an order: the paths through the workflow, as the customer and the other services see them."""

import pytest
from conftest import ORDER

from kit.fakes.waiting import eventually

FAST = {"attempts": 3, "first_seconds": 0.01}


def test_an_approved_pizza_is_delivered(ada, sidecar):
    waiting = ada.order_and_wait()
    assert (waiting["step"], waiting["attempt"], waiting["paused"]) == ("validate_pizza", 1, False)
    assert waiting["instance_id"] == "pizza-order-123"
    assert sidecar.waiting["quality"] == "passed: crisp"
    eventually(lambda: sidecar.events()[-1]["status"] == "pending_validation")
    assert sidecar.events()[-1]["note"] == "passed: crisp"
    ada.decide()
    ended, run = ada.until_ended(), sidecar.claim["run"]
    delivery = {"order_id": "123", "run": run, "attempt": 1, "status": "delivered"}
    expected = {"order_id": "123", "status": "completed", "final_status": "delivered", "delivery_result": delivery}
    assert ended["result"] == expected
    assert ada.statuses() == [
        "confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering", "delivered",
    ]  # fmt: skip
    body = {**ORDER, "run": run, "attempt": 1}
    assert sidecar.peers.calls == [
        ("pizza-storefront", "order", body), ("pizza-kitchen", "cook", body), ("pizza-delivery", "deliver", body),
    ]  # fmt: skip
    assert [name for name, _ in sidecar.engine.activities] == [
        "order_pizza", "cook_pizza", "quality_check", "validate_pizza", "deliver_pizza", "publish_status",
    ]  # fmt: skip


def test_a_rejected_pizza_is_discarded_and_another_is_cooked(ada, sidecar):
    ada.order_and_wait()
    ada.decide(False)
    ada.until("pending_validation", attempt=2)
    attempts = [(method, body["attempt"]) for _, method, body in sidecar.peers.calls]
    assert attempts == [("order", 1), ("cook", 1), ("discard", 1), ("cook", 2)]
    ada.post("/validate-pizza", validation_status="approved")
    assert ada.until_ended()["status"] == "delivered"
    assert sidecar.peers.asked() == ["order", "cook", "discard", "cook", "deliver"]


def test_after_the_last_rejection_everything_is_compensated_in_reverse_order(ada, sidecar):
    ada.order()
    for attempt in (1, 2, 3):
        ada.until("pending_validation", attempt)
        ada.decide(False)
    result = ada.until_ended()["result"]
    assert result == {
        "order_id": "123", "status": "failed", "final_status": "failed", "error": "all 3 pizzas were rejected",
    }  # fmt: skip
    assert sidecar.peers.asked()[-3:] == ["discard", "refund", "cancel"]
    assert sidecar.peers.calls[-3][2]["attempt"] == 3
    assert ada.statuses()[-2:] == ["rejected", "failed"]


def test_a_pizza_that_nobody_validates_expires(ada, sidecar):
    ada.order_and_wait()
    sidecar.engine.pass_time(899)
    assert ada.state()["status"] == "pending_validation"
    sidecar.engine.pass_time(1)
    ended = ada.until_ended()
    assert (ended["status"], ended["result"]["error"]) == ("expired", "not validated within 900 s")
    assert sidecar.peers.asked()[2:] == ["discard", "refund", "cancel"]


def test_an_order_has_a_deadline_in_each_step(ada, sidecar):
    ada.order_and_hold("cook")
    sidecar.engine.pass_time(3600)
    ended = ada.until_ended()
    assert (ended["status"], ended["result"]["error"]) == ("expired", "not delivered within 3600 s")


@pytest.mark.parametrize(
    ("during", "compensated"),
    [("order", 2), ("cook", 3), ("quality_check", 3), ("validate_pizza", 3), ("deliver", 4)],
)
def test_a_cancellation_overtakes_each_step(ada, sidecar, during, compensated):
    if during in ("order", "cook", "deliver"):
        ada.order_and_hold(during)
    else:
        if during == "quality_check":
            sidecar.engine.other_apps.clear()
        ada.order()
        eventually(lambda: ada.state()["step"] == during)
    ada.cancel(reason="not hungry")
    ended = ada.until_ended()
    assert (ended["status"], ended["result"]["error"]) == ("cancelled", "not hungry")
    assert sidecar.peers.asked()[-compensated:] == ["recall", "discard", "refund", "cancel"][-compensated:]
    if during in ("order", "cook", "deliver"):
        # It is compensated although nobody knows whether it was done. Done later, it is refused.
        assert (during, 1) in sidecar.peers.compensated


@pytest.mark.parametrize("answer", [(503, None), (200, None)])
def test_a_step_that_fails_is_retried(serve, sidecar, ada, answer):
    sidecar.peers.faults["cook"] = [answer] * 2
    ada.client = serve(rules={"cook_pizza": FAST})
    ada.order_and_wait()
    assert sidecar.peers.asked() == ["order", "cook", "cook", "cook"]


@pytest.mark.parametrize("method", ["order", "cook", "deliver"])
@pytest.mark.parametrize(
    ("answer", "times", "error"),
    [
        ((500, {"detail": "no bicycle"}), 3, "answered 500: no bicycle"),
        ((422, {"detail": "pizza_type: not on the menu"}), 1, "not on the menu"),
        ((200, {"surprise": True}), 3, "validation error"),
        ((200, {"order_id": "123", "run": "1", "attempt": 1, "status": "burnt"}), 3, "answered 'burnt' to"),
    ],
)
def test_a_step_that_fails_for_good_ends_the_order(serve, sidecar, ada, method, answer, times, error):
    sidecar.peers.faults[method] = [answer] * times
    ada.client = serve(rules={f"{method}_pizza": FAST})
    ada.order()
    if method == "deliver":
        ada.until("pending_validation")
        ada.decide()
    ended = ada.until_ended()
    assert ended["status"] == "failed"
    assert ended["result"]["error"].startswith(f"{method}_pizza failed: ")
    assert error in ended["result"]["error"]
    assert sidecar.peers.asked().count(method) == times
    assert sidecar.peers.asked()[-2:] == ["refund", "cancel"]


def test_a_step_has_a_time_limit_inside_the_activity(serve, sidecar, ada):
    sidecar.peers.hold("cook")
    ada.client = serve(rules={"cook_pizza": {"attempts": 1}}, time_limits={"cook_pizza": 0.05})
    ada.order()
    assert ada.until_ended()["result"]["error"].startswith("cook_pizza failed")


@pytest.mark.parametrize(
    ("status", "times", "error"),
    [(503, 5, ""), (409, 1, "; not compensated: refund_order: pizza-storefront answered 409")],
)
def test_a_compensation_is_retried_or_reported_and_the_others_are_done(ada, sidecar, status, times, error):
    sidecar.peers.fail("refund", status, times)
    ada.order_and_wait()
    ada.cancel()
    result = ada.until_ended()["result"]
    assert (result["status"], result["final_status"]) == ("failed", "cancelled")
    assert result["error"].startswith("cancelled by request" + error)
    assert ("not compensated" in result["error"]) == (error != "")
    assert sidecar.peers.asked()[2:] == ["discard"] + ["refund"] * (times + (status == 503)) + ["cancel"]


@pytest.mark.parametrize("approved", [True, False])
def test_a_rejected_pizza_that_could_not_be_discarded_is_reported(ada, sidecar, approved):
    sidecar.peers.fail("discard", 409, detail="the bin is full")
    ada.order_and_wait()
    ada.decide(False)
    ada.until("pending_validation", attempt=2)
    ada.decide() if approved else ada.cancel()
    result = ada.until_ended()["result"]
    assert result["final_status"] == ("delivered" if approved else "cancelled")
    assert (("cook", 2) in sidecar.peers.compensated) == (not approved)
    assert "not compensated: discard_pizza: " in result["error"]
    assert "the bin is full" in result["error"]
    assert "the bin is full" in sidecar.events()[-1]["note"]


def test_without_the_kitchens_worker_an_order_continues_unchecked(ada, sidecar):
    sidecar.engine.other_apps.clear()
    ada.order()
    eventually(lambda: ada.state()["step"] == "quality_check")
    sidecar.engine.pass_time(10)
    ada.until("pending_validation")
    assert sidecar.waiting["quality"] == "not checked: the kitchen did not answer in time"
    # The check itself waits for the kitchen, and does not disturb the order any more.
    sidecar.engine.connect_other_app("pizza-kitchen", "quality_check", sidecar.peers.quality_check)
    ada.decide()
    assert ada.until_ended()["status"] == "delivered"


@pytest.mark.parametrize("answer", [{"passed": "who knows"}, "crisp", None])
def test_a_check_whose_answer_cannot_be_read_does_not_hold_up_the_order(ada, sidecar, answer):
    sidecar.engine.connect_other_app("pizza-kitchen", "quality_check", lambda _: answer)
    ada.order_and_wait()
    assert sidecar.waiting["quality"] == "not checked: the check's answer cannot be read"
    ada.decide()
    assert ada.until_ended()["status"] == "delivered"


def test_an_order_keeps_the_rules_it_was_started_with(serve, ada):
    ada.order_and_wait()
    ada.client = serve(rules={"pizzas": 1, "validation_seconds": 1})
    ada.decide(False)
    ada.until("pending_validation", attempt=2)


@pytest.mark.parametrize(
    ("trace", "is_valid"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-" + "0" * 32 + "-b7ad6b7169203331-01", False),
        ("x" * 20_000, False),
    ],
)
def test_the_services_see_the_trace_of_the_request_or_else_one_of_their_own(client, ada, sidecar, trace, is_valid):
    answer = client.post("/start-order", json=ORDER, headers={"traceparent": trace})
    assert answer.status_code == 202
    ada.until("pending_validation")
    headers = [call.headers.get("traceparent") for call in sidecar.dapr.invoked]
    found = {*headers, *(event.traceparent for event in sidecar.dapr.published)}
    assert len(found) == 1
    assert (found == {trace}) is is_valid
