"""The streams in which Redis keeps the events of topics: their length, their readers, and the latest events."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

LATEST = 20
SHOWN = 20_000  # characters of an event on the page
_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")


@dataclass(frozen=True)
class Group:
    """The consumer group of a stream: one app with all its replicas.

    lag: events that were not delivered yet; None if Redis does not know. pending: delivered, but not acknowledged.
    oldest: seconds since the oldest pending event was published.
    """

    app_id: str
    lag: int | None
    pending: int
    oldest: float | None
    consumers: int


@dataclass(frozen=True)
class Stream:
    """A stream as it is now. length counts acknowledged events too, which Redis keeps for the broker's streamTTL."""

    length: int
    last: datetime | None
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Event:
    """An event of a stream. `event` is the CloudEvent, None for a payload that is none."""

    entry: str
    published: datetime
    size: int
    text: str
    event: dict[str, Any] | None

    def member(self, name: str) -> str:
        """Return a member of the CloudEvent as text. Empty if it has none."""
        found = (self.event or {}).get(name)
        return "" if found is None else str(found)

    @property
    def trace_id(self) -> str:
        """Return the id of the trace in which it was published. Empty if it has none."""
        found = _TRACE.match(self.member("traceparent")) or _TRACE.match(self.member("traceid"))
        return found[1] if found else ""


async def look(redis: Redis, names: Sequence[str]) -> dict[str, Stream]:
    """Return the streams of these names that exist. Raise RedisError when Redis does not answer."""
    pipeline = redis.pipeline(transaction=False)
    for name in names:
        pipeline.xinfo_stream(name)
        pipeline.xinfo_groups(name)
    answers: list[Any] = await pipeline.execute(raise_on_error=False)
    found: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
    for name, info, groups in zip(names, answers[::2], answers[1::2], strict=True):
        # A topic that was never used has no stream.
        if not isinstance(info, ResponseError) and not isinstance(groups, ResponseError):
            found[name] = info, groups
    oldest = await _oldest(redis, {name: groups for name, (_, groups) in found.items()})
    return {
        name: Stream(
            length=info["length"],
            last=moment(info["last-entry"][0]) if info["last-entry"] else None,
            groups=tuple(_group(entry, oldest.get((name, entry["name"]))) for entry in groups),
        )
        for name, (info, groups) in found.items()
    }


async def _oldest(redis: Redis, groups: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, bytes], bytes]:
    """Return the id of the oldest pending entry of each group that has one."""
    wanted = [(name, entry["name"]) for name, entries in groups.items() for entry in entries if entry["pending"]]
    pipeline = redis.pipeline(transaction=False)
    for name, group in wanted:
        pipeline.xpending(name, group)
    answers: list[Any] = await pipeline.execute(raise_on_error=False)
    pairs = zip(wanted, answers, strict=True)
    return {key: answer["min"] for key, answer in pairs if isinstance(answer, dict) and answer["min"]}


def _group(entry: dict[str, Any], oldest: bytes | None) -> Group:
    return Group(
        app_id=entry["name"].decode(),
        lag=entry.get("lag"),
        pending=entry["pending"],
        oldest=None if oldest is None else max(0.0, time.time() - moment(oldest).timestamp()),
        consumers=entry["consumers"],
    )


def moment(entry: bytes) -> datetime:
    """Return when an entry was added, which is the first part of its id."""
    return datetime.fromtimestamp(int(entry.partition(b"-")[0]) / 1000, UTC)


async def latest(redis: Redis, name: str, count: int = LATEST) -> list[Event]:
    """Return the latest events of a topic, newest first. Raise RedisError when Redis does not answer."""
    entries: Any = await redis.xrevrange(name, count=count)
    return [of_entry(entry, fields.get(b"data", b"")) for entry, fields in entries if fields]


def of_entry(entry: bytes, data: bytes) -> Event:
    """Return the event of an entry of a stream."""
    try:
        found: Any = json.loads(data)
    except ValueError:
        found = None
    event = cast(dict[str, Any], found) if isinstance(found, dict) and "specversion" in found else None
    text = data.decode(errors="replace") if found is None else json.dumps(found, indent=2, ensure_ascii=False)
    return Event(entry.decode(), moment(entry), len(data), bounded(text), event)


def bounded(text: str) -> str:
    """Return the text, or its beginning and its size if it is long."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}\n… ({len(text):,} characters)"
