"""Pausing, resuming and cancelling, by request and by force. test_standing.py has who may do so when."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import COMPENSATION, WORKFLOW

from kit.fakes.engine import Instance
from kit.fakes.waiting import eventually


def commands(sidecar):
    """Return the pauses and resumes that the engine got."""
    return [command for command, _ in sidecar.engine.steered if command in ("pause", "resume")]


def resume(ada):
    assert ada.post("/resume-order").status_code == 202


@pytest.mark.parametrize("held", ["order", "cook", "deliver", None])
def test_a_paused_order_finishes_its_step_and_waits(ada, sidecar, held):
    ada.order_and_hold(held) if held else ada.order_and_wait()
    ada.pause()
    if held is None:
        ada.decide()
    asked = sidecar.peers.asked()
    sidecar.peers.release()
    eventually(sidecar.engine.is_idle)
    assert sidecar.peers.asked() == asked
    assert ada.state()["paused"]
    resume(ada)
    if held in ("order", "cook"):
        ada.until("pending_validation")
        ada.decide()
    assert ada.until_ended()["status"] == "delivered"


def test_each_command_is_sent_to_the_engine_once(serve, ada, sidecar):
    ada.client = serve(pause_grace_seconds=0.001)
    ada.order_and_wait()
    resume(ada)
    for _ in range(2):
        for _ in range(3):
            ada.pause()
        for _ in range(3):
            resume(ada)
    assert commands(sidecar) == ["pause", "resume"] * 2
    ada.decide()
    assert ada.until_ended()["status"] == "delivered"


def test_many_commands_at_once_do_not_break_the_order(ada, sidecar):
    ada.order_and_wait()
    with ThreadPoolExecutor(8) as pool:
        routes = ["/pause-order", "/resume-order"] * 8
        assert {answer.status_code for answer in pool.map(ada.post, routes)} <= {202, 409}
    sent = commands(sidecar)
    assert sent == ["pause", "resume"] * (len(sent) // 2) + ["pause"] * (len(sent) % 2)
    resume(ada)
    ada.decide()
    assert ada.until_ended()["status"] == "delivered"


@pytest.mark.parametrize("resumed", [False, True])
def test_a_pause_that_crashed_before_it_was_sent_can_be_repeated(ada, sidecar, resumed):
    ada.order_and_wait()
    # What such a crash leaves behind.
    command = {"run": sidecar.claim["run"], "told": "pause", "at": "2026-01-01T00:00:00Z"}
    sidecar.dapr.put("pause_123", command, "pizzastatestore")
    if resumed:
        resume(ada)
    ada.pause()


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_command_that_the_engine_lost_is_sent_again_after_a_time(serve, ada, sidecar, command):
    contrary = {"pause": "resume", "resume": "pause"}[command]
    ada.order_and_wait()
    if command == "resume":
        ada.pause()
    before = commands(sidecar)
    sidecar.engine.unheard = [command]
    # The request that sent it, and others while it may still arrive.
    ada.client = serve(call_timeout_seconds=0.5)
    assert ada.post(f"/{command}-order").status_code == 503
    for route in (command, contrary):
        answer = ada.post(f"/{route}-order")
        assert (answer.status_code, answer.json()["dependency"]) == (503, "Dapr workflow engine")
        assert answer.json()["detail"] == f"The command to {command} order 123 was sent and is not carried out yet."
    ada.client = serve(pause_grace_seconds=0.001)
    assert ada.post(f"/{command}-order").status_code == 202
    assert commands(sidecar) == [*before, command]
    eventually(lambda: ada.state()["paused"] == (command == "pause"))


def test_a_command_whose_answer_of_the_store_was_lost_is_sent(ada, sidecar):
    ada.order_and_wait()
    for route in ("/pause-order", "/resume-order"):
        sidecar.lose_answers = 1
        assert ada.post(route).status_code == 202
    assert commands(sidecar) == ["pause", "resume"]


def test_an_order_can_be_cancelled_before_its_first_turn(ada, sidecar):
    sidecar.engine.holds_first_turns = True
    ada.order()
    ada.cancel()
    sidecar.engine.dispatch_first_turns()
    assert ada.until_ended()["status"] == "cancelled"


@pytest.mark.parametrize("force", [False, True])
def test_a_paused_order_can_be_cancelled(ada, force):
    ada.order_and_wait()
    ada.pause()
    ada.cancel(force=force)
    assert ada.until_ended()["status"] == "cancelled"


@pytest.mark.parametrize("force", [False, True])
def test_cancelling_twice_compensates_once(ada, sidecar, force):
    ada.order_and_wait()
    assert {ada.post("/cancel-order", force=force).status_code for _ in range(2)} <= {202, 409}
    ada.until_ended()
    assert sidecar.peers.asked().count("refund") == 1


def test_a_cancellation_of_any_form_cancels(ada, sidecar):
    ada.order_and_wait()
    sidecar.engine.deliver(WORKFLOW, eventRaised={"name": "CancelOrder"})
    assert ada.until_ended()["result"]["error"] == "cancelled by request"


def test_force_stops_the_workflow_and_compensates_everything(ada, sidecar):
    ada.order_and_hold("cook")
    ada.cancel(force=True, reason="the shop burns")
    ended = ada.until_ended()
    assert (ended["status"], ended["instance_id"]) == ("cancelled", COMPENSATION)
    assert ended["result"]["error"] == "the shop burns"
    assert ada.statuses() == ["confirmed", "cooking", "cancelled"]
    assert sidecar.peers.asked()[2:] == ["recall", "discard", "discard", "discard", "refund", "cancel"]
    assert [data["sequence"] for data in sidecar.events()] == [1, 2, 1001]
    # The pizza that was in the oven is ready too late.
    sidecar.peers.release()
    assert sidecar.peers.done["deliver", 1] == 0


def compensate(sidecar, **changes):
    """Start the compensating workflow of a forced cancellation that found the order in flight."""
    of = json.loads(sidecar.engine.instances[WORKFLOW].input)
    compensation_input = json.dumps({"of": {**of, **changes}, "reason": "by force"})
    compensation = Instance(COMPENSATION, "compensation_workflow", compensation_input)
    sidecar.engine.start(compensation)
    eventually(lambda: compensation.ended)


def test_an_order_that_is_delivered_before_force_can_stop_it_stays_delivered(ada, sidecar):
    ada.be_delivered()
    compensate(sidecar)
    assert ada.state()["result"]["final_status"] == "delivered"
    assert sidecar.peers.asked() == ["order", "cook", "deliver"]
    assert sidecar.events()[-1]["status"] == "delivered"


def test_force_does_not_stop_a_later_run_of_the_order(ada, sidecar):
    ada.order_and_wait()
    compensate(sidecar, run="earlier")
    state = ada.state()
    assert (state["status"], state["instance_id"]) == ("pending_validation", WORKFLOW)
    assert ("terminate", WORKFLOW) not in sidecar.engine.steered
    assert {body["run"] for _, method, body in sidecar.peers.calls if method == "refund"} == {"earlier"}


@pytest.mark.parametrize("route", ["/pause-order", "/cancel-order"])
def test_an_order_that_is_removed_while_it_is_steered_is_not_found(ada, sidecar, route, monkeypatch):
    existing = sidecar.engine._existing

    def removed(request, context):
        sidecar.engine.purge(request.instanceId)
        return existing(request, context)

    ada.order_and_wait()
    monkeypatch.setattr(sidecar.engine, "_existing", removed)
    answer = ada.post(route)
    assert (answer.status_code, answer.json()["code"]) == (404, "ORDER_UNKNOWN")
