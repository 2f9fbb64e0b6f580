"""Redis as it is on the wire: for tests that look at what Dapr really wrote, and that have Redis refuse something."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import IO, Any


class Redis:
    """A connection for each command: Redis is killed and restarted between two of them."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, *words: str) -> Any:
        """Return the answer to a command. Raise RuntimeError for one that Redis refuses."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=10) as connection:
            parts = [word.encode() for word in words]
            told = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
            connection.sendall(b"*%d\r\n%b" % (len(parts), told))
            with connection.makefile("rb") as answer:
                return _read(answer)

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


def _read(answer: IO[bytes]) -> Any:
    line = answer.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise RuntimeError(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        size = int(rest)
        return None if size < 0 else answer.read(size + 2)[:-2]
    if kind == b"*":
        return [_read(answer) for _ in range(int(rest))]
    return rest


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, list):
        for one in value:
            yield from _flat(one)
    elif value is not None:
        yield value if isinstance(value, bytes) else str(value).encode()
