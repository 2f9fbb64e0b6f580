"""Small helpers of the services' tests: wait for a condition, find a port, run a service as a process."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def eventually(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Poll until the condition holds, and return its value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds:g} s"
        time.sleep(0.01)
    return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def held_port() -> Generator[int]:
    """Yield a free port that Linux gives only to a server that asks for it. Elsewhere it is merely free at first."""
    if sys.platform != "linux":
        yield free_port()
        return
    with socket.socket() as holder:
        # A server may share a port with a socket that does not listen, if both have this option. asyncio's have it.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def listens(port: int) -> bool:
    """Check whether something listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def process(folder: Path, script: str = "main.py", **environment: object) -> Generator[tuple[Any, int]]:
    """Run a script of a service as a process, wait until it listens, and yield it with its port."""
    with held_port() as port:
        variables = {**os.environ, "APP_PORT": str(port), **{name: str(value) for name, value in environment.items()}}
        running = subprocess.Popen(
            [sys.executable, script],
            cwd=folder,
            env=variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 20
            while not listens(port):
                assert running.poll() is None, running.communicate()[0]
                assert time.monotonic() < deadline, f"{script} does not listen"
                time.sleep(0.02)
            yield running, port
        finally:
            running.kill()
            running.communicate()
