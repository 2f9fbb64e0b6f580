"""Check every requirement of the labs, and name the command that fixes each missing one."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

from labctl import runfile
from labctl.errors import LabError
from labctl.make import build, installed, redis_server, uv
from labctl.make import runtime as dapr
from labctl.stack import HOME, ROOT, Stack
from labctl.up import brokers, infrastructure, machine, processes, readiness
from labctl.up.machine import Row


def examine(stack: Stack) -> list[Row]:
    """Return all rows, in the order in which a newcomer would fix them."""
    apps = runfile.read_apps(stack)
    rows = [Row("ok", "Python 3.11 or newer", platform.python_version()), _uv(), *_dapr(stack)]
    rows += [_redis(stack), *_brokers(), *_infrastructure(stack), *_environments(apps), *_ports(stack, apps), _disk()]
    return [*rows, *machine.examine(stack, apps)]


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _uv() -> Row:
    try:
        path = uv.uv()
    except LabError as error:
        return Row("missing", "uv", str(error), "./lab setup")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.split()
    return Row("ok", "uv", f"{version[1] if len(version) > 1 else '?'} at {_short(path)}")


def _dapr(stack: Stack) -> list[Row]:
    runtime = dapr.users_own() or dapr.pinned()
    if runtime is None:
        fix = "./lab setup (downloads them, or builds them in some minutes)"
        return [Row("note", "Dapr runtime and CLI", "not here yet", fix)]
    rows = [Row("ok", "Dapr runtime", f"{runtime.version()} ({runtime.origin}) at {_short(runtime.binary('daprd'))}")]
    said = subprocess.run([runtime.cli, "--version"], capture_output=True, text=True, check=False).stdout
    cli = re.search(r"CLI version:\s*(\S+)", said)
    rows.append(Row("ok", "Dapr CLI", f"{cli[1] if cli else '?'} at {_short(runtime.cli)}"))
    return [*rows, *filter(None, [machine.users_dapr(stack)])]


def _redis(stack: Stack) -> Row:
    if redis := redis_server.find_redis():
        version = ".".join(map(str, redis_server.version_of(redis)))
        return Row("ok", "Redis", f"{version} at {_short(redis)}")
    if stack.offset == 0 and redis_server.speaks_redis(stack.ports["redis"]):
        return Row("ok", "Redis", f"one answers on port {stack.ports['redis']}")
    return Row("note", "Redis", "no redis-server 6.2 or newer on PATH", "./lab setup (fetches one into .lab/redis)")


def _brokers() -> list[Row]:
    """Return a row for each program that only `--components` needs."""
    return [
        Row("note", f"{name} for --components", why, "see docs/brokers.md")
        if (why := one.missing())
        else Row("ok", f"{name} for --components", "can be started")
        for name, one in brokers.BROKERS.items()
    ]


def _infrastructure(stack: Stack) -> list[Row]:
    running = {one.name: one for one in infrastructure.look(stack)}
    rows: list[Row] = []
    for name in infrastructure.names(stack):
        if one := running.get(name):
            whose = "started by ./lab" if one.ours else "not started by ./lab, used as it is"
            rows.append(Row("ok", f"{name} on port {one.port}", f"running, pid {one.pid or 'not visible'}, {whose}"))
        else:
            rows.append(Row("note", f"{name} on port {stack.ports[name]}", "not running", "./lab up starts it"))
    return rows


def _environments(apps: list[runfile.App]) -> list[Row]:
    rows: list[Row] = []
    for folder in dict.fromkeys(app.folder for app in apps):
        name = folder.relative_to(ROOT).as_posix()
        if uv.is_made(folder / ".venv", folder / "requirements-dev.txt"):
            rows.append(Row("ok", f"environment of {name}", f"{name}/.venv"))
        else:
            rows.append(Row("note", f"environment of {name}", "not made from the current lock", "./lab setup"))
    return rows


def _ports(stack: Stack, apps: list[runfile.App]) -> list[Row]:
    ours = {row.app.app_id for row in readiness.status(stack, apps) if row.pid or row.sidecar_pid}
    needed = {
        f"{app.app_id}, {label}": port for app in apps for label, port in app.ports.items() if app.app_id not in ours
    }
    # A process that runs already, ours or of `dapr init`, is used as it is. Any other needs all its ports.
    running = {one.name for one in infrastructure.look(stack)}
    below = set(infrastructure.names(stack)) - running
    needed |= {what: port for what, port in stack.ports.items() if what.partition("-")[0] in below}
    rows: list[Row] = []
    for what, port in needed.items():
        if who := processes.holder(port):
            pid = processes.holder_pid(port)
            # Only root can see which process of another user holds a port, and on macOS which of any.
            fix = f"kill {pid}" if pid else f"sudo lsof -i :{port}"
            rows.append(Row("missing", f"port {port} ({what})", f"held by {who}", fix))
    return rows or [Row("ok", "ports", f"all {len(needed)} free that ./lab up needs")]


def _disk() -> Row:
    free = shutil.disk_usage(HOME.parent if not HOME.exists() else HOME).free / 1e9
    if free < build.BUILD_SPACE_GB and not (dapr.users_own() or dapr.pinned()):
        # Nobody knows before ./lab setup whether the release archives, which need less, can be had.
        state = "missing" if free < installed.DOWNLOAD_SPACE_GB else "note"
        what = f"disk ({installed.DOWNLOAD_SPACE_GB} GB to download Dapr, {build.BUILD_SPACE_GB} GB to build it)"
        return Row(state, what, f"{free:.1f} GB free", "make room, or set LAB_HOME to a folder on another disk")
    return Row("ok", "disk", f"{free:.1f} GB free")
