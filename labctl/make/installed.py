"""The pinned runtime and CLI: their versions, the folder that holds them, and how a finished one gets there."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Literal

import yaml

from labctl.files import MADE_FROM
from labctl.stack import HOME, ROOT

RUNTIME_VERSION = "1.18.1"
OLDEST_VERSION = "1.18.0"  # of a user's own Dapr: an older one has no /v1.0/jobs, and the labs never ran on it
CLI_VERSION = "1.16.5"
BINARIES = ("daprd", "placement", "scheduler", "sentry")
DOWNLOAD_SPACE_GB = 1  # release archives and programs together

SOURCE = ROOT / "runtime"
OWN = HOME / "runtime"

Origin = Literal["release archives", "built from source"]


def pins() -> str:
    """Return a line that changes when the runtime must be made again."""
    digest = hashlib.sha256()
    for name in ("components.txt", "go.mod", "cli/go.mod"):
        digest.update((SOURCE / name).read_bytes())
    return digest.hexdigest()


def made_from() -> list[str]:
    """Return what was noted of the installed runtime: pins first, then the origin. Empty when nothing is installed."""
    file = OWN / MADE_FROM
    return file.read_text().splitlines() if file.exists() else []


def origin() -> Origin:
    """Return where the installed runtime is from."""
    return "release archives" if "release archives" in made_from() else "built from source"


def new(folder: Path) -> Path:
    """Make an empty folder in the layout that `install` expects, and return it. Note in it what will be made."""
    remove(folder)
    (folder / ".dapr" / "bin").mkdir(parents=True)
    (folder / ".dapr" / "components").mkdir()  # `dapr run --app-id …` without resources looks here
    (folder / "bin").mkdir()
    # Now, not at the end of a build: the pins may change under it.
    (folder / MADE_FROM).write_text(f"{pins()}\n")
    return folder


def install(folder: Path, origin: Origin) -> None:
    """Move a finished folder into its place. Only then is the runtime installed."""
    # Without a config.yaml beside it daprd stops at once, and `dapr run -f` hangs.
    config = {"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "daprConfig"}}
    (folder / ".dapr" / "config.yaml").write_text(yaml.safe_dump(config))
    with (folder / MADE_FROM).open("a") as made_from:
        made_from.write(f"{origin}\n")
    remove(OWN)
    folder.rename(OWN)


def remove(folder: Path) -> None:
    """Delete a folder with everything in it, if it exists."""
    if folder.exists():
        shutil.rmtree(folder)


def output(command: list[str]) -> str:
    """Run a command and return its standard output."""
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
