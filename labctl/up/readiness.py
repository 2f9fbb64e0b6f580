"""Ask whether the apps of a stack can serve, or wait until they can."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil

from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import alive, infrastructure, keys, logfiles, processes
from labctl.up.alive import Started
from labctl.up.processes import Found

READY_WITHIN = 90  # seconds, for all apps together; warm it takes 3 to 8
OTHER_PORT_FOR = 4  # seconds; an app may open another port before its own
LOOK_EVERY = 0.5  # seconds; a look at all logs costs more than asking the apps that are not ready yet


@dataclass(frozen=True)
class Status:
    """One app as it is now. The pid of a process that does not run is None.

    held: the other process that listens on the app's port then, if there is one.
    """

    app: App
    pid: int | None
    sidecar_pid: int | None
    ready: bool
    held: str = ""


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
    started: Started, begin: float, advance: Callable[[], None] = lambda: None, *, patience: float = READY_WITHIN
) -> dict[str, float]:
    """Wait, and return the seconds from `begin` (monotonic) to ready by app id.

    Raise LabError when a process ends or ignores a file, when Redis does not answer, or when it is not ready in time.
    """
    ready: dict[str, float] = {}
    looked = begin
    heard: dict[str, float] = {}

    def all_ready() -> bool:
        nonlocal looked
        for app in started.apps:
            if app.app_id not in ready and is_ready(app):
                ready[app.app_id] = time.monotonic() - begin
                advance()
        done = len(ready) == len(started.apps)
        if done or time.monotonic() - looked > LOOK_EVERY:
            started.check()
            if not done:
                infrastructure.refuse_dead_redis(started.stack, looks=2)
                found = processes.find(started.stack)
                for app in (one for one in started.apps if one.app_id not in ready and one.protocol != "grpc"):
                    keys.refuse_unreadable(app)
                    refuse_without_readyz(app)
                    refuse_other_port(app, found, heard)
            looked = time.monotonic()
        return done

    if not processes.wait_until(all_ready, patience):
        late = next(app for app in started.apps if app.app_id not in ready)
        raise _late(started.stack, late, patience)
    logfiles.link(started.stack, started.apps)
    return ready


def refuse_without_readyz(app: App) -> None:
    """Raise LabError for an app that could never be ready, because it lacks the route that is asked."""
    if app.app_port and processes.http_status(app.app_port, "/readyz") == 404:
        raise LabError(
            f"{app.app_id} has no route GET /readyz: add it to its main.py. ./lab waits until it answers 200."
        )


def refuse_other_port(app: App, found: Sequence[Found], heard: dict[str, float]) -> None:
    """Raise LabError for an app that has listened for some seconds, but not on its port.

    found: the stack's processes. heard: since when (monotonic) each app has done so. It is kept from look to look.
    """
    # Each replica of an app has another port.
    mine = [one.process for one in found if (one.kind, one.name, one.port) == ("app", app.app_id, app.app_port)]
    ports = {port for process in mine for port in _listens(process)}
    if not ports or not app.app_port or app.app_port in ports:
        heard.pop(app.app_id, None)
    elif time.monotonic() - heard.setdefault(app.app_id, time.monotonic()) > OTHER_PORT_FOR:
        others = ", ".join(str(port) for port in sorted(ports))
        wanted = f"its appPort is {app.entry['appPort']} in dapr.yaml"
        raise LabError(f"{app.app_id} listens on {others}, but {wanted}. Use $APP_PORT in its `command`.")


def _late(stack: Stack, app: App, patience: float) -> LabError:
    """Return the error for an app that is not ready. The log of the part that is late has the reason."""
    healthy = processes.http_status(app.http_port, "/v1.0/healthz") == 204
    # A sidecar is not healthy either before its app listens.
    waits = app.app_port and not processes.answers(app.app_port)
    kind = "app" if healthy or waits else "daprd"
    log = logfiles.file(stack, app, kind)
    return alive.ended(stack, alive.named(app.app_id, kind), log, how=f"was not ready within {patience:.0f} s")


def status(stack: Stack, apps: Sequence[App]) -> list[Status]:
    """Return all apps as they are now."""
    found = processes.find(stack)
    pids: dict[tuple[str, str], int] = {(one.kind, one.name): one.pid for one in found}

    def row(app: App) -> Status:
        pid, sidecar = (pids.get((kind, app.app_id)) for kind in ("app", "sidecar"))
        who = processes.holder(app.app_port) if pid is None and app.app_port else None
        held = f"{app.app_port} is held by {who}" if who else ""
        return Status(app, pid, sidecar, pid is not None and is_ready(app), held)

    with ThreadPoolExecutor(max_workers=16) as pool:
        return list(pool.map(row, apps))


def _listens(process: psutil.Process) -> set[int]:
    """Return the ports on which a process listens."""
    try:
        return {one.laddr.port for one in process.net_connections("tcp") if one.status == "LISTEN"}
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return set()
