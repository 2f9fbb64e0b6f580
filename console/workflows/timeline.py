"""The history of a workflow as a timeline: activities with their attempts, timers, events, child workflows, pauses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dapr.ext.workflow._durabletask.internal.history_events_pb2 import HistoryEvent
from dapr.ext.workflow._durabletask.internal.orchestration_pb2 import OrchestrationStatus, TaskFailureDetails
from google.protobuf.timestamp_pb2 import Timestamp

from console.workflows.instances import time_of

RUNNING, DONE, FAILED, WAITING, FIRED, ANSWERED = "running", "done", "failed", "waiting", "fired", "answered"
NEVER = 9999  # the year of a timer that stands for an event without a time limit


@dataclass
class Entry:
    """A line of the timeline.

    kind: workflow, activity, timer, event, wait, child or pause. state: a word.
    app_id: the app that runs an activity or a child, if it is another one. child: its instance id.
    """

    kind: str
    name: str
    start: datetime
    state: str
    end: datetime | None = None
    attempts: int = 1
    input: str = ""
    output: str = ""
    error: str = ""
    app_id: str = ""
    child: str = ""
    due: datetime | None = None

    @property
    def seconds(self) -> float | None:
        """Return how long it took, None if it has not ended."""
        return (self.end - self.start).total_seconds() if self.end else None


@dataclass
class History:
    """The timeline of an instance, and the facts that its state does not have."""

    entries: list[Entry] = field(default_factory=list[Entry])
    trace_id: str = ""
    version: str = ""
    parent: tuple[str, str] | None = None  # app id and instance id

    @property
    def awaited(self) -> list[str]:
        """Return the names of the events that the workflow waits for."""
        names = [entry.name for entry in self.entries if entry.kind == "wait" and entry.state == WAITING]
        return list(dict.fromkeys(names))


def read(events: Iterable[HistoryEvent]) -> History:
    """Return the history as a timeline, in the order in which things began."""
    reader = _Reader()
    for event in events:
        kind = event.WhichOneof("eventType")
        handle = getattr(reader, f"on_{kind}", None)
        if kind and handle:
            handle(event, getattr(event, kind), time_of(event.timestamp))
    reader.history.entries.sort(key=lambda entry: entry.start)
    return reader.history


class _Reader:
    """Build the timeline. One method for each type of event, which gets the event, its content and its time."""

    def __init__(self) -> None:
        self.history = History()
        self._by_number: dict[int, Entry] = {}
        self._activities: dict[str, Entry] = {}  # by execution id: the attempts of an activity share it

    def _add(self, event: HistoryEvent, entry: Entry) -> Entry:
        self.history.entries.append(entry)
        self._by_number[event.eventId] = entry
        return entry

    def on_executionStarted(self, event: HistoryEvent, content: Any, at: datetime) -> None:
        entry = Entry("workflow", content.name, at, RUNNING, input=content.input.value)
        self.history.entries.append(entry)
        self.history.trace_id = trace_of(content.parentTraceContext.traceParent)
        self.history.version = content.version.value or self.history.version
        if content.HasField("parentInstance"):
            parent = content.parentInstance
            self.history.parent = (parent.appID or event.router.sourceAppID, parent.workflowInstance.instanceId)

    def on_workflowStarted(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        self.history.version = content.version.name or self.history.version

    def on_executionCompleted(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        status = OrchestrationStatus.Name(content.workflowStatus).removeprefix("ORCHESTRATION_STATUS_").lower()
        error = failure(content.failureDetails) if content.HasField("failureDetails") else ""
        self.history.entries.append(
            Entry("workflow", "end", at, status, end=at, output=content.result.value, error=error)
        )
        for entry in self.history.entries:
            if entry.kind == "workflow" and entry.state == RUNNING:
                entry.state, entry.end = "started", entry.start
            elif entry.state == WAITING:
                entry.state = "left"

    def on_taskScheduled(self, event: HistoryEvent, content: Any, at: datetime) -> None:
        earlier = self._activities.get(content.taskExecutionId) if content.taskExecutionId else None
        if earlier:
            earlier.attempts += 1
            earlier.state, earlier.end = RUNNING, None
            self._by_number[event.eventId] = earlier
            return
        entry = Entry("activity", content.name, at, RUNNING, input=content.input.value, app_id=_other_app(event))
        self._activities[content.taskExecutionId] = self._add(event, entry)

    def on_childWorkflowInstanceCreated(self, event: HistoryEvent, content: Any, at: datetime) -> None:
        entry = Entry("child", content.name, at, RUNNING, input=content.input.value, app_id=_other_app(event))
        entry.child = content.instanceId
        self._add(event, entry)

    def on_taskCompleted(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        if entry := self._by_number.get(content.taskScheduledId):
            # The error of an earlier attempt stays, so that a reader sees why there were several.
            entry.state, entry.end, entry.output = DONE, at, content.result.value

    def on_taskFailed(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        if entry := self._by_number.get(content.taskScheduledId):
            entry.state, entry.end, entry.error = FAILED, at, failure(content.failureDetails)

    on_childWorkflowInstanceCompleted = on_taskCompleted
    on_childWorkflowInstanceFailed = on_taskFailed

    def on_timerCreated(self, event: HistoryEvent, content: Any, at: datetime) -> None:
        origin = content.WhichOneof("origin")
        due = _due(content.fireAt)
        if origin == "externalEvent":
            self._add(event, Entry("wait", content.externalEvent.name, at, WAITING, due=due))
        elif origin == "activityRetry":
            # The pause before the next attempt belongs to its activity.
            if entry := self._activities.get(content.activityRetry.taskExecutionId):
                entry.state = "waits for its next attempt"
        else:
            self._add(event, Entry("timer", content.name or "timer", at, WAITING, due=due))

    def on_timerFired(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        if entry := self._by_number.get(content.timerId):
            entry.state, entry.end = ("expired" if entry.kind == "wait" else FIRED), at

    def on_eventRaised(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        self.history.entries.append(Entry("event", content.name, at, "arrived", end=at, input=content.input.value))
        for entry in self.history.entries:
            if entry.kind == "wait" and entry.state == WAITING and entry.name.lower() == content.name.lower():
                entry.state, entry.end = ANSWERED, at
                return

    def on_eventSent(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        entry = Entry("event", f"{content.name} to {content.instanceId}", at, "sent", end=at, input=content.input.value)
        self.history.entries.append(entry)

    def on_executionSuspended(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        self.history.entries.append(Entry("pause", "suspended", at, "suspended", input=content.input.value))

    def on_executionResumed(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        self.history.entries.append(Entry("pause", "resumed", at, "resumed", end=at, input=content.input.value))
        for entry in self.history.entries:
            if entry.kind == "pause" and entry.end is None:
                entry.end = at

    def on_executionTerminated(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        self.history.entries.append(Entry("workflow", "terminate", at, "requested", end=at, input=content.input.value))

    def on_continueAsNew(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        self.history.entries.append(
            Entry("workflow", "continue as new", at, "restarted", end=at, input=content.input.value)
        )

    def on_executionStalled(self, _: HistoryEvent, content: Any, at: datetime) -> None:
        self.history.entries.append(Entry("workflow", "stalled", at, "stalled", error=content.description))


def failure(details: TaskFailureDetails) -> str:
    """Return a failure and its causes in one line, without stack traces."""
    own = f"{details.errorType}: {details.errorMessage}" if details.errorType else details.errorMessage
    return f"{own}, because of {failure(details.innerFailure)}" if details.HasField("innerFailure") else own


def trace_of(traceparent: str) -> str:
    """Return the trace id of a W3C traceparent, or nothing if it is none."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else ""


def _other_app(event: HistoryEvent) -> str:
    return event.router.targetAppID if event.router.targetAppID != event.router.sourceAppID else ""


def _due(stamp: Timestamp) -> datetime | None:
    due = time_of(stamp)
    return None if due.year == NEVER else due
