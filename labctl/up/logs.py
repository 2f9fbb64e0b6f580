"""./lab logs: print the logs of apps, sidecars and infrastructure, or follow them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from labctl import runfile
from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import Stack
from labctl.terminal import console
from labctl.up import follow as following
from labctl.up import infrastructure, logfiles, processes, web_console

Sidecar = Annotated[bool, typer.Option("--sidecar", help="Only the app's sidecar (daprd).")]


def logs(
    app: Annotated[
        str | None, typer.Argument(metavar="[APP]", help="An app id or redis, scheduler, placement, console.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until Ctrl-C.")] = False,
    sidecar: Sidecar = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Number of last lines of each log.")] = 20,
    json_: Annotated[bool, typer.Option("--json", help="With -f: the lines as they are, each log separately.")] = False,
) -> None:
    """Print the last lines of an app's log, or of the logs of all running apps.

    With -f it goes on, in order of time and for people to read. `→` is a call by the app, as its sidecar logs it.
    """
    stack = Stack.from_environment()
    apps = runfile.read_apps(stack)
    if app in (*infrastructure.EVERY, web_console.NAME):
        files = {str(app): stack.logs / f"{app}.log"}
    else:
        running = {one.name for one in processes.find(stack) if one.kind in ("app", "sidecar")}
        wanted = [runfile.find(apps, app)] if app else [one for one in apps if one.app_id in running] or apps
        kind = "daprd" if sidecar else "app"
        if follow and not sidecar and not json_ and (running or app):
            _follow(stack, wanted, lines)
            return
        if follow:
            # The CLI opens a new file at each start. `tail -F` notices the changed link and follows the new file.
            logfiles.link(stack, wanted)
            linked = {one.app_id: logfiles.linked(stack, one, kind) for one in wanted}
            found = {name: path for name, path in linked.items() if path.exists()}
        else:
            found = {one.app_id: logfiles.file(stack, one, kind) for one in wanted}
        files = {name: path for name, path in found.items() if path}
    if not [path for path in files.values() if path.exists()]:
        raise LabError(f"There is no log of {app or 'any app'} yet. ./lab up writes them.")
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), *(str(path) for path in files.values())]
    sys.stdout.flush()
    raise typer.Exit(subprocess.run(command, check=False).returncode)


def _follow(stack: Stack, apps: list[App], lines: int) -> None:
    logfiles.link(stack, apps)
    logs = {app.app_id: (logfiles.linked(stack, app), logfiles.linked(stack, app, "daprd")) for app in apps}
    if not any(own.exists() for own, _ in logs.values()):
        raise LabError(f"There is no log of {', '.join(logs)} yet. ./lab up writes them.")
    try:
        for line in following.follow(logs, lines):
            console.print(line.shown(list(logs)), soft_wrap=True)
            console.file.flush()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` has read enough
