"""Today's workflows must replay each history in replay/, and today's activities must accept its inputs.

The histories were recorded on the runtime. When a new version is deployed, it replays each running order from the
beginning. A change that decides otherwise anywhere breaks those orders, so it breaks a test here first. A folder in
replay/ is a version of the workflow; `python tests/histories.py` records more. Delete a history only when no order of
that version can be running any more.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from conftest import SERVICE
from dapr.ext.workflow import WorkflowRuntime
from histories import Differs, give_inputs, read, replay
from pydantic import ValidationError

import workflow
from activities import Activities
from kit.engine.worker import QUIET, _copy_of, model_of
from messages import Check, Step, ValidationStep
from order_run import OrderRun

REPLAY = SERVICE / "tests" / "replay"
RECORDED = sorted(REPLAY.glob("*/*.json"))
ENDS = {
    "approved", "remade", "rejected", "expired", "cancelled", "paused", "retried", "nudged", "undelivered", "check",
    "compensation", "resumed",
}  # fmt: skip
each_history = pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.stem}")


def replay_now(path: Path) -> None:
    """Replay a history with the workflows as they are at this moment."""
    runtime = WorkflowRuntime("127.0.0.1", "1", QUIET)
    for one in workflow.WORKFLOWS:
        runtime.register_workflow(_copy_of(one))
    replay(runtime, read(path))


def give_inputs_now(path: Path) -> None:
    """Give the inputs of a history to the activities as they are at this moment."""
    activities = Activities.all(Activities.__new__(Activities))
    models = {activity.__name__: model_of(activity) for activity in activities}
    # The kitchen's own activity, whose tests hold it to this input.
    give_inputs({**models, "quality_check": Check}, read(path))


@each_history
def test_todays_workflow_replays(path):
    replay_now(path)


@each_history
def test_todays_activities_accept_the_inputs_of(path):
    give_inputs_now(path)


@each_history
def test_no_workflow_asks_for_patches(path):
    # A result that arrives after the end of one that did stalls it (kit/engine/FAULTS.md).
    assert not any(event.workflowStarted.version.patches for event in read(path))


@each_history
def test_no_history_has_the_customer(path):
    assert not any(secret in path.read_text() for secret in ("customer", "Ada", "St James", "7946"))


def test_each_end_of_an_order_is_recorded_in_each_version():
    versions = {str(number + 1) for number in range(workflow.VERSION)}
    assert {(path.parent.name, path.stem) for path in RECORDED} == {(one, end) for one in versions for end in ENDS}


def test_a_step_that_is_added_is_found(monkeypatch):
    cook = workflow.cook_until_approved

    def pause_first(run):
        yield run.ctx.create_timer(timedelta(seconds=1))
        yield from cook(run)

    monkeypatch.setattr(workflow, "cook_until_approved", pause_first)
    with pytest.raises(Differs, match="createTimer"):
        replay_now(REPLAY / "1" / "approved.json")


def test_a_step_that_is_left_out_is_found(monkeypatch):
    def unchecked(run):
        return ""
        yield

    monkeypatch.setattr(workflow, "check_quality", unchecked)
    with pytest.raises(Differs, match="quality_check_workflow"):
        replay_now(REPLAY / "1" / "remade.json")


def test_the_pizza_at_which_a_restarted_order_continues_is_held_too(monkeypatch):
    cook = workflow.cook_until_approved

    def from_the_next(run):
        run.input.resumed.attempt += 1
        yield from cook(run)

    monkeypatch.setattr(workflow, "cook_until_approved", from_the_next)
    with pytest.raises(Differs, match="discard_pizza"):
        replay_now(REPLAY / "1" / "resumed.json")


def test_the_order_of_compensations_is_held_too(monkeypatch):
    compensate = OrderRun.compensate
    monkeypatch.setattr(OrderRun, "compensate", lambda run, *steps: compensate(run, *steps[::-1]))
    with pytest.raises(Differs, match="cancel_order"):
        replay_now(REPLAY / "1" / "cancelled.json")


@pytest.mark.parametrize(("activity", "model"), [("cook_pizza", Step), ("validate_pizza", ValidationStep)])
def test_a_field_that_a_running_activity_did_not_get_is_found(monkeypatch, activity, model):
    class Changed(model):
        oven: str

    monkeypatch.setitem(getattr(Activities, activity).__annotations__, "step", Changed)
    with pytest.raises(ValidationError, match=r"oven\n *Field required"):
        give_inputs_now(REPLAY / "1" / "approved.json")


def test_an_activity_that_may_be_running_and_is_taken_out_is_found(monkeypatch):
    every = Activities.all
    monkeypatch.setattr(Activities, "all", lambda own: [one for one in every(own) if one.__name__ != "cook_pizza"])
    with pytest.raises(KeyError, match="cook_pizza"):
        give_inputs_now(REPLAY / "1" / "approved.json")
