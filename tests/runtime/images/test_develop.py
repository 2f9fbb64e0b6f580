"""The image that the Tiltfile builds for a cluster: its user replaces a file, and the app restarts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from labctl.up import readiness
from labctl.up.processes import wait_until
from tests.house.repository import ROOT
from tests.runtime.conftest import WELL_AGAIN_WITHIN, Running
from tests.runtime.images.conftest import built
from tests.tilt import tilt


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.lab("invocation")
def test_a_file_that_tilt_replaces_is_served(base: str, lab: Running, tmp_path: Path) -> None:
    callee = lab.app("callee-app")
    folder = shutil.copytree(
        ROOT / "callee_service", tmp_path / "callee_develop", ignore=shutil.ignore_patterns(".venv", ".dapr")
    )
    build = tilt.load("--mode", "k8s").builds["callee-service"]
    (folder / "Dockerfile").write_text(build["dockerfile_contents"])
    with built(folder, base) as image:
        # As kubernetes/overlays/develop starts it. Outside of a container the app must listen on loopback only.
        command = ["sh", "-c", f"{callee.entry['command'][-1].replace('.venv/bin/', '')} --reload"]
        environment = [one for one in image.config["Env"] if not one.startswith(("APP_PORT=", "APP_HOST="))]
        code, user = image.config["WorkingDir"], image.config["User"]
        mounts = ["tmpfs:/tmp", f"{image.root}{code}:{code}"]
        entry = callee.entry | {"command": image.command(command, environment, mounts=mounts)}
        with lab.otherwise(replace(callee, entry=entry)):
            assert wait_until(lambda: readiness.is_ready(callee), WELL_AGAIN_WITHIN)
            url = lab.url("caller-app", "/call-greet/Ada")
            assert lab.http.get(url).json()["message"] == "Hello, Ada from callee-app!"
            drop = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
            edit = ("sed", "--in-place", "s/Hello, {name}/Welcome, {name}/", f"{code}/main.py")
            done = image.inside(lab.pid("callee-app"), *drop, *edit)
            assert done.returncode == 0, done.stderr
            assert wait_until(lambda: "Welcome, Ada" in lab.http.get(url).text, WELL_AGAIN_WITHIN)
