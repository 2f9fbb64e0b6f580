"""Kill and restart single parts of a running stack."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from labctl import runfile
from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import infrastructure, lifecycle, logfiles, processes, readiness, remembered, secure
from labctl.up.remembered import Run


def kill(stack: Stack, name: str, *, sidecar: bool = False) -> int:
    """Kill (kill -9) an app, its sidecar, Redis, scheduler or placement. Return the pid. Raise LabError."""
    kinds = ("sidecar",) if sidecar else ("app", "infrastructure")
    victim = next((one for one in processes.find(stack) if one.name == name and one.kind in kinds), None)
    if victim is None:
        shared = [one for one in infrastructure.look(stack) if one.name == name]
        what = f"{name}'s sidecar" if sidecar else name
        if shared:
            raise LabError(f"{name} (pid {shared[0].pid}) is not ours: ./lab kills only processes that it started.")
        raise LabError(f"{what} does not run here. See ./lab status.")
    # An open `./lab up` reads this and does not restart it.
    remembered.note(remembered.intent(stack, name), "killed")
    victim.process.kill()
    psutil.wait_procs([victim.process], timeout=5)
    return victim.pid


def restart(
    stack: Stack,
    name: str,
    *,
    sidecar: bool = False,
    keep_sidecar: bool = False,
    resources: Sequence[Path] | None = None,
    app: App | None = None,
) -> float:
    """Restart one app with its sidecar, only one of the two, or one infrastructure process. Return seconds until ready.

    resources: component folders in place of those of the start. app: needed for an app that is not in dapr.yaml.
    """
    begin = time.monotonic()
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
    app = app or runfile.find(runfile.read_apps(stack), name)
    run = remembered.read(stack)
    remembered.note(mark, "restarting")
    ports = {"sidecar": app.http_port, "app": app.app_port}
    if sidecar or keep_sidecar:
        del ports["app" if sidecar else "sidecar"]
    victims = [one for one in processes.find(stack) if one.name == name and ports.get(one.kind) == one.port]
    for kind in ("app", "sidecar"):
        processes.end([one.process for one in victims if one.kind == kind], grace=12)
    if keep_sidecar:
        _start_app(stack, app, run)
    else:
        _end_idle_clis(stack)
        file = f"{name}-{app.http_port}{'-sidecar' if sidecar else ''}.yaml"
        lifecycle.dapr_run(stack, [app], runtime, run, name=file, without_app=sidecar, resources=resources)
    readiness.wait_ready(stack, [app], begin)
    mark.unlink(missing_ok=True)
    return time.monotonic() - begin


def _start_app(stack: Stack, app: App, run: Run) -> None:
    """Start an app under its running sidecar. The CLI has no command for this, so its environment is set here."""
    environment = {
        "APP_ID": app.app_id,
        "APP_PORT": str(app.app_port),
        "DAPR_HTTP_PORT": str(app.http_port),
        "DAPR_GRPC_PORT": str(app.grpc_port),
    }
    log = logfiles.file(stack, app) or stack.logs / f"{app.app_id}.log"
    environment |= secure.with_tokens(stack, app).entry["env"] | run.env
    processes.spawn(stack, "run", app.entry["command"], env=environment, cwd=app.folder, log=log)


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
