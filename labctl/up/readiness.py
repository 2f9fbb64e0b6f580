"""Ask whether the apps of a stack can serve, or wait until they can."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import logfiles, processes

READY_WITHIN = 90  # seconds, for all apps together; warm it takes 3 to 8


@dataclass(frozen=True)
class Status:
    """One app as it is now. The pid of a process that does not run is None."""

    app: App
    pid: int | None
    sidecar_pid: int | None
    ready: bool


def is_ready(app: App) -> bool:
    """Return whether app and sidecar can serve: the sidecar is healthy, and the app reports that it is ready."""
    # Not /healthz/outbound: this one waits for the app's port too.
    if processes.http_status(app.http_port, "/v1.0/healthz") != 204:
        return False
    if not app.app_port:
        return True
    if app.protocol == "grpc":
        return processes.answers(app.app_port)
    return processes.http_status(app.app_port, "/readyz") == 200


def wait_ready(
    stack: Stack, apps: Sequence[App], begin: float, advance: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Wait, and return the seconds from `begin` (monotonic) to ready by app id.

    Raise LabError when an app ends or is not ready in time.
    """
    ready: dict[str, float] = {}
    seen: set[str] = set()
    looked = begin

    def all_ready() -> bool:
        nonlocal looked
        for app in apps:
            if app.app_id not in ready and is_ready(app):
                ready[app.app_id] = time.monotonic() - begin
                advance()
        if time.monotonic() - looked > 0.5:
            # A look at all processes costs more than asking the apps that are not ready yet.
            _refuse_crash(stack, apps, seen)
            looked = time.monotonic()
        return len(ready) == len(apps)

    if not processes.wait_until(all_ready, READY_WITHIN):
        late = [app for app in apps if app.app_id not in ready]
        raise LabError(f"{late[0].app_id} was not ready within {READY_WITHIN} s.{logfiles.tail_of(stack, late[0])}")
    logfiles.link(stack, apps)
    return ready


def _refuse_crash(stack: Stack, apps: Sequence[App], seen: set[str]) -> None:
    """Raise LabError when a process that was seen is gone, or when the CLI has ended."""
    found = processes.find(stack)
    now = {f"{one.kind} {one.name}" for one in found}
    for app in apps:
        for kind, word in (("app", " ended"), ("sidecar", "'s sidecar ended")):
            key = f"{kind} {app.app_id}"
            if key in seen and key not in now:
                raise LabError(f"{app.app_id}{word}.{logfiles.tail_of(stack, app)}")
    seen |= now
    if not any(one.kind == "cli" for one in found):
        tail = logfiles.tail(stack.logs / "dapr-run.log")
        raise LabError(f"`dapr run` gave up; the end of what it said:{tail}")


def status(stack: Stack, apps: Sequence[App]) -> list[Status]:
    """Return all apps as they are now."""
    found = processes.find(stack)
    pids: dict[tuple[str, str], int] = {(one.kind, one.name): one.pid for one in found}

    def row(app: App) -> Status:
        pid = pids.get(("app", app.app_id))
        return Status(app, pid, pids.get(("sidecar", app.app_id)), ready=pid is not None and is_ready(app))

    with ThreadPoolExecutor(max_workers=16) as pool:
        return list(pool.map(row, apps))
