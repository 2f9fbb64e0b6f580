"""Spans: which are accepted, and how much of them is kept."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from console.gate import Gate
from console.spans import receiver
from console.spans.store import LOOKS, MOST_OF_A_TRACE, SpanStore
from labctl.spans import LONGEST, MOST_TAGS, read, trees

PORT = 9411
DAPRD = {"content-type": "application/json"}  # as its exporter sends it


def document(number: int = 1, trace: int = 1, **more: Any) -> dict[str, Any]:
    """Return a span as a sidecar sends it."""
    plain = {"traceId": f"{trace:032x}", "id": f"{number:016x}", "name": "call", "timestamp": 1_000_000, "duration": 10}
    return plain | {"localEndpoint": {"serviceName": "caller-app"}} | more


@pytest.fixture
def store() -> SpanStore:
    """An empty store."""
    return SpanStore()


@pytest.fixture
def sender(store: SpanStore) -> TestClient:
    """A client of the receiver of this store."""
    return TestClient(Gate(receiver.build(store), PORT), base_url=f"http://localhost:{PORT}")


def test_spans_are_received_and_given_back(sender: TestClient, store: SpanStore) -> None:
    assert sender.post("/api/v2/spans", json=[document(1), document(2, parentId=f"{1:016x}")]).status_code == 202
    answer = sender.get(f"/api/v2/trace/{1:032x}").json()
    assert [(one["id"], one.get("parentId")) for one in answer] == [(f"{1:016x}", None), (f"{2:016x}", f"{1:016x}")]
    assert [len(trace) for trace in sender.get("/api/v2/traces").json()] == [2]
    assert sender.get(f"/api/v2/trace/{7:032x}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[1]",
        '["text"]',
        "[[]]",
        '{"traceId": 1}',
        "[" * 100_000,
        json.dumps([document(id="x" * 1_000_000)]),
        json.dumps([document(traceId="../../etc")]),
        json.dumps([document(timestamp="soon")]),
        json.dumps([document(tags=["a"])]),
        json.dumps([document(localEndpoint="here")]),
        '[{"traceId": "0000000000000001", "id": "0000000000000001", "duration": NaN}]',
        '[{"traceId": "0000000000000001", "id": "0000000000000001", "timestamp": Infinity}]',
    ],
    ids=range(13),
)
def test_what_is_no_span_is_refused(sender: TestClient, store: SpanStore, body: str) -> None:
    assert sender.post("/api/v2/spans", content=body, headers=DAPRD).status_code == 400
    assert len(store) == 0


def test_a_page_of_another_site_cannot_send_spans(sender: TestClient, store: SpanStore) -> None:
    body = json.dumps([document()])
    for headers, status in (
        ({"content-type": "text/plain"}, 415),
        ({}, 415),
        (DAPRD | {"origin": "http://evil.example"}, 403),
        (DAPRD | {"host": f"evil.example:{PORT}"}, 400),
    ):
        assert sender.post("/api/v2/spans", content=body, headers=headers).status_code == status
    assert len(store) == 0


def test_a_body_that_is_too_large_is_refused(sender: TestClient) -> None:
    assert sender.post("/api/v2/spans", content=b" " * 5_000_001, headers=DAPRD).status_code == 413


def test_texts_and_times_are_bounded() -> None:
    tags = {f"tag {number}": "x" * 1_000_000 for number in range(3)} | {f"{number}": "" for number in range(1000)}
    span = read(document(name="n" * 10_000, timestamp=10**30, duration=-5, tags=tags, kind="K" * 10_000))
    assert {len(span.name), len(span.kind), len(span.tags["tag 0"])} == {LONGEST}
    assert len(span.tags) == MOST_TAGS
    assert span.duration == 0
    assert span.start < 10**16
    assert read(document(name="\ud800")).name == "?"


def test_a_trace_of_untrue_parents_is_shown_completely() -> None:
    circle = [document(1, parentId=f"{3:016x}"), document(2, parentId=f"{1:016x}"), document(3, parentId=f"{2:016x}")]
    own = document(4, parentId=f"{4:016x}")
    roots = trees(read(one) for one in [*circle, own])
    assert sorted(span.id for root in roots for _, span in root.walk()) == [f"{number:016x}" for number in range(1, 5)]


def test_a_long_chain_of_spans_is_walked() -> None:
    chain = [read(document(number, parentId=f"{number - 1:016x}" if number > 1 else "")) for number in range(1, 3001)]
    (root,) = trees(chain)
    assert [depth for depth, _ in root.walk()] == list(range(3000))


def test_the_store_drops_the_traces_that_grew_longest_ago() -> None:
    store = SpanStore(most=4)
    for trace in (1, 2, 3):
        store.add([read(document(1, trace=trace)), read(document(2, trace=trace))])
    assert store.trace(f"{1:032x}") == []
    assert [spans[0].trace_id for spans in store.latest()] == [f"{3:032x}", f"{2:032x}"]
    store.add([read(document(1, trace=2))])  # known already, so this trace did not grow
    store.add([read(document(1, trace=4))])
    assert [spans[0].trace_id for spans in store.latest()] == [f"{4:032x}", f"{3:032x}"]


def test_a_trace_has_a_most_number_of_spans(store: SpanStore) -> None:
    store.add(read(document(number)) for number in range(1, 10_001))
    assert len(store) == len(store.trace(f"{1:032x}")) == MOST_OF_A_TRACE


def test_looks_at_a_sidecar_are_not_kept(store: SpanStore) -> None:
    store.add(read(document(number, name=name)) for number, name in enumerate(LOOKS, 1))
    assert len(store) == 0


def test_the_latest_spans_are_found_wherever_they_arrived(store: SpanStore) -> None:
    now = int(time.time() * 1_000_000)
    store.add([read(document(1, trace=1, timestamp=now)), read(document(1, trace=2, timestamp=now - 60_000_000))])
    assert [span.trace_id for span in store.since(now)] == [f"{1:032x}"]


def test_reads_of_a_full_store_are_fast(store: SpanStore) -> None:
    store.add(read(document(1, trace=trace, timestamp=trace)) for trace in range(1, 20_001))
    begin = time.process_time()
    assert len(store.since(19_900)) == 111
    assert len(store.latest(100)) == 100
    assert time.process_time() - begin < 0.2
