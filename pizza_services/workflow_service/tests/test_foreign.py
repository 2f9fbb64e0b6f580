"""A workflow that somebody starts by hand, under the id of an order, with an input that is no order's."""

import json

import pytest
from conftest import COMPENSATION, ORDER, WORKFLOW

from kit.fakes.engine import Instance
from kit.fakes.waiting import eventually
from messages import run_of

INPUTS = ['"x"', "[]", "{}", "17", "null", '{"of": 7}', '{"run": "1"}']
ROUTES = ["/get-order", "/pause-order", "/resume-order", "/cancel-order", "/validate-pizza"]


def start_by_hand(sidecar, given, instance_id=WORKFLOW, name="pizza_workflow"):
    """Start a workflow as Dapr's HTTP API does, and wait until it has failed at its input."""
    sidecar.engine.start(Instance(instance_id, name, given))
    eventually(lambda: sidecar.engine.instances[instance_id].ended)


@pytest.mark.parametrize("given", INPUTS)
def test_it_is_no_order_and_the_order_of_that_id_can_be_placed(client, ada, sidecar, given):
    start_by_hand(sidecar, given)
    verdict = {"approved": True}
    bodies = {route: {"order_id": "123", **(verdict if "validate" in route else {})} for route in ROUTES}
    answers = [client.post("/job/watch-123", json="123")]
    answers += [client.post(route, json=body) for route, body in bodies.items()]
    answers.append(client.post("/cancel-order", json={"order_id": "123", "force": True}))
    assert [answer.status_code for answer in answers] == [200, *[404] * 6]
    assert client.post("/start-order", json=ORDER).status_code == 202
    ada.until("pending_validation")


@pytest.mark.parametrize("given", INPUTS)
def test_a_compensation_with_such_an_input_compensates_nothing(client, ada, sidecar, given):
    ada.order_and_wait()
    start_by_hand(sidecar, given, COMPENSATION, "compensation_workflow")
    assert client.get("/orders/123").json()["status"] == "pending_validation"
    sidecar.let_pass(3600, COMPENSATION)
    assert client.post("/cancel-order", json={"order_id": "123", "force": True}).status_code == 202
    ada.until_ended()
    assert sidecar.final_event()["status"] == "cancelled"


def test_a_running_order_stays_ours_if_rules_have_become_stricter_since(client, ada, sidecar):
    ada.order_and_wait()
    running = sidecar.engine.instances[WORKFLOW]
    running.input = json.dumps(json.loads(running.input) | {"rules": {"pizzas": 21}})
    assert client.post("/pause-order", json={"order_id": "123"}).status_code == 202
    of_compensation = json.dumps({"of": json.loads(running.input), "reason": "late"})
    assert run_of(running.input) == run_of(of_compensation) == sidecar.claim["run"]
