"""Find the Dapr runtime and CLI to use: the user's own `dapr init`, or the pinned ones, made once."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from labctl.make import build, installed
from labctl.progress import Steps


@dataclass(frozen=True)
class Runtime:
    """A Dapr CLI and the folder whose `.dapr/bin` holds its daprd."""

    origin: str
    cli: Path
    path: Path

    def binary(self, name: str) -> Path:
        """Return the path of `daprd`, `placement`, `scheduler` or `sentry`. `dapr init` has only daprd."""
        return self.path / ".dapr" / "bin" / name

    @property
    def environment(self) -> dict[str, str]:
        """Return the variable by which the CLI finds its daprd."""
        return {"DAPR_RUNTIME_PATH": str(self.path)}

    def version(self) -> str:
        """Return the version that daprd reports."""
        return installed.output([str(self.binary("daprd")), "--version"]).strip()


def users_own() -> Runtime | None:
    """Return the user's `dapr init`: a `dapr` on PATH and its daprd. None when either is missing."""
    cli = shutil.which("dapr")
    home = Path(os.environ.get("DAPR_RUNTIME_PATH") or Path.home())
    runtime = Runtime("dapr init", Path(cli), home) if cli else None
    return runtime if runtime and runtime.binary("daprd").exists() else None


def pinned() -> Runtime | None:
    """Return the repository's own runtime. None until `./lab setup` has made it for the current pins."""
    if installed.pins() not in installed.made_from():
        return None
    return Runtime(installed.origin(), installed.OWN / "bin" / "dapr", installed.OWN)


def ensure(steps: Steps, *, own: bool = False, from_source: bool = False) -> Runtime:
    """Return the runtime to use, and make it first if it is missing.

    own: the pinned one even beside a `dapr init` (tests and `--secure`, which needs sentry).
    from_source: the pinned one, built here.
    Raises LabError when there is no room, no toolchain, or the registry does not answer.
    """
    if not (own or from_source) and (found := users_own()):
        return found
    # Asked twice: who needs nothing does not wait for the build of another.
    if found := _made(from_source):
        return found
    with build.alone(steps):
        if not _made(from_source):
            _make(steps, from_source)
        made = pinned()
    assert made
    return made


def _made(from_source: bool) -> Runtime | None:
    found = pinned()
    return None if found and from_source and found.origin != "built from source" else found


def _make(steps: Steps, from_source: bool) -> None:
    """Install the release archives, or build from source when they cannot be had or must not be used."""
    if not from_source:
        # Imported only here: its HTTP client would cost each ./lab up 40 ms.
        from labctl.make import releases

        try:
            releases.install(steps)
        except releases.NotInstalledError as reason:
            sentence = f"Dapr's release archives were not installed, because {reason}. Building from source instead …"
            steps.console.print(sentence, markup=False, soft_wrap=True)
        else:
            return
    build.build(steps)
