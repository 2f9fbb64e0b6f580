"""Which instances are read again, and what may be done to one."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from console.workflows.instances import MOST_READS, Instance, due
from console.workflows.steering import APPROVE, CANCEL, PAUSE, PURGE, RESUME, TERMINATE, raise_event, steps

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def instances(count: int, status: str) -> list[Instance]:
    now = time.monotonic()
    return [Instance("pizza-workflow", f"{status}-{n}", "story", status, NOW, NOW, now + n) for n in range(count)]


def may(status: str, app_id: str = "workflow-patterns", instance_id: str = "trip-1") -> list[str]:
    return [step.name for step in steps(app_id, instance_id, []) if not step.why_not(status)]


def test_running_instances_are_read_before_ended_ones_and_the_longest_unread_first() -> None:
    ids = due([*reversed(instances(500, "running")), *instances(500, "completed")])
    running = MOST_READS - MOST_READS // 10
    assert ids[:running] == [f"running-{n}" for n in range(running)]
    assert ids[running:] == [f"completed-{n}" for n in range(MOST_READS // 10)]


def test_all_reads_are_for_ended_instances_when_none_runs() -> None:
    assert due(instances(500, "completed")) == [f"completed-{n}" for n in range(MOST_READS)]


def test_a_suspended_instance_is_never_paused_and_a_running_one_never_resumed() -> None:
    assert may("running") == [PAUSE, TERMINATE]
    assert may("suspended") == [RESUME, TERMINATE]
    assert may("pending") == [TERMINATE]


def test_only_an_ended_instance_is_purged() -> None:
    assert may("completed") == may("failed") == may("terminated") == [PURGE]


def test_an_order_is_steered_by_its_own_app_and_cancelled_instead_of_terminated() -> None:
    requests = {step.name: step.request for step in steps("pizza-workflow", "pizza-order-7", ["ValidationComplete"])}
    assert requests[APPROVE].body == {"order_id": "7", "approved": True}
    assert requests[CANCEL].path == "/cancel-order"
    assert [name for name, request in requests.items() if not request.is_own] == [PURGE]


def test_a_child_of_an_order_is_steered_by_the_sidecar() -> None:
    requests = [step.request for step in steps("pizza-workflow", "pizza-order-7:0004", [])]
    assert {request.is_own for request in requests} == {False}
    assert requests[0].path == "/v1.0/workflows/dapr/pizza-order-7%3A0004/pause"


def test_verdicts_are_offered_only_while_the_order_waits_for_one() -> None:
    assert APPROVE not in [step.name for step in steps("pizza-workflow", "pizza-order-7", ["CancelOrder"])]


def test_an_event_goes_to_the_api_of_the_patterns_and_otherwise_to_the_sidecar() -> None:
    own = raise_event("workflow-patterns", "trip-1", "decision", {"approved": True})
    other = raise_event("chat-service", "chat-1", "YourTurn", None)
    assert (own.request.path, own.request.is_own) == ("/patterns/trip-1/events/decision", True)
    assert (other.request.path, other.request.is_own) == ("/v1.0/workflows/dapr/chat-1/raiseEvent/YourTurn", False)
