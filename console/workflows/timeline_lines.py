"""The timeline of a workflow as the lines of a waterfall."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from console.waterfall import Line, duration
from console.workflows.timeline import FAILED, Entry

# A workflow sleeps for days. Until it ends, its present wait is drawn up to now.
_KINDS = {"wait": "wait for event", "child": "child workflow", "event": "event", "pause": "pause"}


def lines_of(entries: Sequence[Entry], app_id: str, now: datetime) -> tuple[list[Line], float]:
    """Return the lines of a timeline, and the seconds from its first entry to its last end, or to now."""
    if not entries:
        return [], 0.0
    first = entries[0].start
    has_ended = any(entry.kind == "workflow" and entry.name == "end" for entry in entries)
    last = max(entry.end or entry.start for entry in entries) if has_ended else now
    lines = [_line(entry, number, app_id, first, last) for number, entry in enumerate(entries)]
    return lines, (last - first).total_seconds()


def _line(entry: Entry, number: int, app_id: str, first: datetime, last: datetime) -> Line:
    start = (entry.start - first).total_seconds()
    end = ((entry.end or last) - first).total_seconds()
    attempts = f" · {entry.attempts} attempts" if entry.attempts > 1 else ""
    elsewhere = f" · in {entry.app_id}" if entry.app_id else ""
    child_url = f"/workflows/{entry.app_id or app_id}/{quote(entry.child, safe='')}" if entry.child else ""
    return Line(
        key=str(number),
        name=entry.name,
        note=f"{_KINDS.get(entry.kind, entry.kind)}{attempts}{elsewhere}",
        start=start,
        end=max(end, start),
        state=entry.state,
        took=duration(entry.seconds) if entry.seconds else "",
        url=child_url,
        is_bad=entry.state in (FAILED, "stalled"),
        facts=(
            ("Error", entry.error),
            ("Child instance", entry.child),
            ("At", f"{entry.start.astimezone():%Y-%m-%d %H:%M:%S.%f}"[:-3]),
            ("Due", f"{entry.due.astimezone():%Y-%m-%d %H:%M:%S}" if entry.due else ""),
            ("Input", entry.input),
            ("Output", entry.output),
        ),
    )
