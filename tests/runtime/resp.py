"""Redis as it is on the wire: for tests that look at what Dapr really wrote, and that have Redis refuse something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from labctl.up import resp


class Redis(resp.Redis):
    """A Redis that also returns all of its data."""

    def everything(self) -> Iterator[tuple[bytes, bytes]]:
        """Return every key with its value, as one run of bytes."""
        for key in self("KEYS", "*"):
            yield key, b"\n".join(_flat(self._value(key.decode())))

    def _value(self, key: str) -> Any:
        kind = self("TYPE", key).decode()
        reads = {
            "string": ("GET", key),
            "hash": ("HGETALL", key),
            "list": ("LRANGE", key, "0", "-1"),
            "set": ("SMEMBERS", key),
            "zset": ("ZRANGE", key, "0", "-1"),
            "stream": ("XRANGE", key, "-", "+"),
            "none": ("GET", key),
        }
        return self(*reads[kind])


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, list):
        for one in cast(list[Any], value):
            yield from _flat(one)
    elif value is not None:
        yield value if isinstance(value, bytes) else str(value).encode()
