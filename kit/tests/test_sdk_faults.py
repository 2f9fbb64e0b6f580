"""Faults of dapr and dapr-ext-workflow 1.18.3 that services avoid (kit/engine/FAULTS.md).

When one of these fails, the SDK has been mended, and the code that its row names may become simpler.
"""

import logging
import threading
from datetime import datetime

import dapr.ext.workflow._durabletask.internal.protos as pb
import pytest
from dapr.clients.grpc._response import ConfigurationWatcher
from dapr.ext.workflow._durabletask.worker import _OrchestrationExecutor, _Registry
from dapr.proto import api_v1
from google.protobuf.timestamp_pb2 import Timestamp

SUSPENDED = {"executionSuspended": pb.ExecutionSuspendedEvent()}
RESUMED = {"executionResumed": pb.ExecutionResumedEvent()}
STARTED = {"executionStarted": pb.ExecutionStartedEvent(name="waits")}
HAPPENED = {"eventRaised": pb.EventRaisedEvent(name="happened")}


def waits(ctx, _):
    yield ctx.wait_for_external_event("happened")
    if ctx.is_patched("a change"):
        yield ctx.call_activity("new_step")
    yield ctx.call_activity("old_step")


def turn(*kinds, patches=()):
    """Return the events of a turn, as the runtime dispatches them to the worker."""
    now = Timestamp()
    now.FromDatetime(datetime(2026, 11, 21))
    started = pb.WorkflowStartedEvent(version=pb.WorkflowVersion(patches=patches))
    return [pb.HistoryEvent(timestamp=now, eventId=-1, **kind) for kind in [{"workflowStarted": started}, *kinds]]


def execute(past, new, executor=None):
    if executor is None:
        executor = new_executor()
    return executor.execute("one", past, new)


def new_executor():
    registry = _Registry()
    registry.add_orchestrator(waits)
    return _OrchestrationExecutor(registry, logging.getLogger("traps"))


def test_a_resume_of_a_workflow_that_is_not_suspended_fails_it():
    (end,) = execute(turn(STARTED), turn(RESUMED)).actions
    assert end.completeWorkflow.workflowStatus == pb.ORCHESTRATION_STATUS_FAILED
    assert "executionResumed" in end.completeWorkflow.failureDetails.errorMessage


def test_a_workflow_that_was_paused_twice_loops_when_it_is_resumed():
    class Round(list):
        def append(self, event):
            assert len(self) < 1_000, "endless loop"
            super().append(event)

    executor = new_executor()
    executor._suspended_events = Round()
    past = [*turn(STARTED), *turn(SUSPENDED), *turn(SUSPENDED)]
    (end,) = execute(past, turn(RESUMED), executor).actions
    assert "endless loop" in end.completeWorkflow.failureDetails.errorMessage


@pytest.mark.parametrize("paused", [False, True])
def test_a_patch_that_is_asked_for_after_a_pause_is_lost_in_the_replay(paused):
    (timer,) = execute([], turn(STARTED)).actions
    waits_for = pb.TimerOriginExternalEvent(name="happened")
    created = pb.TimerCreatedEvent(fireAt=timer.createTimer.fireAt, externalEvent=waits_for)
    past = [*turn(STARTED), pb.HistoryEvent(eventId=1, timerCreated=created)]
    last = HAPPENED
    if paused:  # the event arrives in the pause, and the workflow gets it when it is resumed
        past += [*turn(SUSPENDED), *turn(HAPPENED)]
        last = RESUMED
    decision = execute(past, turn(last))
    assert [action.scheduleTask.name for action in decision.actions] == ["new_step"]

    # The runtime notes the patch at the beginning of the turn that first asked for it.
    past += turn(last, patches=decision.patches)
    past += [pb.HistoryEvent(eventId=2, taskScheduled=pb.TaskScheduledEvent(name="new_step"))]
    (again,) = execute(past, turn({"taskCompleted": pb.TaskCompletedEvent(taskScheduledId=2)})).actions
    if paused:
        assert "history mismatch" in again.completeWorkflow.failureDetails.errorMessage
    else:
        assert again.scheduleTask.name == "old_step"


def test_the_asyncio_client_cannot_subscribe_to_configuration(capsys):
    class Stub:
        async def SubscribeConfigurationAlpha1(self, _):
            yield api_v1.SubscribeConfigurationResponse(id="1")

    class Event(threading.Event):
        def wait(self, timeout=None):
            return super().wait(0.2)

    watcher = ConfigurationWatcher()
    watcher.event = Event()
    assert watcher.watch_configuration(Stub(), "configstore", ["a"], print) is None
    assert "watcher for keys" in capsys.readouterr().out
