"""What of a running site has ended, and who starts it again: what Kubernetes and Docker do with their containers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from labctl import infrastructure, lifecycle, logfiles, processes, runfile
from labctl.errors import LabError
from labctl.runfile import App
from labctl.site import Site

AGAIN_AT_MOST = 5  # times for each, in the life of one `./lab up`: more is no accident
LOOK_EVERY = 0.5  # seconds


class Part(NamedTuple):
    """A process that belongs to a site: an `app`, the `sidecar` of one, or `infrastructure`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.name}'s sidecar" if self.kind == "sidecar" else self.name

    def start_again(self, site: Site) -> float:
        """Starts it beside all that lives; seconds until it is ready. Raises LabError."""
        return lifecycle.restart(site, self.name, sidecar=self.kind == "sidecar", keep_sidecar=self.kind == "app")


def missing(site: Site, apps: Sequence[App]) -> list[Part]:
    """What does not run of a site with these apps: Redis, scheduler and placement first, then sidecars, then apps."""
    whole = [Part("infrastructure", name) for name in infrastructure.names(site)]
    whole += [Part(kind, app.app_id) for kind in ("sidecar", "app") for app in apps]
    living = _living(site)
    return [part for part in whole if part not in living]


def watch(site: Site, apps: Sequence[App], say: Callable[[str], None], *, infrastructure_too: bool = True) -> None:
    """Starts again what of Dapr and Redis ends by itself; returns when the site was taken down from elsewhere.

    Raises LabError when an app ends by itself, whose log says why; and when something does not stay up. What somebody
    else runs, or was ended by `./lab kill`, is left alone.
    """
    watched, ended = {Part(kind, app.app_id) for kind in ("sidecar", "app") for app in apps}, Counter[Part]()
    if infrastructure_too:
        watched |= {part for part in _living(site) if part.kind == "infrastructure"}
    down = lifecycle.intent(site, "down")
    while True:
        gone = _gone(site, apps, watched)
        if down.exists():
            return
        for part in gone:
            if part.kind == "app":
                raise LabError(f"{part} ended by itself.{logfiles.tail_of(site, runfile.find(apps, part.name))}")
        for part in gone:
            ended[part] += 1
            if ended[part] > AGAIN_AT_MOST:
                raise LabError(
                    f"{part} ended by itself for the {ended[part]}th time. Its log: {_log(site, apps, part)}"
                )
            say(f"{part} ended by itself; its log: {_log(site, apps, part)}. Starting it again …")
            try:
                seconds = part.start_again(site)
            except LabError:
                if down.exists():
                    return
                raise
            if down.exists():
                processes.stop(site)  # it came too late to be ended with the others
                return
            say(f"{part} is ready again after {seconds:.1f} s.")
        time.sleep(LOOK_EVERY)


def _living(site: Site) -> set[Part]:
    return {Part(one.kind, one.name) for one in processes.find(site)}


def _gone(site: Site, apps: Sequence[App], watched: set[Part]) -> list[Part]:
    # To go through all processes takes a while, in which a `./lab restart` may come to its end. So who asked for one is
    # looked at before and after, and what is missing is looked for twice.
    meant = {part for part in watched if lifecycle.intent(site, part.name).exists()}
    gone = [part for part in missing(site, apps) if part in watched - meant]
    still = missing(site, apps) if gone else []
    return [part for part in gone if part in still and not lifecycle.intent(site, part.name).exists()]


def _log(site: Site, apps: Sequence[App], part: Part) -> Path | None:
    if part.kind == "infrastructure":
        return site.logs / f"{part.name}.log"
    return logfiles.file(site, runfile.find(apps, part.name), "daprd")
