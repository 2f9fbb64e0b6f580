"""Build the images of the services with docker, podman or buildah, whichever is there."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import LabError
from labctl.progress import Steps
from labctl.stack import HOME

TAG = "1.0.0"  # the one in the services' kubernetes/
# In Docker's format, because OCI's has no HEALTHCHECK.
_BUILD = {
    "docker": ["docker", "build"],
    "podman": ["podman", "build", "--format", "docker"],
    "buildah": ["buildah", "bud", "--format", "docker"],
}


@dataclass(frozen=True)
class Image:
    """A built image: its name with the tag, its size as text, and the seconds that the build took."""

    name: str
    size: str
    seconds: float


def find_builder() -> str:
    """Return the first builder that works. Raise LabError when there is none."""
    for name in _BUILD:
        # The client of Docker is often there without an engine.
        if shutil.which(name) and _run([name, "version"]).returncode == 0:
            return name
    raise LabError("Neither docker (with a running engine) nor podman or buildah works here. Install one of them.")


def image_name(folder: Path) -> str:
    """Return the name of a service's image with its tag."""
    return f"{folder.name.replace('_', '-')}:{TAG}"


def build_all(folders: Iterable[Path], steps: Steps, base: str | None = None) -> list[Image]:
    """Build the image of each folder. base: in place of the Dockerfile's BASE_IMAGE. Raise LabError when one fails."""
    builder = find_builder()
    images: list[Image] = []
    for folder in folders:
        with steps.step(image_name(folder)):
            images.append(_build(builder, folder, base))
    return images


def _build(builder: str, folder: Path, base: str | None) -> Image:
    name, begin = image_name(folder), time.monotonic()
    argument = ["--build-arg", f"BASE_IMAGE={base}"] if base else []
    done = _run([*_BUILD[builder], *argument, "--tag", name, str(folder)])
    if done.returncode:
        log = HOME / "images" / f"{folder.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout)
        last = (done.stdout.strip() or "no output").splitlines()[-1]
        raise LabError(f"{builder} did not build {name}: {last} The whole output: {log}")
    return Image(name, _size(builder, name), time.monotonic() - begin)


def _size(builder: str, name: str) -> str:
    if builder == "buildah":
        return json.loads(_checked(["buildah", "images", "--json", name]))[0]["size"]
    return f"{int(_checked([builder, 'image', 'inspect', '--format', '{{.Size}}', name])) / 1e6:.0f} MB"


def _checked(command: list[str]) -> str:
    done = _run(command)
    if done.returncode:
        raise LabError(f"`{' '.join(command)}` failed: {done.stdout.strip()}")
    return done.stdout


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
