"""./lab serve: run one process of a stack in the foreground. The Tiltfile uses this."""

from __future__ import annotations

import time

from rich.console import Console

from labctl import runfile
from labctl.errors import LabError
from labctl.make import setup
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.up import alive, infrastructure, lifecycle, machine, processes, readiness, remembered, runnable
from labctl.up.joining import leave
from labctl.up.watcher import watch


def serve(stack: Stack, name: str, console: Console) -> None:
    """Run one app with its sidecar, or one infrastructure process, until it is interrupted or ends.

    An infrastructure process that runs already is left alone. Then this returns when it no longer serves.
    """
    steps = Steps(console)
    if name in infrastructure.names(stack):
        runtime = remembered.find_runtime(stack)
        started = infrastructure.start(stack, name, runtime)
        console.print(f"{name} serves on port {stack.ports[name]}" + ("" if started else ": already running, using it"))
        try:
            while infrastructure.serves(stack, name) or not started:
                time.sleep(1)
        except KeyboardInterrupt:
            if started:
                processes.stop(stack, names=[name])
            return
        raise alive.ended(stack, name, stack.logs / f"{name}.log")
    app = runfile.find(runfile.read_apps(stack), name)
    runnable.refuse(stack, [app])
    runtime = setup.set_up(stack, [app], steps, own_runtime=not stack.shares_infrastructure)
    machine.refuse(stack, [app])
    lifecycle.refuse_held_ports([app])
    for earlier in ("down", name):
        remembered.intent(stack, earlier).unlink(missing_ok=True)
    try:
        started = lifecycle.dapr_run(stack, [app], runtime, remembered.Run(), name=f"{name}.yaml")
        seconds = readiness.wait_ready(started, time.monotonic())[app.app_id]
        console.print(f"{name} is ready at {app.url} after {seconds:.1f} s")
        # Tilt runs each infrastructure process in a separate `serve`.
        watch(stack, [app], console.print, infrastructure_too=False)
    except KeyboardInterrupt:
        leave(stack, [app])
    except LabError:
        leave(stack, [app])  # a leftover process would hold the ports of the next start
        raise
