"""Every history in replay/ was recorded on the runtime, and the workflows of today must go the same way again.

So must its activities take what they were given then.

An order that is under way when a new version is deployed is replayed by it from the beginning. A change that makes it
decide otherwise anywhere breaks those orders, so it breaks a test here first. A folder in replay/ is a version of the
workflow; `python tests/histories.py` records more. A history is deleted only when no order of that version can be
under way any more.
"""

import inspect
from pathlib import Path

import pytest
from conftest import SERVICE
from dapr.ext.workflow import WorkflowRuntime
from histories import Differs, Unusable, hand_out, read, replay

import workflow
from activities import Activities
from messages import Check, Step, Telling, WaitingPizza
from order_run import OrderRun
from worker import QUIET, _own, model_of

RECORDED = sorted((SERVICE / "tests" / "replay").glob("*/*.json"))
BEFORE_THE_CHECK = [path for path in RECORDED if path.parent.name == "1-without-check"]
WITH_THE_CHECK = [path for path in RECORDED if path.parent.name == "2-quality-check"]
WITH_A_VERSION = [path for path in RECORDED if path.parent.name == "3-version-in-input"]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def replay_now(path: Path) -> None:
    """Replays a history with the workflows as they are at this moment."""
    runtime = WorkflowRuntime("127.0.0.1", "1", QUIET)
    for one in workflow.WORKFLOWS:
        runtime.register_workflow(_own(one), name=one.__name__)
    replay(runtime, read(path))


def hand_out_now(path: Path) -> None:
    """Gives the activities as they are at this moment what those of a history were given."""
    own = inspect.getmembers(Activities, inspect.iscoroutinefunction)
    models = {name: model_of(activity) for name, activity in own if not name.startswith("_")}
    # The kitchen's own activity, whose tests hold it to what it is given here.
    hand_out({**models, "quality_check": Check}, read(path))


@pytest.mark.parametrize("path", RECORDED, ids=name_of)
def test_the_workflow_of_today_goes_the_way_of(path):
    replay_now(path)


@pytest.mark.parametrize("path", RECORDED, ids=name_of)
def test_the_activities_of_today_take_what_was_given_in(path):
    hand_out_now(path)


def test_each_way_that_an_order_can_end_is_recorded():
    assert {path.stem for path in BEFORE_THE_CHECK} == {"approved", "rejected", "remade"}
    assert {path.stem for path in WITH_THE_CHECK} == {
        "approved", "remade", "rejected", "expired", "cancelled", "paused", "retried", "nudged", "undelivered",
        "check", "compensation", "resumed",
    }  # fmt: skip
    # What differs since is how the story begins; the child and the compensation begin as they did.
    assert {path.stem for path in WITH_A_VERSION} == {
        "approved", "remade", "rejected", "expired", "cancelled", "paused", "resumed",
    }  # fmt: skip


def test_a_step_that_is_added_without_asking_for_its_patch_is_found(monkeypatch):
    cook = workflow.cook_until_approved
    monkeypatch.setattr(workflow, "cook_until_approved", lambda run, checked: cook(run, True))
    for path in BEFORE_THE_CHECK:
        with pytest.raises(Differs, match="quality_check_workflow"):
            replay_now(path)


def test_a_step_that_is_taken_out_is_found(monkeypatch):
    cook = workflow.cook_until_approved
    monkeypatch.setattr(workflow, "cook_until_approved", lambda run, checked: cook(run, False))
    for version in ("2-quality-check", "3-version-in-input"):
        with pytest.raises(Differs, match="quality_check_workflow"):
            replay_now(history(f"{version}/approved"))


def test_orders_of_this_version_are_not_asked_for_patches():
    asked = [event.workflowStarted.version.patches for path in WITH_A_VERSION for event in read(path)]
    assert not any(asked)


def test_a_step_with_another_name_is_found(monkeypatch):
    call = OrderRun._call
    renamed = {"deliver_pizza": "bring_pizza"}
    monkeypatch.setattr(OrderRun, "_call", lambda run, name, *more: call(run, renamed.get(name, name), *more))
    with pytest.raises(Differs, match="bring_pizza"):
        replay_now(history("2-quality-check/approved"))


def test_a_step_at_another_place_is_found(monkeypatch):
    cook = workflow.cook_until_approved

    def tell_first(run, checked):
        run.tell("cooked")
        yield from cook(run, checked)

    monkeypatch.setattr(workflow, "cook_until_approved", tell_first)
    with pytest.raises(Differs, match="publish_status"):
        replay_now(history("2-quality-check/remade"))


def test_where_an_order_that_broke_off_goes_on_is_held_too(monkeypatch):
    cook = workflow.cook_until_approved

    def from_the_next(run, checked):
        run.given.resumed.attempt += 1
        yield from cook(run, checked)

    monkeypatch.setattr(workflow, "cook_until_approved", from_the_next)
    with pytest.raises(Differs, match="discard_pizza"):
        replay_now(history("2-quality-check/resumed"))


def test_what_an_order_does_when_it_is_undone_is_held_too(monkeypatch):
    undo = OrderRun.undo
    monkeypatch.setattr(OrderRun, "undo", lambda run, steps=None: undo(run, (steps or run._undo)[::-1]))
    with pytest.raises(Differs, match="cancel_order"):
        replay_now(history("2-quality-check/cancelled"))


@pytest.mark.parametrize(
    ("activity", "argument", "model"),
    [("cook_pizza", "step", Step), ("validate_pizza", "pizza", WaitingPizza), ("publish_status", "telling", Telling)],
)
def test_a_field_that_an_activity_under_way_was_not_given_is_found(monkeypatch, activity, argument, model):
    class Changed(model):
        oven: str

    monkeypatch.setitem(getattr(Activities, activity).__annotations__, argument, Changed)
    with pytest.raises(Unusable, match=rf"{activity}: (.|\n)*oven\n *Field required"):
        hand_out_now(history("2-quality-check/approved"))


def test_an_activity_that_may_be_under_way_and_is_taken_out_is_found(monkeypatch):
    monkeypatch.delattr(Activities, "cook_pizza")
    with pytest.raises(Unusable, match="no activity cook_pizza"):
        hand_out_now(history("2-quality-check/approved"))


def history(name: str) -> Path:
    """The file of a recorded history."""
    return next(path for path in RECORDED if name_of(path) == name)
