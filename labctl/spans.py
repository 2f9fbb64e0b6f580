"""Spans of a trace, as Zipkin's API v2 has them, and the tree that they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


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
        yield depth, self.span
        for child in self.children:
            yield from child.walk(depth + 1)


def read(document: dict[str, Any]) -> Span:
    """Return the span of an entry in Zipkin's JSON. Raise KeyError or ValueError when it is none."""
    return Span(
        trace_id=str(document["traceId"]),
        id=str(document["id"]),
        parent_id=str(document.get("parentId", "")),
        name=str(document.get("name", "")),
        service=str((document.get("localEndpoint") or {}).get("serviceName", "")),
        kind=str(document.get("kind", "")),
        start=int(document.get("timestamp", 0)),
        duration=int(document.get("duration", 0)),
        tags={str(name): str(value) for name, value in (document.get("tags") or {}).items()},
    )


def trees(spans: Iterable[Span]) -> list[Node]:
    """Return the roots of a trace. A span whose parent was not sent, as a caller's own, is a root too."""
    nodes = {span.id: Node(span) for span in sorted(spans, key=lambda span: span.start)}
    roots: list[Node] = []
    for node in nodes.values():
        parent = nodes.get(node.span.parent_id)
        (parent.children if parent and parent is not node else roots).append(node)
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
