"""Times and durations as the pages show them."""

from __future__ import annotations

from datetime import datetime


def clock(moment: datetime | None) -> str:
    """Return a time in the zone of this machine, with its date unless that is today. Empty for None."""
    if moment is None:
        return ""
    local = moment.astimezone()
    today = datetime.now().astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S")


def read(text: str) -> datetime | None:
    """Return the time of a text in ISO 8601; None if it is none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: `45 s`, `2 h 5 min`, `6 d 23 h`."""
    left, parts = int(seconds), list[str]()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
