"""The activity `quality_check`, called as the workflow of another app calls it: through the worker's connection."""

import json
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from kit.fakes.engine import Engine, Instance
from kit.fakes.pizza import ORDER, TASK
from kit.fakes.waiting import eventually

PIZZA = {"order_id": "123", "pizza_type": "pepperoni", "run": "1", "attempt": 1}


def check(engine: Engine, pizza=PIZZA):
    """Return the result of a check and the message of its failure."""
    # A workflow in the middle of its turn: what the activity returns waits in its inbox.
    caller = engine.instances["order"] = Instance("order", "pizza_workflow", "{}", turn=[])
    engine.repeat("quality_check", pizza, "order")
    (event,) = eventually(lambda: caller.inbox)
    if event.HasField("taskFailed"):
        return None, event.taskFailed.failureDetails.errorMessage
    return json.loads(event.taskCompleted.result.value), None


def found(passed, note):
    return {"order_id": "123", "attempt": 1, "passed": passed, "note": note}, None


def test_a_cooked_pizza_passes_however_often_it_is_checked_and_a_check_changes_nothing(client, engine, sidecar):
    client.post("/cook", json=ORDER)
    before = dict(sidecar.values)
    assert [check(engine) for _ in range(2)] == [found(True, "A fine pepperoni.")] * 2
    assert sidecar.values == before


@pytest.mark.parametrize("other", [{"order_id": "124"}, {"run": "2"}, {"attempt": 2}])
def test_a_pizza_that_was_not_cooked_does_not_pass(client, engine, other):
    client.post("/cook", json=ORDER)
    report, failure = check(engine, {**PIZZA, **other})
    assert (report["passed"], failure) == (False, None)
    assert "no such pizza" in report["note"]


def test_a_pizza_in_the_oven_does_not_pass(serve, engine, sidecar):
    client = serve(step_seconds=1)
    with ThreadPoolExecutor() as pool:
        cooking = pool.submit(client.post, "/cook", json=ORDER)
        eventually(lambda: sidecar.value("order:123"))
        assert "in the oven" in check(engine)[0]["note"]
        assert cooking.result().status_code == 200


def test_a_discarded_pizza_does_not_pass(client, engine):
    client.post("/cook", json=ORDER)
    client.post("/discard", json=TASK)
    assert check(engine) == found(False, "This pizza was discarded.")


def test_a_type_that_the_kitchen_refuses_never_passes(serve, engine):
    serve(quality_refuses=["hawaii"]).post("/cook", json={**ORDER, "pizza_type": "hawaii"})
    assert check(engine, {**PIZZA, "pizza_type": "hawaii"}) == found(False, "This kitchen serves no hawaii.")


def test_a_check_that_cannot_read_the_ledger_fails_so_that_the_workflow_retries(client, engine, sidecar):
    sidecar.refuse = lambda *_: (grpc.StatusCode.INTERNAL, "no")
    result, failure = check(engine)
    assert result is None
    assert "pizzaledger cannot be used now" in failure


@pytest.mark.parametrize(
    "bad", [{"order_id": "a||b"}, {"order_id": None}, {"attempt": 0}, {"attempt": "1"}, {"pizza_type": "x" * 51}]
)
def test_a_bad_input_fails_and_names_the_field(client, engine, bad):
    _, failure = check(engine, {**PIZZA, **bad})
    assert next(iter(bad)) in failure


def test_the_service_is_not_ready_without_its_worker_and_its_routes_work_all_the_same(client, sidecar):
    eventually(lambda: client.get("/readyz").status_code == 200)
    sidecar.connected_workers = lambda: 0
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "no workflow worker is connected" in answer.json()["detail"]
    assert client.post("/cook", json=ORDER).status_code == 200
