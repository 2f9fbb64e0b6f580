"""The times at which a job is due: the scheduler's own arithmetic, repeated here to know how late a run is.

The rules are those of Dapr's scheduler (go-etcd-cron, internal/scheduler; dapr/kit, cron). A job with a due time is
first called then. `@every` counts from the due time or, without one, from the moment at which the job was scheduled.
Cron matches seconds, in UTC or in the zone that `TZ=` names.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import durationpy
from cronsim import CronSim, CronSimError

# The runtime accepts shorter ones, even zero and negative ones, and then fires without a pause. One such job keeps a
# core of the scheduler and one of the app busy for good. The same holds for the interval of a failure policy.
SHORTEST_INTERVAL = timedelta(milliseconds=100)

_PERIODS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
# Go counts nanoseconds with 64 bits.
_LONGEST_IN_GO = timedelta(microseconds=2**63 // 1000)
_ISO = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)\s+(.+)")


def latest(schedule: str | None, due: datetime | None, base: datetime, now: datetime) -> datetime | None:
    """Return the last moment up to `now` at which a job was due; None if there is none or it is unknown.

    due: its due time, if it has one. base: the moment from which `@every` counts.
    """
    tick = _latest_tick(schedule, base, now) if schedule else None
    return max((time for time in (due, tick) if time and time <= now), default=None)


def every(schedule: str) -> timedelta | None:
    """Return the interval of `@every 1h30m`; None for any other schedule."""
    return go_duration(schedule.removeprefix("@every ").strip()) if schedule.startswith("@every ") else None


def moment(text: str, now: datetime) -> datetime | None:
    """Read a `due_time` as the scheduler does: RFC 3339, or a Go or ISO 8601 duration from `now`. None: unknown."""
    try:
        if _TIME.match(text):
            read = datetime.fromisoformat(text)
            return read.astimezone(UTC) if read.tzinfo else None
        duration = go_duration(text)
        return _after_iso(text, now) if duration is None else now + duration
    except (OverflowError, ValueError):
        return None


def is_beyond_calendar(text: str) -> bool:
    """Return whether a `due_time` is a readable time that is outside the years 1 to 9999 in UTC."""
    try:
        if _TIME.match(text):
            datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return False  # the scheduler refuses it with a reason
    except OverflowError:
        return True
    return False


def go_duration(text: str) -> timedelta | None:
    """Read `1h30m`, `500ms`, `-1.5s` or `0`; return None if the text is no such duration, or too long a one for Go."""
    try:
        duration = durationpy.from_str(text)
    except durationpy.DurationError:
        return None
    return duration if abs(duration) < _LONGEST_IN_GO else None


def harm(schedule: str) -> str | None:
    """Return why this schedule must not reach the runtime, which would accept it and fail; None if it may.

    Any other fault in a schedule is left to the scheduler, which refuses it with a reason.
    """
    if re.match(r"(CRON_)?TZ=\S*\s*$", schedule):
        return "a time zone needs a schedule after it (on this alone the Dapr scheduler crashes)"
    if schedule.startswith("@every "):
        interval = every(schedule)
        return "must be 100 ms or longer" if interval is not None and interval < SHORTEST_INTERVAL else None
    zone = _ZONE.match(schedule)
    if zone and zone[1] == "Local":
        return "TZ=Local is the zone of the scheduler's machine: name a zone, such as TZ=Europe/Berlin"
    if zone and zone[2].startswith("@every"):
        return "an interval has no time zone"
    fields = (zone[2] if zone else schedule).split()
    if any(not field.strip(",") for field in fields):
        return "a list of nothing never matches (the Dapr scheduler would fire without a pause)"
    if len(fields) == 6 and not fields[0].startswith("@"):
        return _never(" ".join(fields))
    return None


def _never(expression: str) -> str | None:
    try:
        next(CronSim(expression.replace("?", "*"), datetime(2024, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        # The 31st of February: the runtime finds no next time, and uses year 1 instead.
        return "no month has such a day" if "day-of-month" in str(error) else None
    return None


def _latest_tick(schedule: str, base: datetime, now: datetime) -> datetime | None:
    if interval := every(schedule):
        count = (now - base) // interval
        return base + count * interval if count > 0 else None
    match = _latest_match(schedule, now)
    return match if match and match > base else None


def _latest_match(schedule: str, now: datetime) -> datetime | None:
    """Return the last second up to `now` that a cron expression matches."""
    zone: tzinfo = UTC
    if found := _ZONE.match(schedule):
        try:
            zone, schedule = ZoneInfo(found[1] or "UTC"), found[2]
        except (LookupError, ValueError):
            return None
    schedule = _PERIODS.get(schedule, schedule)
    # CronSim would read five fields too, minutes first. In reverse it leaves out its start.
    if len(schedule.split()) != 6:
        return None
    following = (now.replace(microsecond=0) + timedelta(seconds=1)).astimezone(zone)
    try:
        match = next(CronSim(schedule.replace("?", "*"), following, reverse=True), None)
    except CronSimError:
        return None
    return match and match.astimezone(UTC)


def _after_iso(text: str, now: datetime) -> datetime | None:
    found = _ISO.fullmatch(text)
    if not found or text.endswith(("P", "T")):
        return None
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    month = now.month - 1 + months
    # As in Go's AddDate, the 31st of a month with 30 days is the 1st of the next.
    first = now.replace(year=now.year + years + month // 12, month=month % 12 + 1, day=1)
    return first + timedelta(days=now.day - 1 + 7 * weeks + days, hours=hours, minutes=minutes, seconds=seconds)
