"""A trace as the lines of a waterfall, in the order of its tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from console.traces.words import error_of, instance_of
from console.waterfall import Line, duration
from labctl.span_words import title
from labctl.spans import Span, trees

ALL = slice(None)


class Tree:
    """The spans of a trace in the order of their tree. seconds: from the first start to the last end."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._walked = [step for root in trees(spans) for step in root.walk()]
        self._first = min((span.start for span in spans), default=0)
        self.seconds = (max((span.end for span in spans), default=0) - self._first) / 1e6

    def __len__(self) -> int:
        return len(self._walked)

    def lines(self, part: slice = ALL) -> list[Line]:
        """Return the lines of a part: a trace may have thousands, of which a page shows some."""
        return [_line(span, depth, self._first) for depth, span in self._walked[part]]


def workflows_of(spans: Iterable[Span]) -> list[tuple[str, str]]:
    """Return app and instance id of the workflows in a trace, parents before children."""
    found = [instance_of(span) for span in sorted(spans, key=lambda span: span.start)]
    return list(dict.fromkeys(one for one in found if one))


def _line(span: Span, depth: int, first: int) -> Line:
    kind = f" · {span.kind.lower()}" if span.kind else ""
    return Line(
        key=f"{span.id}-{span.kind}",
        name=title(span),
        note=f"{span.service}{kind}",
        start=(span.start - first) / 1e6,
        end=(span.end - first) / 1e6,
        state="error" if span.is_error else "ok",
        took=duration(span.duration / 1e6),
        depth=depth,
        is_bad=span.is_error,
        facts=(
            ("Error", error_of(span)),
            ("After", duration((span.start - first) / 1e6)),
            ("Span", f"{span.id}, child of {span.parent_id}" if span.parent_id else span.id),
            ("Name", span.name),
            *sorted((name, value) for name, value in span.tags.items() if name != "error"),
        ),
    )
