"""A trace becomes a row of the list and lines of a waterfall."""

from __future__ import annotations

from typing import Any

import pytest

from console.spans.store import SpanStore
from console.traces.lines import Tree, workflows_of
from console.traces.rows import Filter, Rows, row_of
from console.waterfall import LONGEST, Line, bounded, duration, row
from labctl.span_words import is_chatter, title
from labctl.spans import Span

START = 1_796_124_465_000_000


def span(number: int, parent: int = 0, **facts: Any) -> Span:
    fields = {"name": "calllocal/callee-app/greet/ada", "service": "caller-app", "kind": "CLIENT", "tags": {}}
    fields |= {"start": START, "duration": 1000, "trace_id": f"{1:032x}"} | facts
    return Span(id=f"{number:016x}", parent_id=f"{parent:016x}" if parent else "", **fields)


def call(trace: int, at: int = 0, **facts: Any) -> list[Span]:
    trace_id = f"{trace:032x}"
    return [
        span(trace * 10, trace_id=trace_id, start=START + at),
        span(trace * 10 + 1, trace * 10, trace_id=trace_id, start=START + at, service="callee-app", **facts),
    ]


def test_a_row_names_what_was_called_and_counts_errors() -> None:
    row = row_of(call(1, tags={"error": "no route"}))
    assert (row.root, row.services, row.spans) == (
        "caller-app: call callee-app /greet/ada",
        ("caller-app", "callee-app"),
        2,
    )
    assert (row.errors, row.is_chatter, row.seconds) == (1, False, 0.001)


def test_a_row_names_the_workflow_rather_than_the_call_that_starts_it() -> None:
    spans = [
        span(1, name="/taskhubsidecarservice/startinstance"),
        span(2, 1, name="create_orchestration||saga", start=START + 1),
    ]
    assert row_of(spans).root == "caller-app: start workflow saga"


def test_a_row_is_not_named_after_a_look_at_a_store() -> None:
    spans = [
        span(1, name="/dapr.proto.runtime.v1.dapr/savestate"),
        span(2, name="/taskhubsidecarservice/startinstance", start=START + 1),
        span(3, 2, name="create_orchestration||chat_workflow", start=START + 2),
    ]
    assert row_of(spans).root == "caller-app: start workflow chat_workflow"


def test_chatter_is_left_out_unless_asked_for() -> None:
    store = SpanStore()
    store.add([*call(1), span(20, trace_id=f"{2:032x}", name="/taskhubsidecarservice/hello")])
    store.add([span(30, trace_id=f"{3:032x}", name="/dapr.proto.runtime.v1.dapr/getstate")])
    rows = Rows(store)
    assert [row.trace_id for row in rows.latest(Filter())] == [f"{1:032x}"]
    assert len(rows.latest(Filter(chatter=True))) == 3


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (Filter(app="callee-app"), [2, 1]),
        (Filter(app="task-api"), []),
        (Filter(error=True), [2]),
        (Filter(app="callee-app", error=True), [2]),
    ],
)
def test_the_list_is_filtered_and_the_newest_is_first(wanted: Filter, left: list[int]) -> None:
    store = SpanStore()
    store.add([*call(1), *call(2, at=5000, tags={"error": "no route"})])
    assert [int(row.trace_id, 16) for row in Rows(store).latest(wanted)] == left


def test_a_trace_that_has_grown_has_a_new_row() -> None:
    store = SpanStore()
    rows = Rows(store)
    store.add(call(1)[:1])
    assert [row.spans for row in rows.latest(Filter())] == [1]
    store.add(call(1)[1:])
    assert [row.spans for row in rows.latest(Filter())] == [2]


def test_the_check_of_an_engine_is_chatter_and_an_event_is_not() -> None:
    raised = "/taskhubsidecarservice/raiseevent"
    assert is_chatter(span(1, name=raised, tags={"error": "no such instance exists"}))
    assert not is_chatter(span(1, name=raised))


@pytest.mark.parametrize(
    ("name", "tags", "words"),
    [
        ("CallLocal/callee-app/greet/Ada", {}, "call callee-app /greet/Ada"),
        ("activity||cook_pizza", {}, "activity cook_pizza"),
        ("orchestration||saga", {}, "workflow saga"),
        ("/dapr.proto.runtime.v1.dapr/savestate", {"db.name": "statestore"}, "savestate statestore"),
        ("pubsub/orders", {}, "deliver event of orders"),
        ("timer", {}, "timer"),
        ("", {}, "unnamed"),
    ],
)
def test_a_span_is_named_in_plain_words(name: str, tags: dict[str, str], words: str) -> None:
    assert title(span(1, name=name, tags=tags)) == words


def test_lines_follow_the_tree_with_offsets_from_the_first_start() -> None:
    spans = [span(1, duration=9000), span(3, 1, start=START + 6000), span(2, 1, start=START + 2000), span(4, 2)]
    tree = Tree(spans)
    lines = tree.lines()
    assert [(line.key[:16].lstrip("0"), line.depth) for line in lines] == [("1", 0), ("2", 1), ("4", 2), ("3", 1)]
    assert [round(line.start, 4) for line in lines] == [0.0, 0.002, 0.0, 0.006]
    assert tree.seconds == 0.009
    assert [line.key for line in tree.lines(slice(1, 3))] == [line.key for line in lines[1:3]]


def test_a_trace_names_its_workflows_by_the_app_that_runs_them() -> None:
    tags = {"durabletask.type": "orchestration", "durabletask.task.instance_id": "trip-1"}
    step = {"durabletask.type": "activity", "durabletask.task.instance_id": "trip-1"}
    spans = [span(1, service="pizza-workflow", tags=tags), span(2, 1, service="pizza-kitchen", tags=step)]
    assert workflows_of(spans) == [("pizza-workflow", "trip-1")]


def test_a_bar_stays_inside_the_table() -> None:
    late = row(Line("k", "late", "", start=9, end=12, state="ok", took="3 s"), seconds=10)
    assert late["place"] == {"left": "90.00%", "width": "10.00%"}
    instant = row(Line("k", "instant", "", start=0, end=0, state="ok", took=""), seconds=0)
    assert instant["place"] == {"left": "0.00%", "width": "0.00%"}


def test_a_long_text_is_cut_and_says_so() -> None:
    assert bounded("x" * LONGEST) == "x" * LONGEST
    assert bounded("x" * (LONGEST + 1)).endswith(f"(cut: {LONGEST + 1:,} characters)")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0000005, "0 µs"), (0.0123, "12.3 ms"), (0.5, "500 ms"), (1.5, "1.50 s"), (30, "30 s"), (600, "10 min")],
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words
