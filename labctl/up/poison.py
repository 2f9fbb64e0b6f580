"""Park each event that makes its subscriber's sidecar panic whenever it is delivered (docs/dapr-faults.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import causes, infrastructure, logfiles
from labctl.up.resp import Redis

_PANIC = "panic: interface conversion"
_DELIVERS = "/postman/http.(*http).Deliver"
# The sidecar takes these for texts.
_TEXTS = ("traceparent", "traceid")


def park(stack: Stack, app: App) -> list[str]:
    """Move such events out of their streams into files, if the app's sidecar ended by this panic.

    Return a sentence for each. The event is acknowledged, so the next sidecar does not get it again.
    """
    log = logfiles.file(stack, app, "daprd")
    rows = causes.read(log) if log else []
    if not any(row.startswith(_PANIC) for row in rows) or not any(_DELIVERS in row for row in rows):
        return []
    config = infrastructure.redis_config(stack)
    redis = Redis(stack.ports["redis"], config.read_text().split()[1] if stack.secure else "")
    return [_move(stack, redis, *one) for one in _found(redis, app.app_id)]


def _found(redis: Redis, app_id: str) -> Iterator[tuple[str, str, str, bytes]]:
    """Yield stream, group, id and event of each event of this app, delivered, in which such a field is no text.

    Another program may use the same Redis.
    """
    for stream in _streams(redis):
        for group in redis("XINFO", "GROUPS", stream):
            name = dict(zip(group[::2], group[1::2], strict=True))[b"name"].decode()
            if name != app_id:
                continue
            for pending in redis("XPENDING", stream, name, "-", "+", "1000"):
                entry = pending[0].decode()
                for _, fields in redis("XRANGE", stream, entry, entry):
                    values: list[bytes] = fields or []
                    yield from ((stream, name, entry, value) for value in values if _is_poison(value))


def _streams(redis: Redis) -> Iterator[str]:
    cursor = "0"
    while True:
        following, keys = redis("SCAN", cursor, "TYPE", "stream", "COUNT", "1000")
        yield from (key.decode() for key in keys)
        if following == b"0":
            return
        cursor = following.decode()


def _is_poison(value: bytes) -> bool:
    try:
        event: Any = json.loads(value)
    except ValueError:
        return False
    if not isinstance(event, dict):
        return False
    fields = cast(dict[str, Any], event)
    return not isinstance(next((fields[name] for name in _TEXTS if fields.get(name) is not None), ""), str)


def _move(stack: Stack, redis: Redis, topic: str, group: str, entry: str, event: bytes) -> str:
    file = stack.state / "parked" / f"{topic}-{entry}.json"
    file.parent.mkdir(exist_ok=True, mode=0o700)
    file.write_bytes(event)
    redis("XACK", topic, group, entry)
    redis("XDEL", topic, entry)
    return f"The event {entry} of {topic} made {group}'s sidecar panic: its trace id is no text. It is now in {file}."
