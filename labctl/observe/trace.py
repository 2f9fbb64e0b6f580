"""Read traces from the receiver of spans on port 9411, a Zipkin or the console, and print them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpx
from rich import box
from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from labctl import spans
from labctl.errors import LabError
from labctl.runfile import ZIPKIN
from labctl.span_words import called, is_request, title
from labctl.spans import Node, Span
from labctl.stack import Stack
from labctl.up import processes, remembered

LAST = "last"
_NOT_FOUND = 404
LOOK_AT = (1_000, 10_000)  # traces; the second time more of them, because most are chatter
BAR = 24  # characters
_WIDE = 120  # characters of a terminal that has room for bars
# An id, alone or in a traceparent.
_ID = re.compile(r"(?:[0-9a-f]{2}-)?([0-9a-f]{32}|[0-9a-f]{16})(?:-[0-9a-f]{16}-[0-9a-f]{2})?")


def find(stack: Stack, wanted: str) -> list[Span]:
    """Return the spans of a trace by its id, or those of the last request. Raise LabError when there are none."""
    if wanted == LAST:
        found = latest(stack, 1)
        if not found:
            raise LabError(f"No request has left a span yet on port {_port(stack)}. {_why_none(stack)}")
        return found[0]
    trace_id = _ID.fullmatch(wanted.lower())
    if not trace_id:
        raise LabError(f"{wanted!r} is no trace id, which has 32 hexadecimal digits. The latest: ./lab trace --list")
    answer = _get(stack, f"/trace/{trace_id[1]}")
    if answer.status_code == _NOT_FOUND:
        raise LabError(f"There is no trace {trace_id[1]}, or not yet: sidecars send spans every 5 s. {_LIST}")
    return _read(stack, answer, is_one=True)[0]


_LIST = "The latest: ./lab trace --list"


def latest(stack: Stack, most: int, *, everything: bool = False) -> list[list[Span]]:
    """Return the spans of the latest requests, newest first. everything: also of what apps and sidecars do unasked."""
    found: list[list[Span]] = []
    for limit in LOOK_AT:
        seen = _read(stack, _get(stack, "/traces", limit=limit))
        found = [one for one in seen if one and (everything or is_request(one))]
        if len(found) >= most or len(seen) < limit:
            break
    return sorted(found, key=_start, reverse=True)[:most]


def _get(stack: Stack, path: str, **query: int) -> httpx.Response:
    port = _port(stack)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v2", timeout=20, trust_env=False) as http:
            answer = http.get(path, params=query)
    except httpx.ConnectError:
        mend = "Start ./lab zipkin or ./lab up --console, and restart the labs that run: ./lab down first."
        if remembered.read(stack).console:
            mend = "The console of the labs does not run: ./lab restart console"
        raise LabError(f"Nothing receives spans on port {port}. {mend}") from None
    except httpx.HTTPError as error:
        raise LabError(f"{processes.holder(port)} on port {port} does not answer: {error or type(error)}") from error
    if answer.is_error and answer.status_code != _NOT_FOUND:
        raise LabError(f"{processes.holder(port)} on port {port} answers {answer.status_code}: {answer.text[:200]}")
    return answer


def _read(stack: Stack, answer: httpx.Response, *, is_one: bool = False) -> list[list[Span]]:
    try:
        traces: list[Any] = [answer.json()] if is_one else answer.json()
        return [[spans.read(entry) for entry in entries] for entries in traces]
    except spans.UNREADABLE:
        port = _port(stack)
        raise LabError(f"{processes.holder(port)} on port {port} does not speak Zipkin's API.") from None


def _port(stack: Stack) -> int:
    return ZIPKIN + stack.offset


def _why_none(stack: Stack) -> str:
    if any(one.kind == "sidecar" for one in processes.find(stack)):
        return "Sidecars send theirs every 5 s, and only if a receiver ran when they started (./lab down, ./lab up)."
    return "No labs run: ./lab up"


def _start(trace: Sequence[Span]) -> int:
    return min(span.start for span in trace)


def summary(trace: Sequence[Span]) -> dict[str, Any]:
    """Return the facts of a trace for its row in the list: the call that began it, its length, its apps."""
    first, begin = called(trace), _start(trace)
    return {
        "trace_id": first.trace_id,
        "called": f"{first.service}: {title(first)}",
        "services": list(dict.fromkeys(span.service for span in sorted(trace, key=lambda span: span.start))),
        "spans": len(trace),
        "errors": sum(span.is_error for span in trace),
        "milliseconds": (max(span.end for span in trace) - begin) / 1000,
        "age_seconds": round(time.time() - begin / 1e6, 1),
    }


def listed(traces: Sequence[Sequence[Span]]) -> Table:
    """Return a table of traces, one a row."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("trace", "called", "spans", "errors", "took", "ago", "apps"):
        right = column in ("spans", "errors", "took", "ago")
        table.add_column(column, no_wrap=True, justify="right" if right else "left")
    for row in map(summary, traces):
        errors = Text(str(row["errors"]), "red" if row["errors"] else "")
        took, ago = Text(length(row["milliseconds"])), Text(length(row["age_seconds"] * 1000))
        apps = Text(_line(", ".join(row["services"])))
        table.add_row(row["trace_id"], Text(_line(row["called"])), str(row["spans"]), errors, took, ago, apps)
    return table


