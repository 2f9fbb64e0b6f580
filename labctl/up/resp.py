"""Redis as it is on the wire: for the few commands that labctl and the tests need."""

from __future__ import annotations

import socket
from typing import IO, Any


class Redis:
    """A connection for each command: Redis is killed and restarted between two of them."""

    def __init__(self, port: int, password: str = "") -> None:
        self._port, self._password = port, password

    def __call__(self, *words: str) -> Any:
        """Return the answer to a command. Raise RuntimeError for one that Redis refuses."""
        with (
            socket.create_connection(("127.0.0.1", self._port), timeout=10) as connection,
            connection.makefile("rb") as answer,
        ):
            if self._password:
                connection.sendall(_command("AUTH", self._password))
                _read(answer)
            connection.sendall(_command(*words))
            return _read(answer)


def _command(*words: str) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n%b" % (len(parts), b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))


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
        size = int(rest)
        return None if size < 0 else [_read(answer) for _ in range(size)]
    return rest
