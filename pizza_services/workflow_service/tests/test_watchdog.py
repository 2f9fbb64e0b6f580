"""The watchdog: a look at an order leaves it as it is, unless its workflow cannot continue."""

from datetime import timedelta

import pytest
from conftest import ORDER, Customer
from test_steering import fail, undo_in_vain, until_paused

import workflow
from kit.fakes.waiting import eventually

JOB = "watch-123"
AT_ONCE = {"rules": {"deadline_seconds": 0.001}, "watch_grace_seconds": 0.001}


def look(customer):
    """Dapr's callback."""
    answer = customer.client.post(f"/job/watch-{customer.order_id}", json=customer.order_id)
    assert answer.status_code == 200, answer.text


def test_an_order_is_watched_from_its_start(ada, sidecar):
    ada.order()
    job = sidecar.dapr.jobs[JOB]
    assert (job["schedule"], job["dueTime"], job["data"]) == ("@every 60s", "60s", "123")


def test_a_look_at_an_order_under_way_changes_nothing(ada, sidecar):
    ada.order()
    before = ada.until("pending_validation")
    look(ada)
    assert ada.state() == before
    assert JOB in sidecar.dapr.jobs
    assert sidecar.engine.steered == []


@pytest.mark.parametrize("end", ["delivered", "cancelled", "purged"])
def test_an_order_that_is_over_is_watched_no_more(ada, sidecar, end):
    ada.order()
    ada.until("pending_validation")
    if end == "cancelled":
        ada.post("/cancel-order")
    else:
        ada.post("/validate-pizza", approved=True)
    ada.until_ended()
    asked = sidecar.peers.asked()
    if end == "purged":
        sidecar.engine.purge("pizza-order-123")
    look(ada)
    assert sidecar.dapr.jobs == {}
    assert sidecar.peers.asked() == asked
    # Dapr may call a job again that was just deleted.
    look(ada)


def until_undone(customer):
    """Return the order's state once it is compensated. Its failed workflow has a result before that."""
    return eventually(lambda: "final_status" in (found := customer.state()).get("result", {}) and found)


def break_off(customer, sidecar):
    """Let the workflow fail, and the watchdog check it once none of its steps can be running."""
    fail(sidecar, "pizza-order-123")
    let_pass(sidecar, 71)
    look(customer)


def let_pass(sidecar, seconds, instance_id="pizza-order-123"):
    """Move a workflow's last turn back by that time."""
    sidecar.engine.instances[instance_id].created -= timedelta(seconds=seconds)


def delivered_once(customer, sidecar):
    """Check that the order is delivered and each step was done once, even if requested twice; return it."""
    ended = customer.until_ended()
    assert ended["result"]["final_status"] == "delivered"
    assert list(sidecar.peers.done) == [("order", 1), ("cook", 1), ("deliver", 1)]
    look(customer)
    assert sidecar.dapr.jobs == {}
    return ended


def test_an_order_whose_workflow_failed_is_begun_once_more(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    break_off(ada, sidecar)
    eventually(lambda: ada.statuses().count("pending_validation") == 2)
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    delivered_once(ada, sidecar)


def test_the_verdict_is_not_asked_for_again(ada, sidecar):
    sidecar.peers.hold("deliver")
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=True)
    eventually(lambda: "deliver" in sidecar.peers.asked())
    sidecar.peers.release()
    break_off(ada, sidecar)
    delivered_once(ada, sidecar)
    before = ["confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering"]
    assert ada.statuses() == [*before, *before, "delivered"]


