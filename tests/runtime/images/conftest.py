"""A base image by debootstrap, images by buildah, and an image as an app of a lab: no Docker, no registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from labctl.make.images import Image, build_all
from labctl.progress import Steps
from labctl.runfile import App
from labctl.stack import HOME

STORE = HOME / "images"
SUITE = "bookworm"  # its Python is 3.11
PACKAGES = "ca-certificates,python3,python3-pip,python-is-python3"
BASE = "localhost/debian-python:3.11"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NEEDED = ("buildah", "debootstrap", "unshare", "nsenter", "ip", "curl")
RUN = Path(__file__).with_name("run_read_only.sh")
NO_RIGHTS = "-all"


@dataclass(frozen=True)
class Built:
    """An image, what its Dockerfile set, and where its files are mounted."""

    image: Image
    config: dict[str, Any]
    root: Path

    def as_app(self, app: App) -> App:
        """Return the app with this image in place of its folder, on a read-only root file system, without rights."""
        # `dapr run` sets the rest. Outside a container the app must listen on loopback only.
        taken = [one for one in self.config["Env"] if not one.startswith(("APP_PORT=", "APP_HOST="))]
        command = self.command(self.config["Cmd"], taken, mounts=["tmpfs:/tmp"])
        return replace(app, entry=app.entry | {"command": command})

    def command(
        self,
        command: Sequence[str],
        environment: Sequence[str],
        *,
        folder: str = "",
        user: str = "",
        rights: str = NO_RIGHTS,
        mounts: Sequence[str] = (),
    ) -> list[str]:
        """Return the command that runs this one in the image. Folder and user are the image's unless named."""
        place = [str(self.root), folder or self.config["WorkingDir"] or "/", user or self.config["User"] or "0"]
        return ["unshare", "--mount", "sh", str(RUN), *place, rights, ",".join(mounts), *environment, *command]

    def inside(self, pid: int, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the mounts and network of a process that runs the image, with its environment."""
        environment = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
        enter = [
            "nsenter",
            "--target",
            str(pid),
            "--mount",
            "--net",
            "chroot",
            str(self.root),
            "env",
            "-i",
            *environment,
        ]
        return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(scope="session")
def storage() -> None:
    """Keep images in .lab, where no other program looks for them."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        reason = f"images are built by root with {', '.join(NEEDED)}; on Debian: apt install buildah debootstrap"
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"{reason} (.ci/run does)")
        pytest.skip(reason)
    STORE.mkdir(parents=True, exist_ok=True)
    config = STORE / "storage.conf"
    places = f'graphroot = "{STORE}/store"\nrunroot = "{STORE}/run"\n'
    config.write_text(f'[storage]\ndriver = "overlay"\n{places}')
    os.environ |= {"CONTAINERS_STORAGE_CONF": str(config), "BUILDAH_ISOLATION": "chroot"}


@pytest.fixture(scope="session")
def base(storage: None) -> str:
    """Make the base image once for a checkout."""
    if run("buildah", "images", "--json", BASE, check=False):
        return BASE
    root = STORE / "base"
    shutil.rmtree(root, ignore_errors=True)
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root))
    # For a network that inspects TLS.
    shutil.copy(CERTIFICATES, root / str(CERTIFICATES)[1:])
    container = run("buildah", "from", "scratch")
    run("buildah", "copy", "--quiet", container, str(root), "/")
    pip = ("PIP_BREAK_SYSTEM_PACKAGES=1", "PIP_ROOT_USER_ACTION=ignore", f"PIP_CERT={CERTIFICATES}")
    run("buildah", "config", *(f"--env={one}" for one in pip), container)
    run("buildah", "commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(root)
    return BASE


@cache
def image_of(folder: Path, base: str) -> Image:
    """Build the image of a service, once for all tests."""
    (image,) = build_all([folder], Steps(Console(stderr=True)), base)
    return image


@contextmanager
def built(folder: Path, base: str) -> Iterator[Built]:
    """Build the image of a service, and mount it while the block runs."""
    with mounted(image_of(folder, base)) as image:
        yield image


@contextmanager
def mounted(image: Image) -> Iterator[Built]:
    """Mount an image while the block runs."""
    config = json.loads(run("buildah", "inspect", "--type", "image", image.name))["Docker"]["config"]
    container = run("buildah", "from", "--pull-never", image.name)
    try:
        yield Built(image, config, Path(run("buildah", "mount", container)))
    finally:
        run("buildah", "rm", container)


def run(*command: str, check: bool = True) -> str:
    """Run a command and return its output. Fail with its errors unless it may fail."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    return done.stdout.strip() if done.returncode == 0 else ""
