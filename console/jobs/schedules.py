"""When a job is due next, by the rules of Dapr's scheduler (go-etcd-cron, internal/scheduler; dapr/kit, cron)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import durationpy
from cronsim import CronSim, CronSimError

_PERIODS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)\s+(.+)")


def following(schedule: str, *, start: datetime | None, due: datetime | None, last: datetime | None) -> datetime | None:
    """Return the next firing of a job; None if there is none, or if its schedule is not understood.

    start: from when its schedule counts, if it has no due time. due: its due time. last: its last firing.
    """
    if last is None and due is not None:
        return due
    after = last or start
    return _after(schedule, after) if schedule and after else None


def _after(schedule: str, moment: datetime) -> datetime | None:
    try:
        if schedule.startswith("@every "):
            return moment + durationpy.from_str(schedule.removeprefix("@every ").strip())
        return _match(schedule, moment)
    except (durationpy.DurationError, CronSimError, LookupError, ValueError, OverflowError):
        return None


def _match(schedule: str, moment: datetime) -> datetime | None:
    """Return the first second after a moment that a cron expression matches, in UTC or in the zone of `TZ=`."""
    zone: tzinfo = UTC
    if found := _ZONE.match(schedule):
        zone, schedule = ZoneInfo(found[1] or "UTC"), found[2]
    schedule = _PERIODS.get(schedule, schedule)
    if len(schedule.split()) != 6:  # CronSim would read five fields too, minutes first
        return None
    match = next(CronSim(schedule.replace("?", "*"), moment.replace(microsecond=0).astimezone(zone)), None)
    return match and match.astimezone(UTC)
