"""The activity `quality_check`, called as a workflow of another app calls it: through the worker's connection."""

import grpc
import pytest
from story import ORDER, UNDO

PIZZA = {"order_id": "123", "pizza_type": "pepperoni", "run": "1", "attempt": 1}


def found(passed, note):
    return {"order_id": "123", "attempt": 1, "passed": passed, "note": note}, None


def test_a_cooked_pizza_passes_however_often_it_is_checked(client, engine):
    client.post("/cook", json=ORDER)
    assert [engine.call("quality_check", PIZZA) for _ in range(2)] == [found(True, "A fine pepperoni.")] * 2


def test_a_check_changes_nothing(client, engine, sidecar):
    client.post("/cook", json=ORDER)
    before = dict(sidecar.values)
    engine.call("quality_check", PIZZA)
    assert sidecar.values == before


@pytest.mark.parametrize("other", [{"order_id": "124"}, {"run": "2"}, {"attempt": 2}])
def test_a_pizza_that_nobody_cooked_does_not_pass(client, engine, other):
    client.post("/cook", json=ORDER)
    report, failed = engine.call("quality_check", {**PIZZA, **other})
    assert (report["passed"], failed) == (False, None)
    assert "no such pizza" in report["note"]


def test_a_pizza_in_the_oven_does_not_pass(serve, engine, sidecar):
    client = serve(step_seconds=60)
    with pytest.MonkeyPatch.context() as patient:
        # Whoever cooks would wait for a minute; the entry is there from the beginning.
        patient.setattr("asyncio.sleep", _no_wait())
        client.post("/cook", json=ORDER)
    assert "in the oven" in engine.call("quality_check", PIZZA)[0]["note"]


def _no_wait():
    async def at_once(_seconds):
        return None

    return at_once


def test_a_pizza_thrown_away_does_not_pass(client, engine):
    client.post("/cook", json=ORDER)
    client.post("/discard", json=UNDO)
    assert engine.call("quality_check", PIZZA) == found(False, "This pizza has been thrown away.")


def test_a_type_that_the_kitchen_refuses_never_passes(serve, engine):
    serve(quality_refuses=["hawaii"]).post("/cook", json={**ORDER, "pizza_type": "hawaii"})
    checked = engine.call("quality_check", {**PIZZA, "pizza_type": "hawaii"})
    assert checked == found(False, "This kitchen lets out no hawaii.")


def test_a_check_that_cannot_read_the_ledger_fails_so_that_the_workflow_tries_again(client, engine, sidecar):
    sidecar.refuse = lambda *_: (grpc.StatusCode.INTERNAL, "no")
    result, failed = engine.call("quality_check", PIZZA)
    assert result is None
    assert "pizzaledger cannot be used now" in failed


@pytest.mark.parametrize(
    "bad", [{"order_id": "a||b"}, {"order_id": None}, {"attempt": 0}, {"attempt": "1"}, {"pizza_type": "x" * 51}]
)
def test_a_bad_input_fails_and_names_the_field(client, engine, bad):
    _, failed = engine.call("quality_check", {**PIZZA, **bad})
    assert next(iter(bad)) in failed


def test_the_service_is_not_ready_without_the_worker_and_its_http_routes_work_all_the_same(serve, sidecar, engine):
    engine.closed = True
    client = serve()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "workflow worker is not connected" in answer.json()["detail"]
    assert client.post("/cook", json=ORDER).status_code == 200
