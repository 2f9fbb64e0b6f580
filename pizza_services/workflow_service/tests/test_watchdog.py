"""The watchdog: a check leaves an order as it is, unless its workflow cannot continue."""

import pytest
from conftest import COMPENSATION, JOB, WORKFLOW

import workflow
from kit.fakes.waiting import eventually

AT_ONCE = {"rules": {"deadline_seconds": 0.001}, "watch_grace_seconds": 0.001}
# Once its last turn is older than this, none of an order's steps can be running.
IDLE = 71


def test_an_order_is_watched_from_its_start(ada, sidecar):
    ada.order()
    job = sidecar.dapr.jobs[JOB]
    assert (job["schedule"], job["dueTime"], job["data"]) == ("@every 60s", "60s", "123")


def test_a_check_of_an_order_in_flight_changes_nothing(ada, sidecar):
    before = ada.order_and_wait()
    ada.be_checked()
    assert ada.state() == before
    assert sidecar.engine.steered == []


def break_off(ada, sidecar):
    """Let the workflow fail, and the watchdog check it once none of its steps can be running."""
    sidecar.engine.end(WORKFLOW)
    sidecar.let_pass(IDLE)
    ada.be_checked()


def assert_delivered_once(ada, sidecar):
    """Check that the order is delivered and each step was done once, even if requested twice."""
    assert ada.until_ended()["status"] == "delivered"
    assert list(sidecar.peers.done) == [("order", 1), ("cook", 1), ("deliver", 1)]
    ada.be_checked()
    assert sidecar.dapr.jobs == {}


def test_an_order_whose_workflow_failed_is_restarted(ada, sidecar):
    ada.order_and_wait()
    eventually(lambda: len(sidecar.events()) == 4)
    sidecar.engine.end(WORKFLOW)
    state = ada.state()
    assert (state["status"], state.get("result")) == ("pending_validation", None)
    # A step of the first workflow may still be running.
    sidecar.let_pass(IDLE - 6)
    ada.be_checked()
    assert len(sidecar.engine.scheduled) == 1
    sidecar.let_pass(6)
    ada.be_checked()
    eventually(lambda: ada.statuses().count("pending_validation") == 2 and len(sidecar.events()) == 8)
    published = [(event["status"], "order" in event) for event in sidecar.events()]
    assert published[:4] == published[4:] == [
        ("confirmed", True), ("cooking", False), ("cooked", False), ("pending_validation", False),
    ]  # fmt: skip
    ada.decide()
    assert_delivered_once(ada, sidecar)


def test_the_verdict_is_not_asked_for_again(ada, sidecar):
    ada.order_and_hold("deliver")
    sidecar.peers.release()
    break_off(ada, sidecar)
    assert_delivered_once(ada, sidecar)
    before = ["confirmed", "cooking", "cooked", "pending_validation", "approved", "delivering"]
    assert ada.statuses() == [*before, *before, "delivered"]


def test_a_rejected_pizza_stays_rejected(ada, sidecar):
    ada.order_and_wait()
    ada.decide(False)
    ada.until("pending_validation", attempt=2)
    break_off(ada, sidecar)
    eventually(lambda: ada.statuses().count("pending_validation") == 3)
    ada.decide()
    assert ada.until_ended()["status"] == "delivered"
    assert list(sidecar.peers.done) == [("order", 1), ("cook", 1), ("discard", 1), ("cook", 2), ("deliver", 1)]


