"""Start, extend and stop a stack. Everything runs under `dapr run -f`."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from filelock import FileLock
from rich.console import Console

from labctl import runfile, signals
from labctl.errors import LabError
from labctl.make import runtime as dapr
from labctl.make import setup
from labctl.progress import Steps
from labctl.runfile import App
from labctl.stack import ROOT, Stack
from labctl.terminal import problems
from labctl.up import (
    brokers,
    infrastructure,
    keys,
    logfiles,
    loopback,
    machine,
    poison,
    processes,
    readiness,
    remembered,
    runnable,
    secure,
    web_console,
)
from labctl.up.alive import Started
from labctl.up.remembered import Run


def up(
    stack: Stack,
    apps: Sequence[App],
    console: Console,
    *,
    resources: Sequence[Path] = (),
    env: dict[str, str] | None = None,
    from_source: bool = False,
    with_console: bool = False,
) -> dict[str, float]:
    """Start the apps. Return the seconds from the start to ready, by app id.

    from_source: as `runtime.ensure` has it. with_console: also the console, if it starts.

    Raise LabError when they run already, a port is held, a process does not start, or an app ends while starting.
    """
    begin = time.monotonic()
    steps = Steps(console)
    own_runtime = from_source or stack.secure or not stack.shares_infrastructure
    stack.make_state()
    busy = "Another ./lab up is starting just now. See ./lab status, or end it with ./lab down."
    with setup.held_alone(FileLock(stack.state / "up.lock"), busy):
        _refuse_second(stack)
        runnable.refuse(stack, apps)
        machine.refuse(stack, apps)
        runtime = setup.set_up(stack, apps, steps, own_runtime=own_runtime, from_source=from_source)
        brokers.ensure(stack, steps)
        refuse_held_ports(apps)
        web_console.refuse_open(stack)
        for leftover in ("intents", "run"):
            shutil.rmtree(stack.state / leftover, ignore_errors=True)
        folders = [str(folder) for folder in resources]
        run = Run(stack.secure, folders, env or {}, own_runtime, stack.own, stack.components)
        try:
            if stack.secure:
                secure.make_secrets(stack, runfile.read_apps(stack))
            for name in infrastructure.names(stack):
                with steps.step(name):
                    infrastructure.start(stack, name, runtime)
            keys.refuse_other(stack)
            remembered.write(stack, run)
            if with_console:
                web_console.try_start(stack, steps)
            logfiles.prune(apps)
            started = dapr_run(stack, apps, runtime, run)
            with steps.step(_counted(apps), total=len(apps)) as advance:
                return readiness.wait_ready(started, begin, advance)
        except BaseException as error:
            down(stack)
            if isinstance(error, LabError):
                # Nothing runs any more that could be restarted.
                raise LabError(re.sub(r"\./lab restart [\w-]+", "./lab up", str(error))) from None
            raise


def add(stack: Stack, apps: Sequence[App], name: str, console: Console | None = None) -> dict[str, float]:
    """Start more apps in a running stack, under a separate `dapr run` called `name`. Return seconds until ready."""
    begin = time.monotonic()
    run = remembered.read(stack)
    runnable.refuse(stack, apps)
    infrastructure.refuse_dead_redis(stack)
    runtime = setup.set_up(stack, apps, Steps(console or Console(quiet=True)), own_runtime=run.own_runtime)
    refuse_held_ports(apps)
    started = dapr_run(stack, apps, runtime, run, name=f"{name}.yaml")
    return readiness.wait_ready(started, begin)


def _counted(apps: Sequence[App]) -> str:
    """Return a name for these apps that is short enough to leave room for a progress bar."""
    return apps[0].app_id if len(apps) == 1 else f"{len(apps)} apps"


def _refuse_second(stack: Stack) -> None:
    running = [one for one in processes.find(stack) if one.kind in ("app", "sidecar", "cli")]
    if running:
        apps = {one.name: one.pid for one in running if one.kind == "app"} or {one.name: one.pid for one in running}
        what = ", ".join(f"{name} (pid {pid})" for name, pid in sorted(apps.items()))
        raise LabError(f"The labs run already: {what}. See ./lab status, or end them first with ./lab down.")


def refuse_held_ports(apps: Iterable[App]) -> None:
    """Raise LabError when another process holds a port of these apps."""
    for app in apps:
        for label, port in app.ports.items():
            if who := processes.holder(port):
                raise LabError(
                    f"{app.app_id} needs port {port} ({label}), which {who} holds. End that process and try again."
                )


def dapr_run(
    stack: Stack,
    apps: Sequence[App],
    runtime: dapr.Runtime,
    run: Run,
    *,
    name: str = "dapr.yaml",
    without_app: bool = False,
    resources: Sequence[Path] | None = None,
) -> Started:
    """Start `dapr run -f` for these apps."""
    folders = [Path(folder) for folder in run.resources] if resources is None else list(resources)
    apps = [secure.with_tokens(stack, app) for app in apps]
    file = runfile.write_copy(stack, apps, name=name, resources=folders, without_app=without_app, env=run.env)
    environment = {"NAMESPACE": "default"} | loopback.environment(stack, runtime)
    if stack.secure:
        environment |= secure.environment(stack, runtime)
    command = [str(runtime.cli), "run", "--run-file", str(file)]
    for app in apps:
        for line in poison.park(stack, app):
            problems.print(line, soft_wrap=True, markup=False)
    log = stack.logs / "dapr-run.log"
    offset = log.stat().st_size if log.exists() else 0
    process = processes.spawn(stack, "run", command, env=environment, cwd=ROOT, log=log)
    return Started(stack, apps, process, log, offset)


def down(stack: Stack, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Stop all processes of the stack, in order, and return their names. Raise LabError when one does not end."""
    with signals.uninterrupted():
        remembered.note(remembered.intent(stack, "down"), "down")
        return processes.stop(stack, say)
