"""An engine that keeps every call waiting, and what gets it out of that."""

import pytest
from conftest import ORDER, Customer, eventually

OFTEN = {"standstill_every_seconds": 0.02, "call_timeout_seconds": 1}


def came_back(sidecar, workers):
    """Waits until the last of these workers has left, and another has come in its place."""
    now = sidecar.engine.workers
    eventually(lambda: workers[-1] not in now and len(now) == len(workers))


def test_a_standstill_is_ended_and_orders_go_on(serve, sidecar):
    ada = Customer(serve(**OFTEN))
    ada.order()
    ada.until("pending_validation")
    workers = list(sidecar.engine.workers)
    sidecar.engine.blocked.set()
    eventually(lambda: not sidecar.engine.blocked.is_set())
    came_back(sidecar, workers)
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    assert ada.until_ended()["result"]["final_status"] == "delivered"
    assert sidecar.peers.asked() == ["order", "cook", "deliver"]


@pytest.mark.parametrize("fault", ["no placement", "no store"])
def test_what_ends_by_itself_is_left_alone(serve, sidecar, fault):
    client = serve(**OFTEN)
    (worker,) = sidecar.engine.workers[-1:]
    (sidecar.engine.blocked if fault == "no placement" else sidecar.engine.down).set()
    sidecar.peers.placed = fault != "no placement"
    answer = client.post("/start-order", json=ORDER)
    assert answer.status_code == 504
    begun = sidecar.engine.pings
    eventually(lambda: sidecar.engine.pings > begun + 2)
    assert sidecar.engine.workers[-1] is worker
    sidecar.engine.blocked.clear()
    sidecar.engine.down.clear()
    eventually(lambda: client.post("/start-order", json=ORDER).status_code in (202, 409))


def test_an_engine_that_answers_is_left_alone(serve, sidecar):
    serve(**OFTEN)
    worker = sidecar.engine.workers[-1]
    eventually(lambda: sidecar.engine.pings > 5)
    assert sidecar.engine.workers[-1] is worker


def test_a_workflow_that_takes_no_nudge_is_freed(serve, sidecar):
    ada = Customer(serve(standstill_every_seconds=60, call_timeout_seconds=1, watch_quiet_seconds=0.001))
    ada.order()
    ada.until("pending_validation")
    workers = list(sidecar.engine.workers)
    sidecar.engine.deadlocked.add("pizza-order-123")
    answer = ada.client.post("/job/watch-123", json="123")
    assert (answer.status_code, answer.json()["dependency"]) == (504, "Dapr workflow engine")
    eventually(lambda: not sidecar.engine.deadlocked)
    came_back(sidecar, workers)
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    assert ada.until_ended()["result"]["final_status"] == "delivered"
