"""Spans of a trace, as Zipkin's API v2 has them, and the tree that they make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

# What `read` raises for a document that is no span.
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
# Any process may send spans, so texts are cut to what a page can show.
LONGEST, MOST_TAGS = 500, 40
_LATEST = 2**52  # microseconds, in the year 2112
_TRACE_ID = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work in a process. start: microseconds since 1970. duration: microseconds.

    kind: SERVER, CLIENT, PRODUCER, CONSUMER, or empty for work inside a process.
    """

    trace_id: str
    id: str
    parent_id: str
    name: str
    service: str
    kind: str
    start: int
    duration: int
    tags: dict[str, str]

    @property
    def is_error(self) -> bool:
        """Return whether the work failed, by the tag that Zipkin uses."""
        return "error" in self.tags

    @property
    def end(self) -> int:
        """Return the end, in microseconds since 1970."""
        return self.start + self.duration


@dataclass
class Node:
    """A span and those that it caused, in the order of their start."""

    span: Span
    children: list[Node] = field(default_factory=list["Node"])

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Span]]:
        """Yield this span and all below it, each with its depth, in the order in which a tree shows them."""
        waiting = [(depth, self)]  # a recursion would fail on a chain of a thousand spans
        while waiting:
            depth, node = waiting.pop()
            yield depth, node.span
            waiting += [(depth + 1, child) for child in reversed(node.children)]


def read(document: dict[str, Any]) -> Span:
    """Return the span of an entry in Zipkin's JSON, with long texts cut. Raise one of UNREADABLE when it is none."""
    tags: dict[str, Any] = document.get("tags") or {}
    endpoint: dict[str, Any] = document.get("localEndpoint") or {}
    return Span(
        trace_id=_matching(_TRACE_ID, document["traceId"]),
        id=_matching(_SPAN_ID, document["id"]),
        parent_id=_matching(_SPAN_ID, document["parentId"]) if document.get("parentId") else "",
        name=_short(document.get("name") or ""),
        service=_short(endpoint.get("serviceName") or ""),
        kind=_short(document.get("kind") or ""),
        start=_bounded(document.get("timestamp")),
        duration=_bounded(document.get("duration")),
        tags={_short(name): _short(value) for name, value in islice(tags.items(), MOST_TAGS)},
    )


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("an id is 16 or 32 hexadecimal digits")
    return value


def _short(value: object) -> str:
    text = str(value)[:LONGEST]
    # JSON may hold half of a character pair, which no answer can be encoded with.
    return text if text.isascii() else text.encode(errors="replace").decode()


def _bounded(value: Any) -> int:
    return max(0, min(int(value or 0), _LATEST))


def trees(spans: Iterable[Span]) -> list[Node]:
    """Return the roots of a trace. A span whose parent was not sent, as a caller's own, is a root too.

    Each span is in one tree, also in a trace of untrue parents.
    """
    nodes = {span.id: Node(span) for span in sorted(spans, key=lambda span: span.start)}
    roots: list[Node] = []
    for node in nodes.values():
        parent = nodes.get(node.span.parent_id)
        (parent.children if parent else roots).append(node)
    reached = {span.id for root in roots for _, span in root.walk()}
    for node in nodes.values():
        if node.span.id not in reached:  # its parents form a circle, which is cut here
            nodes[node.span.parent_id].children.remove(node)
            roots.append(node)
            reached |= {span.id for _, span in node.walk()}
    return roots


def write(span: Span) -> dict[str, Any]:
    """Return a span as Zipkin's JSON has it."""
    return {
        "traceId": span.trace_id,
        "id": span.id,
        **({"parentId": span.parent_id} if span.parent_id else {}),
        **({"kind": span.kind} if span.kind else {}),
        "name": span.name,
        "timestamp": span.start,
        "duration": span.duration,
        "localEndpoint": {"serviceName": span.service},
        "tags": span.tags,
    }
