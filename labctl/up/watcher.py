"""Restart crashed Dapr and Redis processes of a running stack, as Kubernetes and Docker restart containers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from labctl import runfile
from labctl.errors import LabError
from labctl.runfile import App
from labctl.stack import Stack
from labctl.up import alive, control, infrastructure, logfiles, poison, processes, remembered, web_console

AGAIN_AT_MOST = 5  # restarts of each process in the life of one `./lab up`; more are no accident
LOOK_EVERY = 0.5  # seconds


class Part(NamedTuple):
    """A process that belongs to a stack: an `app`, the `sidecar` of one, or `infrastructure`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return alive.named(self.name, self.kind if self.kind == "sidecar" else "app")

    def start_again(self, stack: Stack) -> float:
        """Start it beside the processes that run. Return the seconds until it is ready. Raise LabError."""
        return control.restart(stack, self.name, sidecar=self.kind == "sidecar", keep_sidecar=self.kind == "app")


CONSOLE = Part("infrastructure", web_console.NAME)


def missing(stack: Stack, apps: Sequence[App]) -> list[Part]:
    """Return the parts of a stack with these apps that do not run, in the order in which they are restarted."""
    whole = [Part("infrastructure", name) for name in infrastructure.names(stack)]
    whole += [Part(kind, app.app_id) for kind in ("sidecar", "app") for app in apps]
    # Last, because no lab waits for it.
    whole += [CONSOLE] if remembered.read(stack).console else []
    living = _living(stack)
    return [part for part in whole if part not in living]


def watch(stack: Stack, apps: Sequence[App], say: Callable[[str], None], *, infrastructure_too: bool = True) -> None:
    """Restart crashed Dapr and Redis processes. Return when another command has stopped the stack.

    Raise LabError when an app ends, because its log has the reason, and when a process crashes too often. Processes
    that ./lab did not start, or that `./lab kill` ended, are left alone.
    """
    watched, ended = {Part(kind, app.app_id) for kind in ("sidecar", "app") for app in apps}, Counter[Part]()
    pids = _living(stack)
    if infrastructure_too:
        watched |= {part for part in pids if part.kind == "infrastructure"}
    down = remembered.intent(stack, "down")

    def note(text: str) -> None:
        say(f"{time.strftime('%H:%M:%S')} {text}")

    while True:
        gone = _gone(stack, apps, watched)
        if down.exists():
            return
        for part in gone:
            if part.kind == "app":
                raise alive.ended(stack, part.name, _log(stack, apps, part), how="ended unexpectedly")
        for part in gone:
            ended[part] += 1
            try:
                if ended[part] > AGAIN_AT_MOST:
                    how = f"ended unexpectedly for the {ended[part]}th time"
                    raise alive.ended(stack, str(part), _log(stack, apps, part), how=how)
                if not _bring_back(stack, apps, part, note):
                    return
            except Exception as error:
                if part != CONSOLE:
                    raise
                _give_up_console(stack, error, note)
        now = _living(stack)
        if infrastructure_too and CONSOLE in now:
            watched.add(CONSOLE)  # another command may have started it
        if down.exists():
            return
        if not gone:
            for line in _changes(stack, watched, pids, now):
                note(line)
        pids = now
        time.sleep(LOOK_EVERY)


def _bring_back(stack: Stack, apps: Sequence[App], part: Part, note: Callable[[str], None]) -> bool:
    """Restart a crashed part. Return False if another command has stopped the stack. Raise LabError."""
    down = remembered.intent(stack, "down")
    note(f"{part} ended unexpectedly; its log: {_log(stack, apps, part)}. Restarting it …")
    for line in poison.park(stack, runfile.find(apps, part.name)) if part.kind == "sidecar" else []:
        note(line)
    try:
        seconds = part.start_again(stack)
    except LabError:
        if down.exists():
            return False
        raise
    if down.exists():
        processes.stop(stack)  # it started too late to be stopped with the others
        return False
    note(f"{part} is ready again after {seconds:.1f} s.")
    return True


def _give_up_console(stack: Stack, error: Exception, note: Callable[[str], None]) -> None:
    """Leave the console alone until a command starts it. No lab needs it."""
    remembered.note(remembered.intent(stack, CONSOLE.name), "given up")
    note(f"{error} The labs go on without the console: ./lab restart {CONSOLE.name} starts it.")


def _living(stack: Stack) -> dict[Part, int]:
    return {Part(one.kind, one.name): one.pid for one in processes.find(stack)}


def _changes(stack: Stack, watched: set[Part], before: dict[Part, int], now: dict[Part, int]) -> list[str]:
    """Return a sentence for each process that another command has stopped or restarted."""
    ended = [
        part for part in sorted(watched & (set(before) - set(now))) if remembered.intent(stack, part.name).exists()
    ]
    again = [part for part in sorted(watched & set(now)) if before.get(part) != now[part]]
    stopped = [f"{part} was stopped by another command." for part in ended]
    return stopped + [f"{part} was restarted by another command." for part in again]


def _gone(stack: Stack, apps: Sequence[App], watched: set[Part]) -> list[Part]:
    # A look at all processes takes a while, and a `./lab restart` may end during it. So the marks are read before and
    # after, and a process must be missing twice.
    meant = {part for part in watched if remembered.intent(stack, part.name).exists()}
    gone = [part for part in missing(stack, apps) if part in watched - meant]
    still = missing(stack, apps) if gone else []
    return [part for part in gone if part in still and not remembered.intent(stack, part.name).exists()]


def _log(stack: Stack, apps: Sequence[App], part: Part) -> Path | None:
    if part.kind == "infrastructure":
        return stack.logs / f"{part.name}.log"
    return logfiles.file(stack, runfile.find(apps, part.name), "app" if part.kind == "app" else "daprd")
