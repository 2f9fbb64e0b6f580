"""A verdict counts for the pizza it was given for."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from kit.fakes.waiting import eventually


def test_a_double_click_does_not_approve_the_next_pizza(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    sidecar.peers.hold("discard")
    with ThreadPoolExecutor(4) as pool:
        clicks = list(pool.map(lambda _: ada.post("/validate-pizza", approved=False), range(4)))
    assert {answer.status_code for answer in clicks} <= {202, 409}
    sidecar.peers.release()
    ada.until("pending_validation", attempt=2)
    verdicts = [what for what, _ in sidecar.engine.steered if what == "event"]
    assert verdicts
    eventually(lambda: not sidecar.engine.instances["pizza-order-123"].inbox)
    assert ada.state()["status"] == "pending_validation"
    assert ada.state()["attempt"] == 2


def test_an_event_that_is_not_for_this_pizza_is_ignored(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    run = sidecar.document("start_123")["run"]
    instance = sidecar.engine.instances["pizza-order-123"]
    others = [{"run": run, "attempt": 2, "approved": True}, {"run": "x", "attempt": 1, "approved": True}, {}, "yes", 7]
    for other in others:
        event = {"name": "ValidationComplete", "input": StringValue(value=json.dumps(other))}
        sidecar.engine.deliver("pizza-order-123", eventRaised=event)
    eventually(lambda: not instance.inbox and instance.turn is None)
    assert ada.state()["status"] == "pending_validation"
    ada.post("/validate-pizza", approved=True)
    assert ada.until_ended()["result"]["final_status"] == "delivered"


def test_a_verdict_whose_answer_was_lost_is_given(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    sidecar.lose_answers = 1
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    assert sidecar.lose_answers == 0
    assert ada.until_ended()["status"] == "delivered"


def test_of_two_verdicts_that_contradict_each_other_one_is_refused(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/pause-order")
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    answer = ada.post("/validate-pizza", approved=False)
    assert (answer.status_code, answer.json()["code"]) == (409, "VALIDATED")


def test_a_verdict_may_name_the_pizza(ada):
    ada.order()
    ada.until("pending_validation")
    assert ada.post("/validate-pizza", approved=False, attempt=2).status_code == 409
    assert ada.post("/validate-pizza", approved=False, attempt=1).status_code == 202
    ada.until("pending_validation", attempt=2)
    assert ada.post("/validate-pizza", approved=True, attempt=1).status_code == 409
    assert ada.post("/validate-pizza", approved=True, attempt=2).status_code == 202


@pytest.mark.parametrize("held", ["order", "cook", "deliver"])
def test_an_order_that_does_not_wait_is_not_validated(ada, sidecar, held):
    sidecar.peers.hold(held)
    ada.order()
    if held == "deliver":
        ada.until("pending_validation")
        ada.post("/validate-pizza", approved=True)
    eventually(lambda: held in sidecar.peers.asked())
    answer = ada.post("/validate-pizza", approved=True)
    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_WAITING")


def test_the_step_repeated_after_a_crash_leaves_the_verdict_alone(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/pause-order")
    ada.post("/validate-pizza", approved=True)
    noted = sidecar.document("validation_123")
    assert noted["status"] == "approved"
    repeat_validate_pizza(sidecar, noted["run"])
    assert sidecar.document("validation_123") == noted


def test_the_step_repeated_late_leaves_the_next_pizza_alone(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=False)
    ada.until("pending_validation", attempt=2)
    repeat_validate_pizza(sidecar, sidecar.document("start_123")["run"])
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    assert ada.until_ended()["result"]["final_status"] == "delivered"


def repeat_validate_pizza(sidecar, run):
    """Let the worker repeat the step of the first pizza, as a sidecar may after a crash."""
    sidecar.engine.repeat("validate_pizza", {"order_id": "123", "run": run, "attempt": 1}, "pizza-order-123")
    eventually(lambda: 99 in sidecar.engine.completed)
