"""What of a running stack has ended, and who starts it again: what Kubernetes and Docker do with their containers."""

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
from labctl.up import control, infrastructure, logfiles, processes, remembered

AGAIN_AT_MOST = 5  # times for each, in the life of one `./lab up`: more is no accident
LOOK_EVERY = 0.5  # seconds


class Part(NamedTuple):
    """A process that belongs to a stack: an `app`, the `sidecar` of one, or `infrastructure`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.name}'s sidecar" if self.kind == "sidecar" else self.name

    def start_again(self, stack: Stack) -> float:
        """Starts it beside all that lives; seconds until it is ready. Raises LabError."""
        return control.restart(stack, self.name, sidecar=self.kind == "sidecar", keep_sidecar=self.kind == "app")


def missing(stack: Stack, apps: Sequence[App]) -> list[Part]:
    """What does not run of a stack with these apps: Redis, scheduler and placement first, then sidecars, then apps."""
    whole = [Part("infrastructure", name) for name in infrastructure.names(stack)]
    whole += [Part(kind, app.app_id) for kind in ("sidecar", "app") for app in apps]
    living = _living(stack)
    return [part for part in whole if part not in living]


def watch(stack: Stack, apps: Sequence[App], say: Callable[[str], None], *, infrastructure_too: bool = True) -> None:
    """Starts again what of Dapr and Redis ends by itself; returns when the stack was taken down from elsewhere.

    Raises LabError when an app ends by itself, whose log says why; and when something does not stay up. What somebody
    else runs, or was ended by `./lab kill`, is left alone.
    """
    watched, ended = {Part(kind, app.app_id) for kind in ("sidecar", "app") for app in apps}, Counter[Part]()
    if infrastructure_too:
        watched |= {part for part in _living(stack) if part.kind == "infrastructure"}
    down = remembered.intent(stack, "down")
    while True:
        gone = _gone(stack, apps, watched)
        if down.exists():
            return
        for part in gone:
            if part.kind == "app":
                raise LabError(f"{part} ended by itself.{logfiles.tail_of(stack, runfile.find(apps, part.name))}")
        for part in gone:
            ended[part] += 1
            if ended[part] > AGAIN_AT_MOST:
                raise LabError(
                    f"{part} ended by itself for the {ended[part]}th time. Its log: {_log(stack, apps, part)}"
                )
            say(f"{part} ended by itself; its log: {_log(stack, apps, part)}. Starting it again …")
            try:
                seconds = part.start_again(stack)
            except LabError:
                if down.exists():
                    return
                raise
            if down.exists():
                processes.stop(stack)  # it came too late to be ended with the others
                return
            say(f"{part} is ready again after {seconds:.1f} s.")
        time.sleep(LOOK_EVERY)


def _living(stack: Stack) -> set[Part]:
    return {Part(one.kind, one.name) for one in processes.find(stack)}


def _gone(stack: Stack, apps: Sequence[App], watched: set[Part]) -> list[Part]:
    # To go through all processes takes a while, in which a `./lab restart` may come to its end. So who asked for one is
    # looked at before and after, and what is missing is looked for twice.
    meant = {part for part in watched if remembered.intent(stack, part.name).exists()}
    gone = [part for part in missing(stack, apps) if part in watched - meant]
    still = missing(stack, apps) if gone else []
    return [part for part in gone if part in still and not remembered.intent(stack, part.name).exists()]


def _log(stack: Stack, apps: Sequence[App], part: Part) -> Path | None:
    if part.kind == "infrastructure":
        return stack.logs / f"{part.name}.log"
    return logfiles.file(stack, runfile.find(apps, part.name), "daprd")
