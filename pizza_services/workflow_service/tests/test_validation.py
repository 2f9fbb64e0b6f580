"""A verdict counts for the pizza it was given for."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import WORKFLOW
from google.protobuf.wrappers_pb2 import StringValue

from kit.fakes.waiting import eventually


def test_a_double_click_does_not_decide_on_the_next_pizza(ada, sidecar):
    ada.order_and_wait()
    sidecar.peers.hold("discard")
    with ThreadPoolExecutor(4) as pool:
        clicks = list(pool.map(lambda _: ada.post("/validate-pizza", approved=False), range(4)))
    assert {answer.status_code for answer in clicks} <= {202, 409}
    sidecar.peers.release()
    ada.until("pending_validation", attempt=2)
    eventually(lambda: not sidecar.engine.instances[WORKFLOW].inbox)
    state = ada.state()
    assert (state["status"], state["attempt"]) == ("pending_validation", 2)


def test_an_event_that_is_not_for_this_pizza_is_ignored(ada, sidecar):
    ada.order_and_wait()
    run, instance = sidecar.claim["run"], sidecar.engine.instances[WORKFLOW]
    others = [{"run": run, "attempt": 2, "approved": True}, {"run": "x", "attempt": 1, "approved": True}, {}, "yes", 7]
    for other in others:
        event = {"name": "ValidationComplete", "input": StringValue(value=json.dumps(other))}
        sidecar.engine.deliver(WORKFLOW, eventRaised=event)
    eventually(lambda: not instance.inbox and instance.turn is None)
    assert ada.state()["status"] == "pending_validation"
    ada.decide()
    assert ada.until_ended()["status"] == "delivered"


def test_a_verdict_whose_answer_was_lost_is_given(ada, sidecar):
    ada.order_and_wait()
    sidecar.lose_answers = 1
    ada.decide()
    assert sidecar.lose_answers == 0
    assert ada.until_ended()["status"] == "delivered"


def test_of_two_verdicts_that_contradict_each_other_one_is_refused(ada):
    ada.order_and_wait()
    ada.pause()
    ada.decide()
    ada.decide()
    answer = ada.post("/validate-pizza", approved=False)
    assert (answer.status_code, answer.json()["code"]) == (409, "VALIDATED")


def test_a_verdict_may_name_the_pizza(ada):
    ada.order_and_wait()
    assert ada.post("/validate-pizza", approved=False, attempt=2).status_code == 409
    assert ada.post("/validate-pizza", approved=False, attempt=1).status_code == 202
    ada.until("pending_validation", attempt=2)
    assert ada.post("/validate-pizza", approved=True, attempt=1).status_code == 409
    assert ada.post("/validate-pizza", approved=True, attempt=2).status_code == 202


@pytest.mark.parametrize("held", ["order", "cook", "deliver"])
def test_an_order_that_does_not_wait_is_not_validated(ada, held):
    ada.order_and_hold(held)
    answer = ada.post("/validate-pizza", approved=True)
    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_WAITING")


@pytest.mark.parametrize("next_pizza", [False, True])
def test_the_step_repeated_after_a_crash_leaves_the_record_alone(ada, sidecar, next_pizza):
    ada.order_and_wait()
    if next_pizza:
        ada.decide(False)
        ada.until("pending_validation", attempt=2)
    else:
        ada.pause()
        ada.decide()
    before = sidecar.waiting
    # As a sidecar may repeat the first pizza's step.
    arguments = next(arguments for name, arguments in sidecar.engine.activities if name == "validate_pizza")
    sidecar.engine.repeat("validate_pizza", arguments, WORKFLOW)
    eventually(lambda: 99 in sidecar.engine.completed)
    assert sidecar.waiting == before
