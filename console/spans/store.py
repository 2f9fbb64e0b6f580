"""The latest traces, in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from labctl.spans import Span

MOST_SPANS = 20_000
MOST_OF_A_TRACE = 5_000
# Looks at a sidecar, by its app each second: no one reads their traces.
LOOKS = ("/v1.0/metadata", "/v1.0/healthz", "/v1.0/healthz/outbound")


@dataclass(slots=True)
class _Trace:
    spans: dict[tuple[str, str], Span] = field(default_factory=dict[tuple[str, str], Span])
    end: int = 0  # of the span that ended last


class SpanStore:
    """Keep the latest spans, at most MOST_SPANS: whole traces are dropped, those that grew longest ago first."""

    def __init__(self, most: int = MOST_SPANS) -> None:
        self._most = most
        self._size = 0
        # From the trace that grew longest ago to the one that grew last.
        self._traces: OrderedDict[str, _Trace] = OrderedDict()

    def __len__(self) -> int:
        return self._size

    def add(self, spans: Iterable[Span]) -> None:
        """Add spans. One that arrives twice is kept once, and a look at a sidecar is not kept."""
        for span in spans:
            if span.name in LOOKS and not span.parent_id:
                continue
            trace = self._traces.setdefault(span.trace_id, _Trace())
            # A server span may have the id of its client's.
            key = (span.id, span.kind)
            if key in trace.spans or len(trace.spans) >= MOST_OF_A_TRACE:
                continue
            trace.spans[key] = span
            trace.end = max(trace.end, span.end)
            self._size += 1
            self._traces.move_to_end(span.trace_id)
        while self._size > self._most and len(self._traces) > 1:
            _, dropped = self._traces.popitem(last=False)
            self._size -= len(dropped.spans)

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace, none if it is not known."""
        trace = self._traces.get(trace_id)
        return list(trace.spans.values()) if trace else []

    def latest(self, limit: int = 100) -> list[list[Span]]:
        """Return the spans of the latest traces, newest first."""
        return [list(trace.spans.values()) for trace in islice(reversed(self._traces.values()), limit)]

    def since(self, moment: int) -> list[Span]:
        """Return the spans that ended after this moment, in microseconds since 1970."""
        recent = [trace for trace in self._traces.values() if trace.end >= moment]
        return [span for trace in recent for span in trace.spans.values() if span.end >= moment]
