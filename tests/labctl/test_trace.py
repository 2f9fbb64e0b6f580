"""./lab trace reads spans from a receiver, leaves out chatter, and prints a tree."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from rich.console import Console

from labctl.errors import LabError
from labctl.observe import trace
from labctl.runfile import ZIPKIN
from labctl.spans import Span, read, trees, write
from labctl.stack import Stack

TRACE = "0af7651916cd43dd8448eb211c80319c"
BEGIN = int(time.time() * 1e6) - 10_000_000  # ten seconds ago, in microseconds


def span(
    number: int, name: str, service: str, parent: int = 0, *, start: int = 0, took: int = 1_000, **tags: str
) -> Span:
    return Span(
        TRACE, f"{number:016x}", f"{parent:016x}" if parent else "", name, service, "CLIENT", BEGIN + start, took, tags
    )


CALL = [
    span(1, "CallLocal/callee-app/greet/ada", "caller-app", took=12_000),
    span(2, "CallLocal/callee-app/greet/ada", "callee-app", 1, start=4_000, took=3_000, error="connection\nrefused"),
    span(3, "CallLocal/callee-app/greet/ada", "callee-app", 1, start=8_000, took=2_000),
]
CHATTER = [span(9, "/TaskHubSidecarService/GetInstance", "pizza-workflow")]
STATE = [span(8, "/dapr.proto.runtime.v1.Dapr/GetState", "pizza-order")]


def of(trace_id: str, spans: list[Span], later: int = 0) -> list[dict[str, Any]]:
    return [write(one) | {"traceId": trace_id, "timestamp": one.start + later} for one in spans]


@contextmanager
def receiver(answers: dict[str, Any], status: int = 200) -> Generator[Stack]:
    """Answer on a port as Zipkin does, and yield the stack whose Zipkin has this port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].removeprefix("/api/v2")
            self.send_response(status if path in answers else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(path)).encode())

        def log_message(self, format: str, *_: Any) -> None:
            """Keep the output of the tests clean."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield Stack("traced", server.server_port - ZIPKIN)
        server.shutdown()
        serving.join()


def shown(spans: list[Span], width: int) -> list[str]:
    output = Console(file=io.StringIO(), width=width)
    output.print(trace.drawn(output, spans))
    assert isinstance(output.file, io.StringIO)
    return [line.rstrip() for line in output.file.getvalue().splitlines() if line.strip()]


def test_a_call_with_a_failed_attempt_is_drawn_as_a_tree() -> None:
    heading, _, *lines = shown(list(reversed(CALL)), 140)
    assert heading.split() == ["span", "kind", "start", "took"]
    facts = [re.split(r"  +", line.strip()) for line in lines]
    assert facts[0][:4] == ["caller-app call callee-app /greet/ada", "client", "+0.0 ms", "12 ms"]
    assert facts[1][0] == "├── callee-app call callee-app /greet/ada"
    assert facts[1][1:5] == ["connection refused", "client error", "+4.0 ms", "3.0 ms"], "the error, in its line"
    assert facts[2] == ["└── callee-app call callee-app /greet/ada", "client", "+8.0 ms", "2.0 ms", "━━━━"]
    starts = [line.index("━") for line in lines]
    assert starts == sorted(set(starts)), "a bar begins where its span does"


def test_a_narrow_terminal_gets_no_bars_and_every_line() -> None:
    lines = shown(CALL, 80)
    assert "━" not in "".join(lines)
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[-2] for line in lines[2:]] == ["12", "3.0", "2.0"]
    assert ["error" in line for line in lines[2:]] == [False, True, False]


def test_a_chain_of_a_thousand_spans_is_drawn() -> None:
    chain = [span(number, "step", "app", number - 1, start=number) for number in range(1, 1001)]
    assert sum("app step" in line for line in shown(chain, 10_000)) == 1000
    assert len(list(trees(chain)[0].walk())) == 1000


def test_the_last_request_is_not_the_chatter_after_it() -> None:
    older, newer, chatter, state = (character * 32 for character in "abcd")
    found = [of(older, CALL), of(chatter, CHATTER, 9), of(newer, CALL, 5), of(state, STATE, 7), []]
    with receiver({"/traces": found}) as stack:
        assert trace.find(stack, "last")[0].trace_id == newer
        assert [one[0].trace_id for one in trace.latest(stack, 9)] == [newer, older]
        assert [one[0].trace_id for one in trace.latest(stack, 9, everything=True)] == [chatter, state, newer, older]


def test_it_looks_further_back_when_the_latest_traces_are_chatter(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [of(TRACE, CALL), *(of(f"{number:032x}", CHATTER, number) for number in range(1, 4))]
    asked: list[int] = []

    def answered(stack: Stack, path: str, limit: int) -> httpx.Response:
        asked.append(limit)
        return httpx.Response(200, json=found[-limit:])

    monkeypatch.setattr(trace, "LOOK_AT", (2, 10))
    monkeypatch.setattr(trace, "_get", answered)
    assert trace.find(Stack(), "last")[0].trace_id == TRACE
    assert asked == [2, 10]


@pytest.mark.parametrize("wanted", [TRACE, TRACE.upper(), f"00-{TRACE}-b7ad6b7169203331-01"])
def test_a_trace_is_found_by_its_id_or_by_its_traceparent(wanted: str) -> None:
    with receiver({f"/trace/{TRACE}": of(TRACE, CALL)}) as stack:
        assert len(trace.find(stack, wanted)) == len(CALL)


def test_a_row_of_the_list_names_the_call_its_apps_and_its_errors() -> None:
    row = trace.summary(CALL)
    assert row["called"] == "caller-app: call callee-app /greet/ada"
    assert (row["services"], row["errors"], row["spans"]) == (["caller-app", "callee-app"], 1, 3)
    assert row["milliseconds"] == 12
    assert row["age_seconds"] == pytest.approx(time.time() - BEGIN / 1e6, abs=2)


@pytest.mark.parametrize(
    ("wanted", "answers", "status", "sentence"),
    [
        ("zzz", {}, 200, "'zzz' is no trace id, which has 32 hexadecimal digits"),
        (TRACE, {}, 200, f"There is no trace {TRACE}, or not yet"),
        ("last", {"/traces": [of(TRACE, CHATTER)]}, 200, "No request has left a span yet on port"),
        ("last", {"/traces": [[{"id": "nonsense"}]]}, 200, "does not speak Zipkin's API"),
        ("last", {"/traces": []}, 500, "answers 500"),
    ],
)
def test_a_refusal_says_what_is_wrong(wanted: str, answers: dict[str, Any], status: int, sentence: str) -> None:
    with receiver(answers, status) as stack, pytest.raises(LabError, match=re.escape(sentence)):
        trace.find(stack, wanted)


def test_without_a_receiver_it_names_the_two_that_there_are() -> None:
    with receiver({}) as stack:
        pass
    with pytest.raises(
        LabError, match=r"Nothing receives spans on port \d+\. Start ./lab zipkin or ./lab up --console"
    ):
        trace.find(stack, "last")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0.4, "0.4 ms"), (999, "999 ms"), (1_500, "1.5 s"), (90_000, "90 s"), (600_000, "10 min"), (1e8, "28 h")],
)
def test_a_length_of_time_has_the_unit_that_fits(milliseconds: float, text: str) -> None:
    assert trace.length(milliseconds) == text


def test_a_span_survives_writing_and_reading() -> None:
    assert [read(write(one)) for one in CALL[:1]] == CALL[:1]
