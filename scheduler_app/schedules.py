"""When a job is due: the scheduler's own arithmetic, done again so that lateness can be told.

The rules are those of Dapr 1.18's scheduler (go-etcd-cron 0.12.6, internal/scheduler; dapr/kit 0.18.1, cron): a job
with a due time first fires then; `@every` counts on from the due time, or without one from the moment it was scheduled;
cron fires at each second that matches, in UTC or in the zone that `TZ=` names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

# The runtime takes shorter ones, zero and negative ones too, and then fires without a pause: one such job keeps a core
# of the scheduler and one of the app busy for good (seen on 1.18.0).
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
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_GO_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_ISO = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)\s+(.+)")


@dataclass(frozen=True, slots=True)
class Plan:
    """The times of one job: `due` is its due time as a moment, `base` where `@every` counts from."""

    schedule: str | None
    due: datetime | None
    base: datetime

    def latest(self, now: datetime) -> datetime | None:
        """The last moment up to `now` at which the job was due; None if there was none, or it cannot be told."""
        return max((time for time in (self.due, self._tick(now, after=False)) if time and time <= now), default=None)

    def next(self, now: datetime) -> datetime | None:
        """The first moment after `now` at which the job is due; None if there is none, or it cannot be told."""
        if self.due and self.due > now:
            return self.due
        return self._tick(now, after=True)

    def _tick(self, now: datetime, *, after: bool) -> datetime | None:
        if self.schedule is None:
            return None
        start = max(now, self.base) if after else now
        if interval := every(self.schedule):
            count = (start - self.base) // interval + (1 if after else 0)
            return self.base + count * interval if count > 0 else None
        tick = next(_matches(self.schedule, start, after=after), None)
        return tick if tick and tick > self.base else None


def every(schedule: str) -> timedelta | None:
    """The interval of `@every 1h30m`; None for any other schedule."""
    return go_duration(schedule.removeprefix("@every ").strip()) if schedule.startswith("@every ") else None


def moment(text: str, now: datetime) -> datetime | None:
    """A `due_time` as the scheduler reads it: RFC 3339, a Go duration or an ISO 8601 duration, both from `now`."""
    if re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text):
        try:
            read = datetime.fromisoformat(text)
        except ValueError:
            return None
        return read.astimezone(UTC) if read.tzinfo else None
    try:
        duration = go_duration(text)
        return now + duration if duration is not None else _after_iso(text, now)
    except (OverflowError, ValueError):
        return None


def go_duration(text: str) -> timedelta | None:
    """`1h30m`, `500ms`, `-1.5s`, `0`; None if it is none."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits == "0":
        return timedelta(0)
    parts = _GO_PART.findall(digits)
    if not parts or "".join(number + unit for number, unit in parts) != digits:
        return None
    try:
        return sign * timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        return None


def harm(schedule: str) -> str | None:
    """Why this schedule must not reach the runtime, which would take it and come to harm; None if it may.

    Each was seen on Dapr 1.18.0. Whatever else is wrong with a schedule the runtime refuses itself, with a reason.
    """
    if re.match(r"(CRON_)?TZ=\S*\s*$", schedule):
        return "a time zone needs a schedule after it (on this alone the Dapr scheduler 1.18 crashes)"
    if schedule.startswith("@every "):
        interval = every(schedule)
        return "must be 100 ms or longer" if interval is not None and interval < SHORTEST_INTERVAL else None
    zone = _ZONE.match(schedule)
    fields = (zone[2] if zone else schedule).split()
    if any(not field.strip(",") for field in fields):
        return "a list of nothing never matches (the Dapr scheduler 1.18 would fire without a pause)"
    if len(fields) == 6 and not fields[0].startswith("@"):
        return _never(" ".join(fields))
    return None


def _never(expression: str) -> str | None:
    try:
        next(CronSim(expression.replace("?", "*"), datetime(2024, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        # The 31st of February: the runtime finds no next time, and takes year 1 for it.
        return "no such day of the month ever comes" if "day-of-month" in str(error) else None
    return None


def _matches(schedule: str, start: datetime, *, after: bool) -> Iterator[datetime]:
    """The seconds that match a cron expression, from `start` on or back from it (itself included)."""
    zone: tzinfo = UTC
    if found := _ZONE.match(schedule):
        try:
            zone, schedule = ZoneInfo(found[1] or "UTC"), found[2]
        except (LookupError, ValueError):
            return
    schedule = _PERIODS.get(schedule, schedule)
    # CronSim would read five fields too, as minutes first. Going back it leaves out where it starts.
    if len(schedule.split()) != 6:
        return
    begin = (start if after else start.replace(microsecond=0) + timedelta(seconds=1)).astimezone(zone)
    try:
        for match in CronSim(schedule.replace("?", "*"), begin, reverse=not after):
            yield match.astimezone(UTC)
    except CronSimError:
        return


def _after_iso(text: str, now: datetime) -> datetime | None:
    found = _ISO.fullmatch(text)
    if not found or text.endswith(("P", "T")):
        return None
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    month = now.month - 1 + months
    # As Go's AddDate has it, the 31st of a month with 30 days is the 1st of the next.
    first = now.replace(year=now.year + years + month // 12, month=month % 12 + 1, day=1)
    return first + timedelta(days=now.day - 1 + 7 * weeks + days, hours=hours, minutes=minutes, seconds=seconds)
