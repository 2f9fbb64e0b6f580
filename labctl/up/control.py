"""Kill and restart single parts of a running stack."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from labctl import runfile
from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import (
    alive,
    infrastructure,
    lifecycle,
    logfiles,
    processes,
    readiness,
    remembered,
    runnable,
    secure,
    web_console,
)
from labctl.up.alive import Started
from labctl.up.remembered import Run


def kill(stack: Stack, name: str, *, sidecar: bool = False) -> int:
    """Kill (kill -9) an app, its sidecar, an infrastructure process or the console. Return the pid. Raise LabError."""
    kinds = ("sidecar",) if sidecar else ("app", "infrastructure")
    victim = next((one for one in processes.find(stack) if one.name == name and one.kind in kinds), None)
    if victim is None:
        raise _nobody(stack, name, sidecar=sidecar)
    # An open `./lab up` reads this and does not restart it.
    remembered.note(remembered.intent(stack, name), "killed")
    # With `./lab up --reload` the app is a child of the process that watches its files.
    family = [victim.process, *victim.process.children(recursive=True)]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=5)
    return victim.pid


def _nobody(stack: Stack, name: str, *, sidecar: bool) -> LabError:
    """Return the error for a process that cannot be killed, because it does not run or is another's."""
    refuse_down(stack, name)
    if shared := [one for one in infrastructure.look(stack) if one.name == name]:
        return LabError(f"{name} (pid {shared[0].pid}) is not ours: ./lab kills only processes that it started.")
    kinds = ("sidecar",) if sidecar else ("app", "infrastructure")
    running = sorted({one.name for one in processes.find(stack) if one.kind in kinds})
    what = alive.named(name, "sidecar" if sidecar else "app")
    hint = f"These run: {', '.join(running)}." if running else "See ./lab status."
    return LabError(f"{what} does not run here. {hint}")


def refuse_down(stack: Stack, name: str) -> None:
    """Raise LabError when nothing of the stack runs, or only its infrastructure."""
    if any(one.kind != "infrastructure" or one.name == name for one in processes.find(stack)):
        return
    app = next((one for one in runfile.read_apps(stack) if one.app_id == name), None)
    if app or name in (*infrastructure.EVERY, web_console.NAME):
        more = f" {app.lab}" if app else " --console" if name == web_console.NAME else ""
        raise LabError(f"The lab is not up: ./lab up{more}")


def restart(
    stack: Stack,
    name: str,
    *,
    sidecar: bool = False,
    keep_sidecar: bool = False,
    resources: Sequence[Path] | None = None,
    app: App | None = None,
) -> float:
    """Restart an app with its sidecar, one of the two, an infrastructure process or the console. Return the seconds.

    resources: component folders in place of those of the start. app: needed for an app that is not in dapr.yaml.
    """
    begin = time.monotonic()
    refuse_down(stack, name)
    runtime = remembered.find_runtime(stack)
    mark = remembered.intent(stack, name)
    if name in infrastructure.names(stack):
        if shared := [one for one in infrastructure.look(stack) if one.name == name and not one.ours]:
            raise LabError(f"{name} (pid {shared[0].pid}) is not ours: restart it where it was started.")
        remembered.note(mark, "restarting")
        processes.stop(stack, names=[name])
        infrastructure.start(stack, name, runtime)
        mark.unlink(missing_ok=True)
        return time.monotonic() - begin
    if name == web_console.NAME:
        remembered.note(mark, "restarting")
        processes.stop(stack, names=[name])
        web_console.start(stack)
        return time.monotonic() - begin
    app = app or runfile.find(runfile.read_apps(stack), name)
    run = remembered.read(stack)
    runnable.refuse(stack, [app])
    infrastructure.refuse_dead_redis(stack)
    remembered.note(mark, "restarting")
    ports = {"sidecar": app.http_port, "app": app.app_port}
    if sidecar or keep_sidecar:
        del ports["app" if sidecar else "sidecar"]
    victims = [one for one in processes.find(stack) if one.name == name and ports.get(one.kind) == one.port]
    for kind in ("app", "sidecar"):
        processes.end([one.process for one in victims if one.kind == kind], grace=12)
    if keep_sidecar:
        started = _start_app(stack, app, run)
    else:
        _end_idle_clis(stack)
        file = f"{name}-{app.http_port}{'-sidecar' if sidecar else ''}.yaml"
        started = lifecycle.dapr_run(stack, [app], runtime, run, name=file, without_app=sidecar, resources=resources)
    readiness.wait_ready(started, begin)
    mark.unlink(missing_ok=True)
    return time.monotonic() - begin


def _start_app(stack: Stack, app: App, run: Run) -> Started:
    """Start an app under its running sidecar. The CLI has no command for this, so its environment is set here."""
    environment = {
        "APP_ID": app.app_id,
        "APP_PORT": str(app.app_port),
        "DAPR_HTTP_PORT": str(app.http_port),
        "DAPR_GRPC_PORT": str(app.grpc_port),
    }
    log = logfiles.file(stack, app) or stack.logs / f"{app.app_id}.log"
    environment |= secure.with_tokens(stack, app).entry["env"] | run.env
    offset = log.stat().st_size if log.exists() else 0
    process = processes.spawn(stack, "run", app.entry["command"], env=environment, cwd=app.folder, log=log)
    return Started(stack, [app], process, log, offset, is_cli=False)


def _end_idle_clis(stack: Stack) -> None:
    """Stop each `dapr run` whose apps and sidecars were all stopped. It would wait forever."""
    clis = [one.process for one in processes.find(stack) if one.kind == "cli"]
    processes.end([cli for cli in clis if _is_idle(cli)], grace=3)


def _is_idle(cli: psutil.Process) -> bool:
    try:
        # A CLI that has just started has no children yet either.
        return not cli.children() and time.time() - cli.create_time() > 10
    except psutil.NoSuchProcess:
        return False
