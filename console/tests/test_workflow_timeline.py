"""The history of a workflow becomes a timeline: attempts are joined, waits are answered, pauses end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dapr.ext.workflow._durabletask.internal import history_events_pb2 as events
from dapr.ext.workflow._durabletask.internal.orchestration_pb2 import (
    ORCHESTRATION_STATUS_COMPLETED,
    TaskFailureDetails,
    TraceContext,
)
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from console.workflows.timeline import History, read
from console.workflows.timeline_lines import lines_of

START = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
TRACE = "f211c9573c7925a4d1389793391bced8"


def stamp(seconds: float) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(START + timedelta(seconds=seconds))
    return found


def event(seconds: float, number: int = -1, **content: Any) -> events.HistoryEvent:
    return events.HistoryEvent(eventId=number, timestamp=stamp(seconds), **content)


def scheduled(seconds: float, number: int, name: str, execution: str) -> events.HistoryEvent:
    return event(seconds, number, taskScheduled=events.TaskScheduledEvent(name=name, taskExecutionId=execution))


def started() -> events.HistoryEvent:
    context = TraceContext(traceParent=f"00-{TRACE}-88d49838da89723e-01")
    content = events.ExecutionStartedEvent(name="saga", input=StringValue(value="{}"), parentTraceContext=context)
    return event(0, executionStarted=content)


def ended(seconds: float) -> events.HistoryEvent:
    content = events.ExecutionCompletedEvent(
        workflowStatus=ORCHESTRATION_STATUS_COMPLETED, result=StringValue(value='"booked"')
    )
    return event(seconds, 9, executionCompleted=content)


def awaited(seconds: float, number: int, name: str) -> events.HistoryEvent:
    origin = events.TimerOriginExternalEvent(name=name)
    return event(
        seconds, number, timerCreated=events.TimerCreatedEvent(fireAt=stamp(seconds + 60), externalEvent=origin)
    )


def raised(seconds: float, name: str) -> events.HistoryEvent:
    return event(seconds, eventRaised=events.EventRaisedEvent(name=name, input=StringValue(value="true")))


def kinds(history: History) -> list[tuple[str, str, str]]:
    return [(entry.kind, entry.name, entry.state) for entry in history.entries]


def test_the_attempts_of_an_activity_are_one_entry_with_its_last_error() -> None:
    failed = events.TaskFailedEvent(
        taskScheduledId=1, failureDetails=TaskFailureDetails(errorType="StepFailed", errorMessage="no room")
    )
    retry = events.TimerCreatedEvent(
        fireAt=stamp(2), activityRetry=events.TimerOriginActivityRetry(taskExecutionId="a")
    )
    done = events.TaskCompletedEvent(taskScheduledId=3, result=StringValue(value="17"))
    history = read(
        [
            started(),
            scheduled(0, 1, "book", "a"),
            event(1, taskFailed=failed),
            event(1, 2, timerCreated=retry),
            event(2, timerFired=events.TimerFiredEvent(timerId=2)),
            scheduled(2, 3, "book", "a"),
            event(3, taskCompleted=done),
        ]
    )
    assert kinds(history) == [("workflow", "saga", "running"), ("activity", "book", "done")]
    book = history.entries[1]
    assert (book.attempts, book.seconds, book.output, book.error) == (2, 3.0, "17", "StepFailed: no room")
    assert history.trace_id == TRACE


def test_an_activity_that_waits_for_its_next_attempt_says_so() -> None:
    failed = events.TaskFailedEvent(taskScheduledId=1, failureDetails=TaskFailureDetails(errorMessage="no"))
    retry = events.TimerCreatedEvent(
        fireAt=stamp(2), activityRetry=events.TimerOriginActivityRetry(taskExecutionId="a")
    )
    history = read([scheduled(0, 1, "book", "a"), event(1, taskFailed=failed), event(1, 2, timerCreated=retry)])
    assert kinds(history) == [("activity", "book", "waits for its next attempt")]


def test_an_event_answers_the_oldest_wait_of_its_name_whatever_its_case() -> None:
    history = read([awaited(0, 1, "decision"), awaited(1, 2, "decision"), raised(2, "Decision")])
    assert kinds(history) == [
        ("wait", "decision", "answered"),
        ("wait", "decision", "waiting"),
        ("event", "Decision", "arrived"),
    ]
    assert history.awaited == ["decision"]


def test_a_wait_that_expired_is_awaited_no_more() -> None:
    fired = events.TimerFiredEvent(timerId=1)
    history = read([awaited(0, 1, "decision"), event(60, timerFired=fired)])
    assert (kinds(history), history.awaited) == ([("wait", "decision", "expired")], [])


def test_an_ended_workflow_waits_for_nothing() -> None:
    history = read([started(), awaited(0, 1, "CancelOrder"), ended(5)])
    assert kinds(history) == [
        ("workflow", "saga", "started"),
        ("wait", "CancelOrder", "left"),
        ("workflow", "end", "completed"),
    ]
    assert history.awaited == []


def test_a_pause_lasts_until_the_resume() -> None:
    paused = event(1, executionSuspended=events.ExecutionSuspendedEvent())
    resumed = event(4, executionResumed=events.ExecutionResumedEvent())
    assert [entry.seconds for entry in read([paused]).entries] == [None]
    assert [(entry.name, entry.seconds) for entry in read([paused, resumed]).entries] == [
        ("suspended", 3.0),
        ("resumed", 0.0),
    ]


def test_a_child_in_another_app_links_there() -> None:
    created = events.ChildWorkflowInstanceCreatedEvent(instanceId="trip:car", name="rent")
    elsewhere = event(1, 1, childWorkflowInstanceCreated=created)
    elsewhere.router.sourceAppID, elsewhere.router.targetAppID = "workflow-patterns", "task-api"
    lines, _ = lines_of(read([started(), elsewhere]).entries, "workflow-patterns", START + timedelta(seconds=9))
    assert [(line.url, line.note) for line in lines] == [
        ("", "workflow"),
        ("/workflows/task-api/trip%3Acar", "child workflow · in task-api"),
    ]


def test_what_has_not_ended_is_drawn_up_to_now() -> None:
    entries = read([started(), awaited(2, 1, "decision")]).entries
    lines, seconds = lines_of(entries, "workflow-patterns", START + timedelta(seconds=10))
    assert [(line.start, line.end) for line in lines] == [(0.0, 10.0), (2.0, 10.0)]
    assert seconds == 10.0


def test_an_ended_workflow_is_drawn_to_its_end() -> None:
    _, seconds = lines_of(read([started(), ended(5)]).entries, "workflow-patterns", START + timedelta(days=3))
    assert seconds == 5.0


def test_an_empty_history_has_no_lines() -> None:
    assert lines_of([], "workflow-patterns", START) == ([], 0.0)