def drawn(console: Console, trace: Sequence[Span]) -> Table:
    """Return a trace as a tree: what each span is, its kind, when it started, how long it took, and its error."""
    begin, whole = _start(trace), max(span.end for span in trace) - _start(trace)
    has_bars = console.width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("span")  # the one that shrinks: its cells are cut
    table.add_column("kind", no_wrap=True, min_width=12)
    for column in ("start", "took"):
        table.add_column(column, no_wrap=True, min_width=8, justify="right")
    if has_bars:
        table.add_column("", no_wrap=True)
    roots = spans.trees(trace)
    walked = [span for root in roots for _, span in root.walk()]
    for span, branch in zip(walked, _branches(console, roots), strict=True):
        kind = Text(f"{span.kind.lower()} error".strip(), "red") if span.is_error else span.kind.lower()
        cells = [kind, f"+{length((span.start - begin) / 1000)}", length(span.duration / 1000)]
        bar = [Text(_bar(span.start - begin, span.duration, whole), "red" if span.is_error else "cyan")]
        table.add_row(branch, *cells, *(bar if has_bars else []))
    return table


def _branches(console: Console, roots: Sequence[Node]) -> list[Text]:
    """Return the line of each span, behind the guides of a tree."""
    top = Tree("", hide_root=True)
    waiting = [(top, node) for node in reversed(roots)]
    while waiting:
        branch, node = waiting.pop()
        below = branch.add(_label(node.span))
        waiting += [(below, child) for child in reversed(node.children)]
    options = console.options.update(width=10_000, no_wrap=True)
    lines = console.render_lines(top, options, pad=False)
    return [_joined(Segment.simplify(line)) for line in lines]


def _joined(line: Iterable[Segment]) -> Text:
    return Text.assemble(*((one.text, one.style or "") for one in line), no_wrap=True, overflow="ellipsis")


def _label(span: Span) -> Text:
    label = Text.assemble((span.service, "bold"), " ", _line(title(span)))
    if span.is_error:
        label.append(f"  {_line(span.tags['error'])}", "red")
    return label


def _line(text: str) -> str:
    """Return a text of another process so that it stays in its line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _bar(start: int, duration: int, whole: int) -> str:
    first = min(BAR - 1, start * BAR // max(whole, 1))
    return " " * first + "━" * max(1, min(BAR - first, round(duration * BAR / max(whole, 1))))


def length(milliseconds: float) -> str:
    """Return a length of time with about three digits."""
    for unit, size, limit in (("ms", 1, 1_000), ("s", 1_000, 120_000), ("min", 60_000, 7_200_000)):
        if milliseconds < limit:
            return f"{milliseconds / size:.{1 if milliseconds / size < 10 else 0}f} {unit}"
    return f"{milliseconds / 3_600_000:.0f} h"