def test_no_step_of_the_first_workflow_can_be_under_way_when_the_second_begins(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    fail(sidecar, "pizza-order-123")
    scheduled = len(sidecar.engine.scheduled)
    let_pass(sidecar, 65)
    look(ada)
    assert len(sidecar.engine.scheduled) == scheduled
    assert JOB in sidecar.dapr.jobs
    let_pass(sidecar, 6)
    look(ada)
    eventually(lambda: ada.statuses().count("pending_validation") == 2)


def test_a_pizza_that_was_rejected_stays_so(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=False)
    ada.until("pending_validation", attempt=2)
    break_off(ada, sidecar)
    eventually(lambda: ada.statuses().count("pending_validation") == 3)
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    assert ada.until_ended()["result"]["final_status"] == "delivered"
    assert list(sidecar.peers.done) == [("order", 1), ("cook", 1), ("discard", 1), ("cook", 2), ("deliver", 1)]


def test_what_the_second_workflow_tells_follows_what_the_first_told(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    eventually(lambda: len(sidecar.events()) == 4)
    break_off(ada, sidecar)
    ada.until("pending_validation")
    eventually(lambda: len(sidecar.events()) == 8)
    told = [(event["status"], "order" in event) for event in sidecar.events()]
    assert told[:4] == told[4:] == [
        ("confirmed", True), ("cooking", False), ("cooked", False), ("pending_validation", False),
    ]  # fmt: skip


def test_an_order_that_a_newer_replica_began_waits_for_that_version(ada, sidecar, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(workflow, "VERSION", workflow.VERSION - 1)
        ada.order()
        begun = sidecar.engine.instances["pizza-order-123"]
        eventually(lambda: begun.ended)
        assert "version 1 is not known here, where the last is 0" in begun.failure.errorMessage
    let_pass(sidecar, 71)
    look(ada)
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=True)
    delivered_once(ada, sidecar)


def test_an_order_whose_workflow_failed_twice_is_undone(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    break_off(ada, sidecar)
    ada.until("pending_validation")
    break_off(ada, sidecar)
    ended = until_undone(ada)
    assert (ended["status"], ended["result"]["error"]) == ("cancelled", "the workflow ended as FAILED")
    assert sidecar.peers.asked()[-2:] == ["refund", "cancel"]
    look(ada)
    assert sidecar.dapr.jobs == {}


@pytest.mark.parametrize(("asked", "then"), [("cancel-order", "discard"), ("pause-order", "cook")])
def test_what_was_accepted_before_is_not_forgotten(ada, sidecar, asked, then):
    sidecar.peers.hold("cook")
    sidecar.peers.hold("discard")
    ada.order()
    eventually(lambda: "cook" in sidecar.peers.asked())
    assert ada.post(f"/{asked}").status_code == 202
    eventually(lambda: then in sidecar.peers.asked())
    fail(sidecar, "pizza-order-123")
    sidecar.peers.release()
    look(ada)
    ended = until_undone(ada)
    assert ended["status"] == "cancelled"
    assert ended["result"]["error"] == "the workflow ended as FAILED"
    assert "deliver" not in sidecar.peers.asked()


def test_a_workflow_that_somebody_ended_is_not_begun_again(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    fail(sidecar, "pizza-order-123", "TERMINATED")
    look(ada)
    ended = until_undone(ada)
    assert (ended["status"], ended["result"]["error"]) == ("cancelled", "the workflow ended as TERMINATED")


def test_an_undoing_that_failed_is_begun_again(ada, sidecar):
    undo_in_vain(ada, sidecar)
    scheduled = len(sidecar.engine.scheduled)
    let_pass(sidecar, 65, "pizza-undo-123")
    look(ada)
    # The step that was under way may still come to its end.
    assert len(sidecar.engine.scheduled) == scheduled
    let_pass(sidecar, 6, "pizza-undo-123")
    look(ada)
    eventually(lambda: ada.state()["status"] == "cancelled")
    assert sidecar.peers.asked()[-3:] == ["discard", "refund", "cancel"]


def test_an_order_that_is_being_undone_is_not_undone_twice(ada, sidecar):
    sidecar.peers.hold("recall")
    ada.order()
    ada.until("pending_validation")
    ada.post("/cancel-order", force=True)
    eventually(lambda: "recall" in sidecar.peers.asked())
    scheduled = len(sidecar.engine.scheduled)
    look(ada)
    assert len(sidecar.engine.scheduled) == scheduled
    sidecar.peers.release()
    ada.until_ended()
    assert sidecar.peers.asked().count("refund") == 1


def test_a_quiet_order_is_nudged_and_goes_on(serve, ada, sidecar):
    ada.client = serve(watch_idle_seconds=0.001)
    ada.order()
    before = ada.until("pending_validation")
    look(ada)
    assert sidecar.engine.steered == [("event", "pizza-order-123")]
    assert ada.state() == before
    ada.post("/validate-pizza", approved=True)
    assert ada.until_ended()["result"]["final_status"] == "delivered"


def test_a_workflow_that_accepts_no_nudge_is_freed(serve, ada, sidecar):
    ada.client = serve(engine_check_seconds=60, call_timeout_seconds=1, watch_idle_seconds=0.001)
    ada.order()
    ada.until("pending_validation")
    before = list(sidecar.engine.workers)
    sidecar.engine.deadlocked.add("pizza-order-123")
    answer = ada.client.post("/job/watch-123", json="123")
    assert (answer.status_code, answer.json()["dependency"]) == (504, "Dapr workflow engine")
    eventually(lambda: not sidecar.engine.deadlocked)
    eventually(lambda: before[-1] not in sidecar.engine.workers and len(sidecar.engine.workers) == len(before))
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    assert ada.until_ended()["result"]["final_status"] == "delivered"


def test_a_compensation_that_is_idle_is_nudged(serve, ada, sidecar):
    ada.client = serve(watch_idle_seconds=0.001)
    sidecar.peers.hold("recall")
    ada.order()
    ada.until("pending_validation")
    ada.post("/cancel-order", force=True)
    eventually(lambda: "recall" in sidecar.peers.asked())
    look(ada)
    assert sidecar.engine.steered[-1] == ("event", "pizza-undo-123")
    sidecar.peers.release()
    assert ada.until_ended()["result"]["final_status"] == "cancelled"


def test_an_order_that_stands_still_is_undone(serve, ada, sidecar):
    ada.client = serve(**AT_ONCE)
    ada.order()
    # The engine's clock stands still here, and so does the order: its deadline's timer does not fire.
    ada.until("pending_validation")
    look(ada)
    ended = ada.until_ended()
    assert (ended["status"], ended["result"]["error"]) == (
        "cancelled",
        "the workflow was not over 0.002 s after its start",
    )
    assert sidecar.peers.asked()[-2:] == ["refund", "cancel"]


def test_an_order_that_somebody_paused_is_left_to_him(serve, ada, sidecar):
    ada.client = serve(**AT_ONCE, watch_idle_seconds=0.001)
    ada.order()
    ada.until("pending_validation")
    ada.post("/pause-order")
    until_paused(ada)
    steered = list(sidecar.engine.steered)
    look(ada)
    assert sidecar.engine.steered == steered
    assert ada.state()["status"] == "pending_validation"
    assert "pizza-undo-123" not in sidecar.engine.instances
    assert JOB in sidecar.dapr.jobs


def test_an_order_before_its_first_turn_is_looked_at_again(serve, ada, sidecar):
    ada.client = serve(**AT_ONCE)
    sidecar.engine.holds_first_turns = True
    ada.order()
    look(ada)
    assert JOB in sidecar.dapr.jobs
    sidecar.engine.dispatch_first_turns()
    ada.until("pending_validation")


def test_a_job_of_an_order_that_was_started_meanwhile_is_made_again(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=True)
    ada.until_ended()

    def start_anew() -> None:
        run = sidecar.document("start_123")["run"]
        sidecar.peers.book["123"] = (404, {"status": 404, "detail": "deleted", "code": "ORDER_DELETED", "run": run})
        ada.order()
        ada.until("pending_validation")

    # While the look at the run before is about to delete its job.
    sidecar.at["DeleteJob"] = start_anew
    look(ada)
    assert JOB in sidecar.dapr.jobs


def test_without_the_scheduler_nothing_is_started_and_nothing_is_lost(ada, client, sidecar):
    sidecar.fail_jobs = True
    answer = client.post("/start-order", json=ORDER)
    assert (answer.status_code, answer.json()["dependency"]) == (503, "Dapr scheduler")
    assert len(sidecar.engine.scheduled) == 0
    sidecar.fail_jobs = False
    ada.order()
    ada.until("pending_validation")


def test_a_look_that_fails_says_so_and_is_repeated(serve, sidecar):
    ada = Customer(serve(call_timeout_seconds=1))
    ada.order()
    ada.until("pending_validation")
    fail(sidecar, "pizza-order-123")
    sidecar.engine.down.set()
    answer = ada.client.post("/job/watch-123", json="123")
    assert (answer.status_code, answer.json()["dependency"]) == (504, "Dapr workflow engine")
    sidecar.engine.down.clear()
    let_pass(sidecar, 71)
    look(ada)
    eventually(lambda: ada.statuses().count("pending_validation") == 2)


def test_a_job_of_no_order_is_refused(client):
    assert client.post("/job/watch-%7C%7C", json=None).status_code == 422
    assert client.post("/job/another", json=None).status_code == 404
