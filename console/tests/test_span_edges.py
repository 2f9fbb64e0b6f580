"""Calls and failures of each edge, from spans as daprd sends them."""

from __future__ import annotations

from typing import Any

import pytest

from console.components import of_document
from console.graph.brokers import broker_of
from console.spans.edges import ENGINE, PROBE, Edge, count
from labctl.spans import read

DAPR, ENGINE_SCOPE = {"otel.scope.name": "dapr-diagnostics"}, {"otel.scope.name": "durabletask"}


def span(service: str, name: str, kind: str = "CLIENT", number: int = 1, parent: int = 0, **tags: str) -> Any:
    """Return a span of a sidecar. tags: with `_` in place of `.`, and `__` in place of `-`."""
    named = {key.replace("__", "-").replace("_", "."): value for key, value in tags.items()}
    scope = ENGINE_SCOPE if "||" in name else DAPR
    parents = {"parentId": f"{parent:016x}"} if parent else {}
    return read(
        {
            "traceId": f"{1:032x}",
            "id": f"{number:016x}",
            "kind": kind,
            "name": name,
            "localEndpoint": {"serviceName": service},
            "tags": scope | named,
        }
        | parents
    )


def edges(*spans: Any) -> list[tuple[str, str, int, int]]:
    """Return the edges of spans in a lab with one broker."""
    found = count(spans, lambda app_id, topic: f"broker of {topic}")
    return [(edge.source, edge.target, edge.calls, edge.errors) for edge in found]


@pytest.mark.parametrize(
    ("seen", "source", "target"),
    [
        (span("a", "calllocal/b/greet/ada", net_peer_name="b"), "a", "b"),
        (span("a", "CallLocal/b/greet/Ada"), "a", "b"),
        (span("a", "/lab.greeter.v1.greeter/greet", dapr__app__id="b"), "a", "b"),
        (span("a", "/dapr.proto.runtime.v1.dapr/getstate", db_name="statestore"), "a", "statestore"),
        (span("a", "/v1.0/publish/pubsub/orders"), "a", "pubsub"),
        (
            span("a", "/dapr.proto.runtime.v1.dapr/publishevent", messaging_destination_name="orders"),
            "a",
            "broker of orders",
        ),
        (span("a", "pubsub/orders", messaging_destination_name="orders"), "broker of orders", "a"),
        (span("a", "/taskhubsidecarservice/startinstance"), "a", ENGINE),
        (span("a", "activity||cook", kind="SERVER"), ENGINE, "a"),
    ],
)
def test_a_call_is_on_its_edge(seen: Any, source: str, target: str) -> None:
    assert edges(seen) == [(source, target, 1, 0)]


@pytest.mark.parametrize(
    "seen",
    [
        span("b", "calllocal/b/greet/ada", kind="SERVER"),
        span("a", "/v1.0/jobs/tea"),
        span("a", "/taskhubsidecarservice/hello"),
        span("a", "/taskhubsidecarservice/completeorchestratortask"),
        span("a", "/taskhubsidecarservice/raiseevent", error=PROBE),
        span("a", "timer||1", kind=""),
        span("a", "/dapr.proto.runtime.v1.dapr/getstate", db_name="statestore", otel_scope_name="kit.tracing"),
    ],
)
def test_the_other_side_of_a_call_and_the_plumbing_are_on_none(seen: Any) -> None:
    assert edges(seen) == []


def test_calls_and_failures_are_counted() -> None:
    calls = [span("a", "calllocal/b/x", number=number, net_peer_name="b") for number in range(1, 10)]
    failed = span("a", "calllocal/b/x", number=99, net_peer_name="b", error="Code(500)")
    assert edges(*calls, failed) == [("a", "b", 10, 1)]
    assert Edge("a", "b", 10, 1).rate(20) == "0.5/s, 10 % failed"
    assert Edge("a", "b", 10, 0).rate(20) == "0.5/s"


def test_an_activity_of_another_app_is_a_call_from_the_workflows_app() -> None:
    workflow = span("a", "orchestration||order", kind="SERVER", number=1)
    activity = span("b", "activity||cook", kind="SERVER", number=2, parent=1)
    assert edges(workflow, activity) == [("a", "b", 1, 0)]


def component(name: str, scopes: list[str], publishing: str = "", kind: str = "pubsub.redis") -> Any:
    """Return a component as a file has it."""
    entries = [{"name": "publishingScopes", "value": publishing}]
    spec = {"type": kind, "metadata": entries}
    return of_document({"metadata": {"name": name}, "scopes": scopes, "spec": spec})


def test_the_broker_of_a_topic_is_the_one_that_names_it_for_the_app() -> None:
    brokers = [
        component("store", [], kind="state.redis"),
        component("first", ["a"], "b=orders;a="),
        component("second", ["a"], "a=letters, orders"),
    ]
    assert broker_of(brokers, "a", "orders") == "second"
    assert broker_of(brokers, "a", "unnamed") == "first"
    assert broker_of(brokers, "c", "orders") == "a broker"
