"""./lab serve: run one process of a stack in the foreground. The Tiltfile uses this."""

from __future__ import annotations

import time

from rich.console import Console

from labctl import runfile
from labctl.make import setup
from labctl.progress import Steps
from labctl.stack import Stack
from labctl.up import alive, infrastructure, lifecycle, machine, processes, readiness, remembered, runnable
from labctl.up.joining import leave
from labctl.up.watcher import watch


def serve(stack: Stack, name: str, console: Console) -> None:
    """Run one app with its sidecar, or one infrastructure process, until it is interrupted or ends.

    An infrastructure process that runs already is left alone. Then this only waits until it is interrupted.
    """
    steps = Steps(console)
    if name in infrastructure.names(stack):
        runtime = remembered.find_runtime(stack)
        started = infrastructure.start(stack, name, runtime)
        how = "" if started else ": already running, using it"
        try:
            console.print(f"{name} serves on port {stack.ports[name]}{how}")
            while infrastructure.serves(stack, name) or not started:
                time.sleep(1)
        except BaseException as error:
            if started:
                processes.stop(stack, names=[name])
            if isinstance(error, KeyboardInterrupt):
                return
            raise
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
    except BaseException as error:
        leave(stack, [app])  # a leftover process would hold the ports of the next start
        if not isinstance(error, KeyboardInterrupt):
            raise
