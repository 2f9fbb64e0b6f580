"""What Dapr's scheduler has planned: jobs of apps, reminders of actors, and timers of workflows.

Its etcd is the only place that has all of them with their counters. It answers on loopback without TLS and token, with
mTLS too, and through a JSON gateway.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from console.jobs.messages import Counter, Job
from console.jobs.schedules import following
from console.labs import Labs
from labctl.errors import LabError

MOST = 1_000  # of each kind that are read
AT_ONCE = 200  # in one request
SHOWN = 100  # of each kind
JOBS, COUNTERS = "dapr/jobs/", "dapr/counters/"
APPS, REMINDERS = "app||", "actorreminder||"
ENGINE = "dapr.internal."
# The type of the actors that delete finished workflows. Each finished workflow has one for its retention time.
RETENTION = ".retentioner"


@dataclass(frozen=True)
class Planned:
    """A job or reminder. kind: `job`, `actor reminder` or `workflow`.

    owner: its app, or the type of its actor. actor: the id of its actor; that of a workflow begins with the instance.
    schedule: empty for a single firing. left: firings that are left; None without an end. attempts: failed attempts of
    the next firing.
    """

    kind: str
    owner: str
    actor: str
    name: str
    schedule: str
    following: datetime | None
    fired: int
    left: int | None
    attempts: int
    expires: datetime | None


@dataclass(frozen=True)
class Plan:
    """The next SHOWN of one kind, those that are due first on top, without the retention of finished workflows.

    count: how many there are in all, with the retentions. is_whole: whether all were looked at.
    """

    planned: tuple[Planned, ...] = ()
    count: int = 0
    is_whole: bool = True


async def jobs(labs: Labs) -> Plan:
    """Return the jobs of apps. Raise LabError when the scheduler does not answer."""
    return await _plan(labs, APPS)


async def reminders(labs: Labs) -> Plan:
    """Return the reminders of actors and the timers of workflows. Raise LabError when the scheduler does not answer."""
    return await _plan(labs, REMINDERS)


async def _plan(labs: Labs, kind: str) -> Plan:
    records: dict[str, bytes] = {}
    start, end = f"{JOBS}{kind}", f"{JOBS}{kind[:-1]}}}"
    found, count = await _range(labs, start, end)
    while found:
        records |= {key.removeprefix(JOBS): record for key, record in found.items() if not _is_retention(key)}
        if len(found) < AT_ONCE or len(records) >= MOST:
            break
        found, _ = await _range(labs, after([*found][-1]), end)
    if not records:
        return Plan(count=count, is_whole=True)
    names = [*records]
    counters, _ = await _range(labs, COUNTERS + names[0], f"{COUNTERS}{names[-1]}\0", limit=MOST)
    return of_records(records, counters, count, is_whole=len(found) < AT_ONCE)


def _is_retention(key: str) -> bool:
    return f"{RETENTION}||" in key


def after(key: str) -> str:
    """Return where to read on after this key. The retentions of an app may be thousands: all of them are skipped."""
    kind, found, _ = key.partition(f"{RETENTION}||")
    return f"{kind}{RETENTION}|}}" if found else f"{key}\0"


def of_records(records: dict[str, bytes], counters: dict[str, bytes], count: int, *, is_whole: bool = True) -> Plan:
    """Return the plan of these entries of etcd, by their key after `dapr/jobs/`. count: how many there are in all."""
    planned = [of_record(name, record, counters.get(COUNTERS + name)) for name, record in records.items()]
    return Plan(tuple(in_order(planned)[:SHOWN]), count, is_whole)


def in_order(planned: Iterable[Planned]) -> list[Planned]:
    """Return those that are due next first."""
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(planned, key=lambda one: (one.following or never, one.owner, one.name))


async def _range(labs: Labs, first: str, end: str, *, limit: int = AT_ONCE) -> tuple[dict[str, bytes], int]:
    """Return the first entries of etcd from one key up to another, and how many there are in all."""
    port = labs.stack.ports["scheduler-etcd"]
    wanted = {"key": _encoded(first), "range_end": _encoded(end), "limit": limit}
    try:
        answer = await labs.http.post(f"http://127.0.0.1:{port}/v3/kv/range", json=wanted)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise LabError(
            f"The scheduler's etcd does not answer on port {port}. Bring it back: ./lab restart scheduler"
        ) from error
    document: dict[str, Any] = answer.json()
    entries: list[dict[str, str]] = document.get("kvs", [])
    found = {base64.b64decode(one["key"]).decode(): base64.b64decode(one.get("value", "")) for one in entries}
    return found, int(document.get("count", 0))


def _encoded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


def of_record(name: str, record: bytes, counter: bytes | None = None) -> Planned:
    """Return what an entry of etcd plans. name: its key after `dapr/jobs/`. counter: the entry of its counter."""
    job: Any = Job.FromString(record)
    count: Any = Counter.FromString(counter or b"")
    if count.job_partition_id != job.partition_id:  # the counter of an earlier job of that name
        count = Counter()
    schedule, expires = job.job.schedule, _time(job, "expiration")
    last = _time(count, "last_trigger")
    due = following(schedule, start=_time(job, "start"), due=_time(job, "due_time"), last=last)
    kind, owner, actor, short = _parts(name)
    return Planned(
        kind=kind,
        owner=owner,
        actor=actor,
        name=short,
        schedule=schedule,
        following=None if due and expires and due > expires else due,
        fired=count.count,
        left=max(0, job.job.repeats - count.count) if job.job.HasField("repeats") else _without_repeats(schedule),
        attempts=count.attempts,
        expires=expires,
    )


def _without_repeats(schedule: str) -> int | None:
    return None if schedule else 1


def _time(message: Any, field: str) -> datetime | None:
    return message_time(getattr(message, field)) if message.HasField(field) else None


def message_time(stamp: Any) -> datetime | None:
    """Return a timestamp of protobuf as a time; None for one that no calendar has."""
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _parts(name: str) -> tuple[str, str, str, str]:
    """Return kind, owner, actor and name.

    The key of a job is `app||namespace||app||name`, and that of a reminder `actorreminder||namespace||type||id||name`.
    """
    first, namespace, owner, *rest = name.split("||")
    if first == APPS.removesuffix("||"):
        return "job", owner, "", "||".join(rest)
    actor = "||".join(rest[:-1])
    if owner.startswith(ENGINE):
        app_id = owner.removeprefix(f"{ENGINE}{namespace}.").rpartition(".")[0]
        return "workflow", app_id, actor, rest[-1]
    return "actor reminder", owner, actor, rest[-1]
