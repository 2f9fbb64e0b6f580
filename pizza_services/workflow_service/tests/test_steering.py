"""Pausing, resuming and cancelling, by request and by force."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from conftest import ORDER, Customer

from kit.fakes.engine import Instance
from kit.fakes.waiting import eventually


def until_paused(ada):
    return eventually(lambda: (found := ada.state())["paused"] and found)


def test_a_paused_order_finishes_its_step_and_waits(ada, sidecar):
    sidecar.peers.hold("order")
    ada.order()
    eventually(lambda: "order" in sidecar.peers.asked())
    assert ada.post("/pause-order").status_code == 202
    until_paused(ada)
    sidecar.peers.release()
    eventually(lambda: sidecar.peers.done["order", 1])
    assert sidecar.peers.asked() == ["order"]
    assert ada.post("/resume-order").status_code == 202
    ada.until("pending_validation")


@pytest.mark.parametrize("held", ["order", "cook", "deliver", None])
def test_an_order_can_be_paused_and_resumed_at_each_step(ada, sidecar, held):
    if held:
        sidecar.peers.hold(held)
    ada.order()
    if held in (None, "deliver"):
        ada.until("pending_validation")
    if held == "deliver":
        ada.post("/validate-pizza", approved=True)
    if held:
        eventually(lambda: held in sidecar.peers.asked())
    ada.post("/pause-order")
    until_paused(ada)
    sidecar.peers.release()
    ada.post("/resume-order")
    if held != "deliver":
        ada.until("pending_validation")
        ada.post("/validate-pizza", approved=True)
    assert ada.until_ended()["result"]["final_status"] == "delivered"


def test_a_verdict_on_a_paused_order_counts_after_the_resume(ada):
    ada.order()
    ada.until("pending_validation")
    ada.post("/pause-order")
    until_paused(ada)
    assert ada.post("/validate-pizza", approved=True).status_code == 202
    assert ada.state()["status"] == "pending_validation"
    ada.post("/resume-order")
    assert ada.until_ended()["result"]["final_status"] == "delivered"


def test_pausing_and_resuming_twice_tells_the_engine_once(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    for _ in range(3):
        assert ada.post("/pause-order").status_code == 202
    until_paused(ada)
    for _ in range(3):
        assert ada.post("/resume-order").status_code == 202
    assert [what for what, _ in sidecar.engine.steered] == ["pause", "resume"]
    ada.post("/validate-pizza", approved=True)
    assert ada.until_ended()["result"]["final_status"] == "delivered"


def test_pausing_twice_before_the_first_turn_is_shown_tells_the_engine_once(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    # As before its first turn, in which the workflow first says where it is.
    sidecar.engine.instances["pizza-order-123"].custom_status = ""
    ada.post("/pause-order")
    until_paused(ada)
    ada.until("pending_validation")
    assert ada.post("/pause-order").status_code == 202
    assert [what for what, _ in sidecar.engine.steered] == ["pause"]


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_order_that_has_not_had_its_first_turn(ada, sidecar, cancelled):
    sidecar.engine.holds_first_turns = True
    ada.order()
    assert ada.state()["status"] == "accepted"
    for route, more in (("/pause-order", {}), ("/cancel-order", {"force": True})):
        answer = ada.post(route, **more)
        assert (answer.status_code, answer.json()["detail"]) == (
            503, "Order 123 is accepted and has not begun yet; try again.",
        )  # fmt: skip
    assert ada.post("/validate-pizza", approved=True).json()["code"] == "NOT_WAITING"
    assert ada.post("/resume-order").status_code == 202
    if cancelled:
        assert ada.post("/cancel-order").status_code == 202
    sidecar.engine.dispatch_first_turns()
    if not cancelled:
        ada.until("pending_validation")
        ada.post("/validate-pizza", approved=True)
    assert ada.until_ended()["result"]["final_status"] == ("cancelled" if cancelled else "delivered")


def test_pausing_and_resuming_many_times_at_once_does_not_break_the_order(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    with ThreadPoolExecutor(8) as pool:
        routes = ["/pause-order", "/resume-order"] * 8
        assert {answer.status_code for answer in pool.map(ada.post, routes)} <= {202, 409}
    steered = [what for what, _ in sidecar.engine.steered]
    assert steered == ["pause", "resume"] * (len(steered) // 2) + ["pause"] * (len(steered) % 2)
    ada.post("/resume-order")
    ada.post("/validate-pizza", approved=True)
    assert ada.until_ended()["result"]["final_status"] == "delivered"


def test_resuming_an_order_that_is_not_paused_does_nothing(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    assert ada.post("/resume-order").status_code == 202
    assert sidecar.engine.steered == []


@pytest.mark.parametrize("resumed", [False, True])
def test_a_crash_between_the_turn_and_the_engine_can_be_mended(ada, sidecar, resumed):
    ada.order()
    ada.until("pending_validation")
    # What such a crash leaves behind.
    run = sidecar.document("start_123")["run"]
    turn = {"run": run, "told": "pause", "at": "2026-01-01T00:00:00Z"}
    sidecar.write("pause_123", turn)
    if resumed:
        ada.post("/resume-order")
    ada.post("/pause-order")
    until_paused(ada)


@pytest.mark.parametrize("route", ["/resume-order", "/cancel-order"])
def test_a_resume_that_the_engine_did_not_hear_is_not_taken_for_done(serve, ada, sidecar, route):
    ada.order()
    ada.until("pending_validation")
    ada.post("/pause-order")
    until_paused(ada)
    sidecar.engine.unheard = ["resume"]
    # The service that asked for it, and others while it may still be on its way.
    ada.client = serve(call_timeout_seconds=0.5)
    for _ in range(2):
        assert ada.post(route).status_code == 503
    assert (
        ada.post("/pause-order").json()["detail"]
        == "The command to resume order 123 was sent and is not carried out yet."
    )
    assert ada.state()["paused"]
    # And after that.
    ada.client = serve(pause_grace_seconds=0.001)
    assert ada.post(route).status_code == 202
    assert [what for what, _ in sidecar.engine.steered if what != "event"] == ["pause", "resume"]
    if route == "/cancel-order":
        assert ada.until_ended()["status"] == "cancelled"
    else:
        eventually(lambda: not ada.state()["paused"])


def test_a_pause_that_the_engine_did_not_hear_is_not_taken_for_done(serve, ada, sidecar):
    ada.client = serve(call_timeout_seconds=0.5)
    ada.order()
    ada.until("pending_validation")
    sidecar.engine.unheard = ["pause"]
    assert ada.post("/pause-order").status_code == 503
    answer = ada.post("/pause-order")
    assert (answer.status_code, answer.json()["dependency"]) == (503, "Dapr workflow engine")
    assert answer.json()["detail"] == "The command to pause order 123 was sent and is not carried out yet."
    assert not ada.state()["paused"]
    ada.client = serve(pause_grace_seconds=0.001)
    assert ada.post("/pause-order").status_code == 202
    until_paused(ada)
    assert [what for what, _ in sidecar.engine.steered] == ["pause"]


def test_a_pause_and_a_resume_that_follow_at_once_are_both_done(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    for route in ["/pause-order", "/resume-order"] * 3 + ["/pause-order"]:
        assert ada.post(route).status_code == 202
    until_paused(ada)
    assert [what for what, _ in sidecar.engine.steered] == ["pause", "resume"] * 3 + ["pause"]


def test_a_turn_whose_answer_was_lost_is_this_requests_own(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    for route in ("/pause-order", "/resume-order"):
        sidecar.lose_answers = 1
        assert ada.post(route).status_code == 202
    assert [what for what, _ in sidecar.engine.steered] == ["pause", "resume"]


def test_pausing_an_order_that_has_been_paused_for_long_does_not_tell_the_engine_again(serve, ada, sidecar):
    ada.client = serve(pause_grace_seconds=0.001)
    ada.order()
    ada.until("pending_validation")
    ada.post("/pause-order")
    until_paused(ada)
    assert ada.post("/pause-order").status_code == 202
    assert [what for what, _ in sidecar.engine.steered] == ["pause"]


def test_a_paused_order_can_be_cancelled(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/pause-order")
    assert ada.post("/cancel-order").status_code == 202
    assert ada.until_ended()["status"] == "cancelled"


def test_cancelling_twice_undoes_once(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    assert {ada.post("/cancel-order").status_code for _ in range(2)} <= {202, 409}
    ada.until_ended()
    assert sidecar.peers.asked() == ["order", "cook", "discard", "refund", "cancel"]


def test_force_stops_the_workflow_and_undoes_everything(ada, sidecar):
    sidecar.peers.hold("cook")
    ada.order()
    eventually(lambda: "cook" in sidecar.peers.asked())
    answer = ada.post("/cancel-order", force=True, reason="the shop burns")
    assert answer.status_code == 202
    ended = ada.until_ended()
    assert (ended["status"], ended["instance_id"]) == ("cancelled", "pizza-undo-123")
    assert ended["result"]["error"] == "the shop burns"
    assert ada.statuses() == ["confirmed", "cooking", "cancelled"]
    assert sidecar.peers.asked()[2:] == ["recall", "discard", "discard", "discard", "refund", "cancel"]
    assert [data["sequence"] for data in sidecar.events()] == [1, 2, 1001]
    # The pizza that was in the oven comes too late.
    sidecar.peers.release()
    assert sidecar.peers.done["deliver", 1] == 0


def test_force_leaves_an_order_alone_whose_id_looks_like_a_compensation(ada, sidecar):
    namesake = Customer(ada.client, "123-compensation")
    for customer in (ada, namesake):
        customer.order()
        customer.until("pending_validation")
    assert ada.post("/cancel-order", force=True).status_code == 202
    assert ada.until_ended()["status"] == "cancelled"
    assert namesake.state()["status"] == "pending_validation"


def test_force_also_cancels_a_paused_order(ada):
    ada.order()
    ada.until("pending_validation")
    ada.post("/pause-order")
    until_paused(ada)
    ada.post("/cancel-order", force=True)
    assert ada.until_ended()["status"] == "cancelled"


def test_an_order_that_is_to_be_begun_once_more_has_not_ended(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    fail(sidecar, "pizza-order-123")
    state = ada.state()
    assert (state["status"], state.get("result")) == ("pending_validation", None)
    for route, more in (("validate-pizza", {"approved": True}), ("pause-order", {}), ("cancel-order", {})):
        answer = ada.post(f"/{route}", **more)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "is being restarted; try again" in answer.json()["detail"]
    assert ada.client.post("/start-order", json=ORDER).json()["code"] == "ORDER_RUNNING"
    assert ada.post("/cancel-order", force=True).status_code == 202
    eventually(lambda: ada.state()["status"] == "cancelled")


def test_force_mends_an_order_whose_workflow_was_ended(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    fail(sidecar, "pizza-order-123", "TERMINATED")
    ada.until_ended()
    # pizza-order would not delete it: by what it was told, the order is under way.
    answers = [ada.post("/cancel-order"), ada.client.post("/start-order", json=ORDER)]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (409, "ORDER_FINISHED")
        assert '"force": true' in answer.json()["detail"]
    assert ada.post("/cancel-order", force=True).status_code == 202
    assert eventually(lambda: ada.state()["status"] == "cancelled")
    ada.until_ended()
    assert "DELETE" in ada.client.post("/start-order", json=ORDER).json()["detail"]


def undo_in_vain(ada, sidecar):
    """Compensate an order by force, and let that fail half way."""
    sidecar.peers.hold("recall")
    ada.order()
    ada.until("pending_validation")
    ada.post("/cancel-order", force=True)
    eventually(lambda: "recall" in sidecar.peers.asked())
    fail(sidecar, "pizza-undo-123")
    sidecar.peers.release()


def test_force_that_failed_can_be_repeated(ada, sidecar):
    undo_in_vain(ada, sidecar)
    assert ada.until_ended()["status"] == "failed"
    # When nothing that it did can be under way any more.
    sidecar.engine.instances["pizza-undo-123"].created -= timedelta(seconds=71)
    assert ada.post("/cancel-order", force=True).status_code == 202
    eventually(lambda: ada.state()["status"] == "cancelled")
    assert sidecar.peers.asked()[-3:] == ["discard", "refund", "cancel"]


def test_an_order_that_is_delivered_before_force_can_stop_it_stays_delivered(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/validate-pizza", approved=True)
    ada.until_ended()
    compensate(sidecar)
    assert ada.state()["result"]["final_status"] == "delivered"
    assert sidecar.peers.asked() == ["order", "cook", "deliver"]
    assert sidecar.events()[-1]["status"] == "delivered"


def test_force_does_not_stop_a_later_run_of_the_order(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    compensate(sidecar, run="earlier")
    state = ada.state()
    assert (state["status"], state["instance_id"]) == ("pending_validation", "pizza-order-123")
    assert ("terminate", "pizza-order-123") not in sidecar.engine.steered
    assert {body["run"] for _, method, body in sidecar.peers.calls if method == "refund"} == {"earlier"}


def hold_the_end(ada, sidecar, end="delivered"):
    """Bring a waiting order to its end, whose status cannot be published yet."""
    last, before = ("deliver", "delivering") if end == "delivered" else ("cancel", "pending_validation")
    sidecar.peers.hold(last)
    ada.post("/validate-pizza", approved=True) if end == "delivered" else ada.post("/cancel-order")
    eventually(lambda: last in sidecar.peers.asked() and sidecar.events()[-1]["status"] == before)
    sidecar.publishes.clear()
    sidecar.peers.release()
    ada.until(end)


def fail(sidecar, instance_id, status="FAILED"):
    """Let a workflow fail, as a fault in its code or in the engine would."""
    sidecar.engine.end(instance_id, status)


def compensate(sidecar, **changes):
    """Start the compensating workflow of a forced cancellation that found the order in flight."""
    of = json.loads(sidecar.engine.instances["pizza-order-123"].input)
    given = json.dumps({"of": {**of, **changes}, "reason": "by force"})
    undoing = Instance("pizza-undo-123", "compensation_workflow", given)
    sidecar.engine.start(undoing)
    eventually(lambda: undoing.ended)


def test_force_twice_undoes_once(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    ada.post("/cancel-order", force=True)
    assert ada.post("/cancel-order", force=True).status_code in (202, 409)
    ada.until_ended()
    assert sidecar.peers.asked().count("refund") == 1
    assert ada.post("/cancel-order", force=True).json()["code"] == "ORDER_FINISHED"


def test_a_cancellation_of_any_form_cancels(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    sidecar.engine.deliver("pizza-order-123", eventRaised={"name": "CancelOrder"})
    assert ada.until_ended()["result"]["error"] == "cancelled by request"


@pytest.mark.parametrize("route", ["/pause-order", "/cancel-order"])
def test_an_order_that_is_removed_while_it_is_steered_is_not_found(ada, sidecar, route, monkeypatch):
    existing = sidecar.engine._existing

    def removed(request, context):
        sidecar.engine.purge(request.instanceId)
        return existing(request, context)

    ada.order()
    ada.until("pending_validation")
    monkeypatch.setattr(sidecar.engine, "_existing", removed)
    answer = ada.post(route)
    assert (answer.status_code, answer.json()["code"]) == (404, "ORDER_UNKNOWN")


@pytest.mark.parametrize("end", ["delivered", "cancelled"])
def test_an_order_that_only_waits_until_its_end_is_published_cannot_be_steered(ada, sidecar, end):
    ada.order()
    ada.until("pending_validation")
    hold_the_end(ada, sidecar, end)
    assert "result" not in ada.state()
    for route, more in (("/cancel-order", {}), ("/cancel-order", {"force": True}), ("/pause-order", {})):
        answer = ada.post(route, **more)
        assert (answer.status_code, answer.json()["code"]) == (409, "ORDER_FINISHED")
    sidecar.publishes.set()
    assert ada.until_ended()["result"]["final_status"] == end


def test_an_order_that_broke_off_after_its_last_status_can_still_be_undone_by_force(ada, sidecar):
    ada.order()
    ada.until("pending_validation")
    hold_the_end(ada, sidecar)
    fail(sidecar, "pizza-order-123")
    sidecar.publishes.set()
    # Else pizza-order would never hear of an end, and never delete it.
    assert ada.post("/cancel-order", force=True).status_code == 202
    eventually(lambda: ada.state()["status"] == "cancelled")
