"""What can be wrong with a machine: one row for each fault, with the one command that mends it."""

from __future__ import annotations

import errno
import getpass
import os
import socket
import sys
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labctl.errors import LabError
from labctl.make import build, installed, redis_server
from labctl.make import runtime as dapr
from labctl.runfile import App
from labctl.stack import HOME, ROOT, Stack
from labctl.up import infrastructure, processes

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


@dataclass(frozen=True)
class Row:
    """One requirement. state: `ok`, `missing` (the labs cannot run), or `note` (the labs run all the same)."""

    state: Literal["ok", "missing", "note"]
    what: str
    found: str
    fix: str = ""


def refuse(stack: Stack, apps: Sequence[App]) -> None:
    """Raise LabError for the first fault of this machine that keeps these apps from running."""
    for row in (*_permissions(stack, apps), names(), users_dapr(stack), running_redis(stack), *forbidden(stack, apps)):
        if row and row.state == "missing":
            raise LabError(f"{row.what}: {row.found}. Mend it with: {row.fix}")


def examine(stack: Stack, apps: Sequence[App]) -> list[Row]:
    """Return the rows about the machine itself, in the order in which they keep the labs from running."""
    rows = [*_permissions(stack, apps)] or [Row("ok", "permissions", "all folders of the labs can be written")]
    rows += [names(), *filter(None, [running_redis(stack)]), *forbidden(stack, apps)]
    return [*rows, _zones(), _encoding(), *_proxy(), *_leftovers(), *_home()]


def _permissions(stack: Stack, apps: Sequence[App]) -> Iterator[Row]:
    secrets = ROOT / "secrets"
    paths = [
        HOME,
        *sorted(HOME.glob("*")),
        stack.state,
        *sorted(stack.state.glob("*")),
        secrets,
        secrets / "secrets.json",
    ]
    for folder in dict.fromkeys(app.folder for app in apps):
        paths += [folder, folder / ".venv", folder / ".dapr", folder / ".dapr" / "logs"]
    for path in paths:
        # A user may keep the keys from being written.
        how, right, mode = ("read", os.R_OK, "r") if path.name == "secrets.json" else ("write", os.W_OK, "w")
        if os.access(path, os.F_OK) and not os.access(path, right):
            found = f"{path} belongs to {_owner(path)}, and you cannot {how} it"
            mine = path.stat().st_uid == os.geteuid()
            fix = f"chmod u+{mode}" if mine else f"sudo chown -R {getpass.getuser()}"
            yield Row("missing", "permissions", found, f"{fix} '{path}'")


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"


def names() -> Row:
    """Return the row for names: `localhost`, by which pages and components reach everything, and the apps' ids."""
    try:
        found = {str(one[4][0]) for one in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
    except OSError:
        found = set[str]()
    if "127.0.0.1" in found:
        return Row("ok", "names", "localhost is 127.0.0.1; app ids are in a registry of ./lab, without multicast")
    said = f"localhost is {' and '.join(found) or 'unknown'} on this machine, not 127.0.0.1"
    return Row("missing", "names", said, "echo '127.0.0.1 localhost' | sudo tee -a /etc/hosts")


def users_dapr(stack: Stack) -> Row | None:
    """Return the row for the version of a user's own Dapr. None if this stack does not run on one."""
    if not stack.shares_infrastructure or not (found := dapr.users_own()):
        return None
    version, pinned = found.version(), installed.RUNTIME_VERSION
    if build.is_older(version, installed.OLDEST_VERSION):
        need = f"your dapr init is {version}, and the labs need {installed.OLDEST_VERSION} or newer"
        return Row("missing", "Dapr runtime version", need, f"./lab up --own (runs Dapr {pinned} beside yours)")
    if build.is_older(version, pinned):
        fix = f"dapr uninstall && dapr init --runtime-version {pinned}"
        return Row("note", "Dapr runtime version", f"the labs were tested with {pinned}", fix)
    return None


def running_redis(stack: Stack) -> Row | None:
    """Return the row for a Redis that runs already and cannot be used. None if there is none like that."""
    port = stack.ports["redis"]
    if not infrastructure.is_shared(stack, "redis") or not (why := redis_server.refusal(port)):
        return None
    pid = processes.holder_pid(port)
    found = f"the one on port {port} ({f'pid {pid}' if pid else 'pid not visible'}) cannot be used: {why}"
    return Row(
        "missing", "Redis", found, f"{f'kill {pid}' if pid else f'sudo lsof -i :{port}'}, then ./lab up starts one"
    )


def forbidden(stack: Stack, apps: Sequence[App]) -> list[Row]:
    """Return a row for each port that the system does not give to this user."""
    needed = {f"{app.app_id}, {label}": port for app in apps for label, port in app.ports.items()} | stack.ports
    return [
        Row("missing", f"port {port} ({what})", f"the system does not give it to you: {why}", _free(why))
        for what, port in needed.items()
        if (why := _why_not(port))
    ]


def _free(why: str) -> str:
    if sys.platform == "linux" and why == os.strerror(errno.EACCES):
        return "sudo sysctl net.ipv4.ip_unprivileged_port_start=1024"
    return "LAB_STACK_NAME=moved LAB_PORT_OFFSET=10000 ./lab up (on other ports)"


def _why_not(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return None if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
    return None


def _zones() -> Row:
    if zoneinfo.available_timezones():
        return Row("ok", "time zones", "the zone database is here")
    return Row("note", "time zones", "no zone database: a schedule with CRON_TZ is refused", "sudo apt install tzdata")


def _encoding() -> Row:
    encoding = sys.stdout.encoding
    if encoding.lower().replace("-", "") == "utf8":
        return Row("ok", "characters", "UTF-8")
    return Row(
        "note", "characters", f"the terminal has {encoding}; what it lacks is shown as ?", "export LC_ALL=C.UTF-8"
    )


def _proxy() -> Iterator[Row]:
    if proxies := [name for one in _PROXIES for name in (one, one.upper()) if os.environ.get(name)]:
        # A `curl localhost:8001` of a page would go there. labctl and what it starts never do.
        found = f"{', '.join(proxies)} set: the labs call this machine without a proxy, and curl needs no_proxy"
        yield Row("note", "proxy", found, "export no_proxy=localhost,127.0.0.1,::1")


def _leftovers() -> Iterator[Row]:
    if variables := os.environ.get("LAB_IGNORED", "").split():
        yield Row(
            "note", "variables", f"{', '.join(variables)} set, and ignored by ./lab", f"unset {' '.join(variables)}"
        )


def _home() -> Iterator[Row]:
    if os.environ.get("HOME") == str(HOME / "user"):
        found = f"none that you can write: caches are in {HOME / 'user'}"
        yield Row("note", "home folder", found, "export HOME=… to one that you can write")
