"""The keys of one app, a bounded number at a look, and the value of one key.

Dapr keeps a value in a hash of Redis: `data` has the value, `version` the ETag. A key of an app is `app||key`, and that
of an actor `app||type||id||key`. Workflows are actors whose type begins with `dapr.internal.`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

SEPARATOR = "||"
ENGINE = "dapr.internal."
AT_ONCE = 1_000  # keys that Redis looks at before it serves others
LOOKED_AT = 20_000  # keys in one look, at most
SHOWN = 100  # keys of one look
SHOWN_BYTES = 256_000  # of a value; a longer one is not read
_CIPHERTEXT = re.compile(rb"[A-Za-z0-9+/]+={0,2}\|\|(.+)")


@dataclass
class Look:
    """Some of the keys of an app. cursor: where the next look goes on; 0 at the end.

    looked_at: keys of Redis that were compared. engine: number of keys by actor type of the workflow engine.
    """

    names: list[str] = field(default_factory=list[str])
    cursor: int = 0
    looked_at: int = 0
    engine: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True)
class Key:
    """A key as it is in Redis. ttl: seconds until it expires; None if it stays. size: bytes of its value."""

    name: str
    etag: str
    ttl: int | None
    size: int


@dataclass(frozen=True)
class Value:
    """The value of a key. encrypted_with: the name of the key's secret, empty if it is not encrypted."""

    encrypted_with: str
    text: str


async def look(redis: Redis, app_id: str, prefix: str = "", cursor: int = 0) -> Look:
    """Return keys of an app that begin with `prefix`, from this cursor on. Raise RedisError when Redis does not answer.

    It stops after LOOKED_AT keys or SHOWN of them, so a look never holds up Redis.
    """
    found = Look(cursor=cursor)
    pattern = escaped(f"{app_id}{SEPARATOR}{prefix}") + "*"
    while True:
        scan: Any = redis.scan(found.cursor, match=pattern, count=AT_ONCE, _type="hash")  # pyright: ignore[reportUnknownMemberType]
        found.cursor, names = await scan
        found.looked_at += AT_ONCE
        _sort(found, app_id, [name.decode(errors="replace") for name in names])
        if found.cursor == 0 or found.looked_at >= LOOKED_AT or len(found.names) >= SHOWN:
            found.names.sort()
            return found


def _sort(found: Look, app_id: str, names: list[str]) -> None:
    for name in names:
        rest = name.removeprefix(app_id + SEPARATOR)
        if rest.startswith(ENGINE):
            found.engine[rest.partition(SEPARATOR)[0]] += 1
        else:
            found.names.append(name)


async def described(redis: Redis, names: list[str]) -> list[Key]:
    """Return ETag, TTL and size of these keys, without those that are gone since."""
    pipeline = redis.pipeline(transaction=False)
    for name in names:
        pipeline.hget(name, "version")
        pipeline.ttl(name)
        pipeline.hstrlen(name, "data")
    answers: list[Any] = await pipeline.execute()
    rows = zip(names, answers[::3], answers[1::3], answers[2::3], strict=True)
    return [
        Key(name, (etag or b"").decode(), ttl if ttl >= 0 else None, size)
        for name, etag, ttl, size in rows
        if ttl != _GONE
    ]


_GONE = -2  # Redis' TTL of a key that does not exist


async def value(redis: Redis, name: str) -> Value | None:
    """Return the value of a key; None if it is gone. Of an encrypted one only which key it is encrypted with."""
    size: Any = await redis.hstrlen(name, "data")
    if size > SHOWN_BYTES:
        return Value("", f"The value has {size:,} bytes, which is too long for this page.")
    data: Any = await redis.hget(name, "data")
    return None if data is None else of_data(data)


def of_data(data: bytes) -> Value:
    """Return the value that the `data` of a hash has, JSON with one member a line."""
    if sealed := _CIPHERTEXT.fullmatch(data):
        return Value(sealed[1].decode(errors="replace"), "")
    try:
        return Value("", json.dumps(json.loads(data), indent=2, ensure_ascii=False))
    except ValueError:
        return Value("", data.decode(errors="replace"))


def escaped(text: str) -> str:
    """Return a text as a pattern of SCAN that matches it alone."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", text)