def test_an_order_that_a_newer_replica_started_waits_for_that_version(ada, sidecar, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(workflow, "VERSION", workflow.VERSION - 1)
        ada.order()
        begun = sidecar.engine.instances[WORKFLOW]
        eventually(lambda: begun.ended)
        assert "version 1 is not known here, where the last is 0" in begun.failure.errorMessage
    sidecar.let_pass(IDLE)
    ada.be_checked()
    ada.until("pending_validation")
    ada.decide()
    assert_delivered_once(ada, sidecar)


def test_an_order_whose_workflow_failed_twice_is_compensated(ada, sidecar):
    ada.order_and_wait()
    break_off(ada, sidecar)
    eventually(lambda: ada.statuses().count("pending_validation") == 2)
    before = ada.statuses()
    break_off(ada, sidecar)
    ended = ada.until_ended()
    assert (ended["status"], ended["result"]["error"]) == ("cancelled", "the workflow ended as FAILED")
    assert ada.statuses() == [*before, "cancelled"]
    assert sidecar.peers.asked()[-2:] == ["refund", "cancel"]


@pytest.mark.parametrize(("accepted", "then"), [("cancel", "discard"), ("pause", "cook")])
def test_an_accepted_cancellation_or_pause_is_not_forgotten(ada, sidecar, accepted, then):
    sidecar.peers.hold("discard")
    ada.order_and_hold("cook")
    assert ada.post(f"/{accepted}-order").status_code == 202
    eventually(lambda: then in sidecar.peers.asked())
    sidecar.engine.end(WORKFLOW)
    sidecar.peers.release()
    ada.be_checked()
    ended = ada.until_ended()
    assert (ended["status"], ended["result"]["error"]) == ("cancelled", "the workflow ended as FAILED")
    assert "deliver" not in sidecar.peers.asked()


@pytest.mark.parametrize("by", ["watchdog", "force"])
def test_a_compensation_that_failed_is_repeated(ada, sidecar, by):
    sidecar.peers.hold("recall")
    ada.order_and_wait()
    ada.cancel(force=True)
    eventually(lambda: "recall" in sidecar.peers.asked())
    sidecar.engine.end(COMPENSATION)
    sidecar.peers.release()
    assert ada.state()["status"] == "failed"
    scheduled = len(sidecar.engine.scheduled)
    # The step that was running may still end.
    for seconds, times in ((IDLE - 6, 0), (6, 1)):
        sidecar.let_pass(seconds, COMPENSATION)
        ada.be_checked() if by == "watchdog" else ada.cancel(force=True)
        assert len(sidecar.engine.scheduled) == scheduled + times
    ada.until("cancelled")
    assert sidecar.peers.asked()[-3:] == ["discard", "refund", "cancel"]


@pytest.mark.parametrize("idle", [WORKFLOW, COMPENSATION])
def test_an_idle_workflow_is_nudged_and_continues(serve, ada, sidecar, idle):
    ada.client = serve(watch_idle_seconds=0.001)
    ada.order_and_wait()
    if idle == COMPENSATION:
        sidecar.peers.hold("recall")
        ada.cancel(force=True)
        eventually(lambda: "recall" in sidecar.peers.asked())
    before = ada.state()
    ada.be_checked()
    assert sidecar.engine.steered[-1] == ("event", idle)
    assert ada.state() == before
    sidecar.peers.release()
    if idle == WORKFLOW:
        ada.decide()
    assert ada.until_ended()["status"] == ("delivered" if idle == WORKFLOW else "cancelled")


def test_a_compensation_that_hangs_before_it_stops_a_paused_order_is_nudged(serve, ada, sidecar):
    ada.client = serve(watch_idle_seconds=0.001)
    ada.order_and_wait()
    ada.pause()
    sidecar.engine.holds_first_turns = True
    ada.cancel(force=True)
    ada.be_checked()
    assert sidecar.engine.steered[-1] == ("event", COMPENSATION)


def test_a_workflow_that_accepts_no_nudge_is_freed(serve, ada, sidecar):
    ada.client = serve(engine_check_seconds=60, call_timeout_seconds=1, watch_idle_seconds=0.001)
    ada.order_and_wait()
    before = list(sidecar.engine.workers)
    sidecar.engine.deadlocked.add(WORKFLOW)
    answer = ada.client.post(f"/job/{JOB}", json="123")
    assert (answer.status_code, answer.json()["dependency"]) == (504, "Dapr workflow engine")
    eventually(lambda: not sidecar.engine.deadlocked)
    eventually(lambda: before[-1] not in sidecar.engine.workers and len(sidecar.engine.workers) == len(before))
    ada.decide()
    assert ada.until_ended()["status"] == "delivered"


def test_an_order_that_does_not_end_is_compensated(serve, ada, sidecar):
    ada.client = serve(**AT_ONCE)
    # The engine's clock stands still here, so the timer of the order's deadline does not fire.
    ada.order_and_wait()
    ada.be_checked()
    ended = ada.until_ended()
    late = "the workflow was not over 0.002 s after its start"
    assert (ended["status"], ended["result"]["error"]) == ("cancelled", late)
    assert sidecar.peers.asked()[-2:] == ["refund", "cancel"]


@pytest.mark.parametrize("waits_for", ["its first turn", "its user"])
def test_an_order_that_is_late_through_no_fault_is_left_alone(serve, ada, sidecar, waits_for):
    ada.client = serve(**AT_ONCE)
    if waits_for == "its first turn":
        sidecar.engine.holds_first_turns = True
        ada.order()
    else:
        ada.order_and_wait()
        ada.pause()
    steered = list(sidecar.engine.steered)
    ada.be_checked()
    assert sidecar.engine.steered == steered
    assert JOB in sidecar.dapr.jobs
    assert COMPENSATION not in sidecar.engine.instances


def test_a_job_of_an_order_that_was_started_again_is_made_again(ada, sidecar):
    ada.be_delivered()

    def start_again() -> None:
        sidecar.peers.delete(sidecar.claim["run"])
        ada.order_and_wait()

    # While the check of the run before is about to delete its job.
    sidecar.at["DeleteJob"] = start_again
    ada.be_checked()
    assert JOB in sidecar.dapr.jobs


def test_only_the_sidecar_may_call_an_orders_job(serve):
    client = serve(app_api_token="s3cret")
    assert client.post("/job/watch-123").status_code == 401
    assert client.post("/job/watch-123", headers={"dapr-api-token": "s3cret"}).status_code == 200
    assert client.get("/orders/123").status_code == 404, "users need no token"
