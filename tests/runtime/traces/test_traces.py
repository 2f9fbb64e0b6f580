"""One trace from the client's request through apps, sidecars, workflows, activities, events and their readers."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from tests.runtime.blocks.conftest import TASKS, Blocks
from tests.runtime.chat.conftest import CHAT, MEMORY, Chat, fresh
from tests.runtime.conftest import Running
from tests.runtime.pizza.conftest import BOOK, COURIER, KITCHEN, SHOP, WORKFLOW, Pizza
from tests.runtime.traces.conftest import Path, Trace

RUNTIME = "/dapr.proto.runtime.v1.Dapr"
# With TRACING=true these begin the name of what made a span.
APPS_OWN = ("fastapi", "kit", "dapr.ext.workflow")


def started(app_id: str, workflow: str, above: Path = ()) -> Path:
    """Return the path to a workflow that an app starts."""
    return (
        *above, f"{app_id} /TaskHubSidecarService/StartInstance",
        f"{app_id} create_orchestration||{workflow}", f"{app_id} orchestration||{workflow}",
    )  # fmt: skip


def invoked(app_id: str, other: str, route: str) -> Path:
    """Return the hops of an invocation: both sidecars."""
    name = f"CallLocal/{other}/{route}"
    return (f"{app_id} {name}", f"{other} {name}")


def published(app_id: str, topic: str, reader: str) -> Path:
    """Return the hops of an event: the publisher's sidecar and the reader's."""
    return (f"{app_id} {RUNTIME}/PublishEvent", f"{reader} pubsub/{topic}")


def own_spans(trace: Trace) -> list[str]:
    """Return the names of the spans that apps have sent themselves."""
    return [span.name for span in trace.spans() if span.tags.get("otel.scope.name", "").startswith(APPS_OWN)]


@pytest.mark.lab("invocation")
@pytest.mark.parametrize("via", ["url", "header", "sdk"])
def test_a_greeting_is_one_trace_through_both_sidecars(lab: Running, trace: Trace, via: str) -> None:
    answer = trace.http.get(lab.url("caller-app", "/call-greet/Ada"), params={"via": via})
    assert answer.status_code == 200, answer.text
    trace.expect(invoked("caller-app", "callee-app", "greet/Ada"))
    assert own_spans(trace) == []


@pytest.mark.lab("invocation")
def test_a_greeting_by_grpc_is_one_trace_through_both_sidecars(lab: Running, trace: Trace) -> None:
    answer = trace.http.get(lab.url("caller-app", "/call-greet/Ada"), params={"via": "grpc"})
    assert answer.status_code == 200, answer.text
    name = "/lab.greeter.v1.Greeter/Greet"
    trace.expect((f"caller-app {name}", f"callee-grpc-app {name}"))


@pytest.mark.lab("invocation")
def test_with_tracing_on_the_apps_are_hops_of_the_same_trace(lab: Running, trace: Trace) -> None:
    others = [lab.with_settings(app_id, TRACING="true") for app_id in ("caller-app", "callee-app")]
    with lab.otherwise(*others):
        answer = trace.http.get(lab.url("caller-app", "/call-greet/Ada"))
        assert answer.status_code == 200, answer.text
        calling, called = invoked("caller-app", "callee-app", "greet/Ada")
        path = ("caller-app GET /call-greet/{name}", "caller-app GET", calling, called)
        trace.expect((*path, "callee-app GET /greet/{name}"))
        # The sidecars' spans have the path of the call. Those of the apps have routes in its place.
        mine = [span for span in trace.spans() if span.tags.get("otel.scope.name", "").startswith(APPS_OWN)]
        assert len(mine) == 3
        assert "ada" not in repr(mine).lower()


def a_turn(lab: Running, trace: Trace) -> None:
    """Let a new user say something, in the trace."""
    chat = replace(Chat(lab.stack, lab.apps, lab.http), http=trace.http)
    chat.say(fresh("user"), "I like tea", fresh("session"))


@pytest.mark.lab("chat")
def test_a_turn_is_one_trace_through_its_workflow_and_its_event(lab: Running, trace: Trace) -> None:
    a_turn(lab, trace)
    turn = started(CHAT, "chat_workflow")
    event = (*turn, f"{CHAT} activity||save_conversation", *published(CHAT, "conversations", MEMORY))
    trace.expect(
        (*turn, f"{CHAT} activity||generate_response"),
        event,
        # What the reader does is in the trace too.
        (*event, f"{MEMORY} {RUNTIME}/SaveState"),
    )
    recalled = [path for path in trace.paths() if path[:4] == lower((*turn, f"{CHAT} activity||fetch_context"))]
    assert any(len(path) == 6 and path[5].startswith(f"{MEMORY} calllocal/{MEMORY}/memories/") for path in recalled)
    assert own_spans(trace) == []


@pytest.mark.lab("chat")
def test_with_tracing_on_activities_are_hops_of_the_same_trace(lab: Running, trace: Trace) -> None:
    with lab.otherwise(*(lab.with_settings(app_id, TRACING="true") for app_id in (CHAT, MEMORY))):
        a_turn(lab, trace)
        route = f"{CHAT} POST /chat/"
        turn = started(CHAT, "chat_workflow", (route, f"{CHAT} StartInstance"))
        saving = (*turn, f"{CHAT} activity||save_conversation", f"{CHAT} activity: save_conversation")
        event = (*saving, f"{CHAT} PublishEvent", *published(CHAT, "conversations", MEMORY))
        trace.expect((*event, f"{MEMORY} POST /events/conversations"))
        mine = [span for span in trace.spans() if span.tags.get("otel.scope.name", "").startswith(APPS_OWN)]
        assert "user-" not in repr(mine)
        assert "tea" not in repr(mine)


@pytest.mark.lab("pizza")
def test_an_order_is_one_trace_with_each_of_its_steps(lab: Running, trace: Trace) -> None:
    pizza = Pizza(lab.stack, lab.apps, lab.http)
    order_id = replace(pizza, http=trace.http).order()
    pizza.approve(order_id)
    pizza.assert_delivered_once(order_id)
    order = started(WORKFLOW, "pizza_workflow")
    check = (*order, f"{WORKFLOW} orchestration||quality_check_workflow")
    steps = {
        name: (*order, f"{WORKFLOW} activity||{name}")
        for name in ("order_pizza", "cook_pizza", "validate_pizza", "deliver_pizza", "publish_status")
    }
    status = published(WORKFLOW, "orders", BOOK)
    trace.expect(
        (*steps["order_pizza"], *invoked(WORKFLOW, SHOP, "order")),
        (*steps["cook_pizza"], *invoked(WORKFLOW, KITCHEN, "cook")),
        (*steps["deliver_pizza"], *invoked(WORKFLOW, COURIER, "deliver")),
        # The check is a child workflow, whose activity runs in the kitchen.
        (*check, f"{KITCHEN} activity||quality_check"),
        *((*steps[name], *status) for name in ("cook_pizza", "validate_pizza", "deliver_pizza", "publish_status")),
        (*steps["cook_pizza"], *status, f"{BOOK} {RUNTIME}/SaveState"),
    )
    begun = sorted((span.start, span.name) for span in trace.spans() if span.name.startswith("activity||"))
    order_of_steps = [name.removeprefix("activity||") for _, name in begun]
    assert order_of_steps == [
        "order_pizza", "cook_pizza", "quality_check", "validate_pizza", "deliver_pizza", "publish_status",
    ]  # fmt: skip


@pytest.mark.lab("jobs")
def test_a_job_is_scheduled_in_the_trace_of_its_request(lab: Running, trace: Trace) -> None:
    name = f"traced-{uuid4().hex[:8]}"
    answer = trace.http.post(lab.url("scheduler-test-py", f"/schedule-job/{name}"))
    assert answer.status_code == 200, answer.text
    trace.expect((f"scheduler-test-py /v1.0/jobs/{name}",))


@pytest.mark.lab("blocks")
def test_the_event_of_an_outbox_is_in_the_trace_of_its_transaction(lab: Running, trace: Trace) -> None:
    """The sidecar publishes it later, from a copy. It keeps the trace only as metadata of the transaction."""
    blocks = replace(Blocks(lab.stack, lab.apps, lab.http), http=trace.http)
    answer = blocks.post_task(f"milk {uuid4().hex[:8]}")
    assert answer.status_code == 201, answer.text
    trace.expect(
        (f"{TASKS} {RUNTIME}/ExecuteStateTransaction",),
        (f"{TASKS} pubsub/task-events", *invoked(TASKS, "notification-service", "notify")),
    )


def lower(path: Path) -> Path:
    """Return a path as Trace.paths has it."""
    return tuple(hop.lower() for hop in path)
