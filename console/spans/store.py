"""The latest traces, in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from labctl.spans import Span

MOST_SPANS = 20_000


class SpanStore:
    """Keep the latest spans, at most MOST_SPANS: whole traces are dropped, those that grew longest ago first."""

    def __init__(self, most: int = MOST_SPANS) -> None:
        self._most = most
        self._size = 0
        # From the trace that grew longest ago to the one that grew last.
        self._traces: OrderedDict[str, dict[tuple[str, str], Span]] = OrderedDict()

    def add(self, spans: Iterable[Span]) -> None:
        """Add spans. One that arrives twice is kept once."""
        for span in spans:
            trace = self._traces.setdefault(span.trace_id, {})
            # A server span may have the id of its client's.
            key = (span.id, span.kind)
            self._size += key not in trace
            trace[key] = span
            self._traces.move_to_end(span.trace_id)
        while self._size > self._most and len(self._traces) > 1:
            _, dropped = self._traces.popitem(last=False)
            self._size -= len(dropped)

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace, none if it is not known."""
        return list(self._traces.get(trace_id, {}).values())

    def latest(self, limit: int = 100) -> list[list[Span]]:
        """Return the spans of the latest traces, newest first."""
        return [list(self._traces[trace_id].values()) for trace_id in list(reversed(self._traces))[:limit]]

    def since(self, moment: int) -> list[Span]:
        """Return the spans that ended after this moment, in microseconds since 1970."""
        found: list[Span] = []
        for trace_id in reversed(self._traces):
            recent = [span for span in self._traces[trace_id].values() if span.end >= moment]
            if not recent:
                break
            found += recent
        return found
