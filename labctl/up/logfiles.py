"""Find the logs that the Dapr CLI writes, and link them under fixed names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import processes

LARGEST = 10_000_000  # bytes of a log that is appended to at each start


def file(stack: Stack, app: App, kind: str = "app") -> Path | None:
    """Return the newest log of an app (kind "app") or its sidecar ("daprd"), also when the process has ended."""
    opened = _opened(stack)
    if found := newest(opened, app, kind, only_opened=True):
        return found
    # The CLI of a sidecar that was restarted alone ends with it. The folder has the logs of other stacks too.
    link = linked(stack, app, kind)
    return link.resolve() if link.exists() else newest(opened, app, kind)


def _opened(stack: Stack) -> list[Path]:
    # The CLI names a log by the second of its start. It has its logs open, and so has an app that was restarted alone.
    return held_by(one.process for one in processes.find(stack) if one.kind in ("cli", "app"))


def held_by(writers: Iterable[psutil.Process]) -> list[Path]:
    """Return the files that these processes have open."""
    held: list[Path] = []
    for writer in writers:
        try:
            held += [Path(file.path) for file in writer.open_files()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # already gone, or another user's
    return held


def newest(opened: Sequence[Path], app: App, kind: str, *, only_opened: bool = False) -> Path | None:
    """Return the newest log of an app or its sidecar among the open ones, or else of the app's folder."""
    # A CLI that started several apps keeps the log open of an app that another one has restarted since.
    mine = [path for path in opened if path.name.startswith(f"{app.app_id}_{kind}_")]
    logs = mine if mine or only_opened else list((app.folder / ".dapr" / "logs").glob(f"{app.app_id}_{kind}_*.log"))
    return max(logs, key=lambda path: path.name, default=None)


def prune(apps: Sequence[App], keep: int = 40) -> None:
    """Delete old logs, because the CLI deletes none. Keep those that a process has open."""
    old: list[Path] = []
    for folder in dict.fromkeys(app.folder for app in apps):
        logs = sorted((folder / ".dapr" / "logs").glob("*.log"), key=_written)
        old += logs[: max(0, len(logs) - keep)]
    if not old:
        return
    # All stacks of a checkout share the folder, and so does a `dapr run` without ./lab. Many starts of one stack must
    # not delete the log of a quiet app in another.
    held = {path.resolve() for path in held_by(psutil.process_iter())}
    for path in old:
        if path.resolve() not in held:
            path.unlink(missing_ok=True)


def _written(log: Path) -> float:
    try:
        return log.stat().st_mtime
    except FileNotFoundError:
        return 0  # another stack has just pruned it


def rotate(log: Path) -> int:
    """Rename a log that has grown too large, over the one renamed before. Return the size that it has now."""
    size = log.stat().st_size if log.exists() else 0
    if size <= LARGEST:
        return size
    log.replace(log.with_suffix(".1.log"))
    return 0


def link(stack: Stack, apps: Sequence[App]) -> None:
    """Link each log under a fixed name: <state>/logs/<app id>.log and <app id>.sidecar.log."""
    opened = _opened(stack)
    stack.logs.mkdir(parents=True, exist_ok=True)
    for app in apps:
        for kind in ("app", "daprd"):
            name = linked(stack, app, kind)
            if target := newest(opened, app, kind):
                # Replaced in one step, so that the name never is missing for `tail -F`.
                new = name.with_suffix(f".{os.getpid()}.new")
                new.unlink(missing_ok=True)
                new.symlink_to(target)
                new.replace(name)
            else:
                name.unlink(missing_ok=True)


def linked(stack: Stack, app: App, kind: str = "app") -> Path:
    """Return the fixed name of an app's log (kind "app") or its sidecar's ("daprd"). A restart changes its target."""
    return stack.logs / f"{app.app_id}{'.sidecar' if kind == 'daprd' else ''}.log"
