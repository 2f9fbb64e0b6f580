"""The list of traces: a row for each, and the filters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from console.spans.store import SpanStore
from labctl.span_words import called, is_request, title
from labctl.spans import Span

MOST = 100  # rows
LOOK_AT = 5000  # traces, of which most may be chatter
TRACE_ID = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")


@dataclass(frozen=True)
class TraceRow:
    """A trace in the list. start: microseconds since 1970; seconds: from its first start to its last end."""

    trace_id: str
    root: str
    services: tuple[str, ...]
    spans: int
    start: int
    seconds: float
    errors: int
    is_chatter: bool


@dataclass(frozen=True)
class Filter:
    """What the list shows."""

    app: str = ""
    error: bool = False
    chatter: bool = False

    def takes(self, row: TraceRow) -> bool:
        """Return whether a row is shown."""
        return (
            (not self.app or self.app in row.services)
            and (not self.error or row.errors > 0)
            and (self.chatter or not row.is_chatter)
        )


def row_of(spans: Sequence[Span]) -> TraceRow:
    """Return the row of a trace."""
    first, start = called(spans), min(span.start for span in spans)
    return TraceRow(
        trace_id=first.trace_id,
        root=f"{first.service}: {title(first)}",
        services=tuple(dict.fromkeys(span.service for span in sorted(spans, key=lambda span: span.start))),
        spans=len(spans),
        start=start,
        seconds=(max(span.end for span in spans) - start) / 1e6,
        errors=sum(span.is_error for span in spans),
        is_chatter=not is_request(spans),
    )


class Rows:
    """The rows of a store. A trace is looked at again only when it has grown."""

    def __init__(self, store: SpanStore) -> None:
        self._store = store
        self._rows: dict[str, TraceRow] = {}

    def latest(self, wanted: Filter, most: int = MOST) -> list[TraceRow]:
        """Return the latest traces that the filter takes, newest first."""
        rows = {row.trace_id: row for row in map(self._row, self._store.latest(LOOK_AT))}
        self._rows = rows
        return newest(row for row in rows.values() if wanted.takes(row))[:most]

    def _row(self, spans: list[Span]) -> TraceRow:
        known = self._rows.get(spans[0].trace_id)
        return known if known and known.spans == len(spans) else row_of(spans)


def newest(rows: Iterable[TraceRow]) -> list[TraceRow]:
    """Return rows in the order in which the traces began, the latest first."""
    return sorted(rows, key=lambda row: (row.start, row.trace_id), reverse=True)
