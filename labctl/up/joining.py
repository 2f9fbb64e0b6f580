"""./lab up beside a running ./lab up: start only the missing apps, and stop only these."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
from filelock import FileLock
from rich.console import Console

from labctl import signals
from labctl.errors import LabError
from labctl.make import setup
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import infrastructure, lifecycle, processes, readiness, remembered, secure


def running(stack: Stack) -> set[str]:
    """Return the ids of the apps that run, whole or in part."""
    return {one.name for one in processes.find(stack) if one.kind in ("app", "sidecar")}


@contextmanager
def alone(stack: Stack) -> Generator[None]:
    """Let no other `./lab up` start anything. Raise LabError while one does."""
    busy = "Another ./lab up is starting just now. See ./lab status, and try again when it is ready."
    with setup.held_alone(FileLock(stack.state / "up.lock"), busy):
        yield


def missing(stack: Stack, apps: Sequence[App]) -> list[App]:
    """Return those of the apps that do not run. Raise LabError when another part of the stack cannot be used."""
    below = {one.name for one in infrastructure.look(stack)}
    if gone := [name for name in infrastructure.names(stack) if name not in below]:
        raise LabError(f"Apps run here, but {gone[0]} does not: ./lab restart {gone[0]}, or ./lab down first.")
    found = running(stack)
    if late := [app.app_id for app in apps if app.app_id in found and not readiness.is_ready(app)]:
        raise LabError(f"{late[0]} runs, but is not ready: ./lab restart {late[0]}")
    return [app for app in apps if app.app_id not in found]


def join(stack: Stack, apps: Sequence[App], console: Console, env: dict[str, str]) -> dict[str, float]:
    """Start these apps on the infrastructure of the running stack. Return seconds until ready. Raise LabError.

    env: added to their environment, and to that of any app which is restarted later.
    """
    if new := [app.app_id for app in apps if stack.secure and not secure.token_file(stack, app.app_id).exists()]:
        raise LabError(f"{new[0]} is newer than the running labs, so it has no tokens: ./lab down first.")
    for app in apps:
        remembered.intent(stack, app.app_id).unlink(missing_ok=True)
    run = remembered.read(stack)
    if env:
        remembered.write(stack, replace(run, env=run.env | env))
    return lifecycle.add(stack, apps, _run_file(apps).stem, console)


def leave(stack: Stack, apps: Sequence[App]) -> list[str]:
    """Stop apps with their sidecars and the CLIs that started them, and nothing else. Return the names of the apps."""
    names = [app.app_id for app in apps]
    with signals.uninterrupted():
        ended = processes.stop(stack, names=names)
        processes.end(_clis(stack, apps), grace=3)
    return sorted(set(ended))


def _clis(stack: Stack, apps: Sequence[App]) -> list[psutil.Process]:
    names = [app.app_id for app in apps]
    # A start of several apps, each `serve` and each restart have a separate `dapr run`, on a run file of that name.
    own = {_run_file(apps).name, *(f"{name}.yaml" for name in names)}
    own |= {f"{app.app_id}-{app.http_port}{only}.yaml" for app in apps for only in ("", "-sidecar")}
    clis = [one.process for one in processes.find(stack) if one.kind == "cli"]
    return [cli for cli in clis if _last_word(cli) in own]


def _run_file(apps: Sequence[App]) -> Path:
    return Path(f"joined-{apps[0].app_id}-{len(apps)}.yaml")


def _last_word(cli: psutil.Process) -> str:
    """Return the name of the run file of a `dapr run`, or an empty text when that has just ended."""
    try:
        return Path(cli.cmdline()[-1]).name
    except (psutil.NoSuchProcess, IndexError):
        return ""
