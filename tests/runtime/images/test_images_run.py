"""Each image is built, and runs as an app of its lab: without rights, on a read-only file system, healthy."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from labctl.errors import LabError
from labctl.up import readiness
from labctl.up.processes import wait_until
from tests.house.repository import ROOT, services_by_lab
from tests.runtime.conftest import WELL_AGAIN_WITHIN, Running
from tests.runtime.images.conftest import built, image_of

# In every run. `./lab test images` builds all.
ALWAYS = ("callee_service", "caller_service")
GRACE_SECONDS = 10  # of uvicorn in dapr.yaml and of the pods in kubernetes/, for requests in flight


def services() -> list[Any]:
    """Return the service folders as parameters, those that are not built in every run marked as long."""
    return [
        one if one.id in ALWAYS else pytest.param(*one.values, id=one.id, marks=[*one.marks, pytest.mark.full])
        for one in services_by_lab()
    ]


def test_a_build_that_fails_says_why(base: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM $BASE_IMAGE\nRUN echo no disk >&2 && false\n")
    with pytest.raises(LabError, match=r"buildah did not build .*The whole output: (.*)") as refused:
        image_of(tmp_path, base)
    assert "no disk" in Path(str(refused.value).rpartition(": ")[2]).read_text()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("folder", services())
def test_an_image_runs_as_the_app_of_its_lab(folder: Path, base: str, lab: Running) -> None:
    app = next(one for one in lab.apps if one.folder == ROOT / folder and one.protocol == "http")
    with built(ROOT / folder, base) as image, lab.otherwise(image.as_app(app)):
        assert wait_until(lambda: readiness.is_ready(app), WELL_AGAIN_WITHIN)
        process = psutil.Process(lab.pid(app.app_id))
        assert set(process.uids()) == {int(image.config["User"])} != {0}
        kind, *check = image.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        assert image.inside(process.pid, *check).returncode == 0
        written = image.inside(process.pid, "touch", f"{image.config['WorkingDir']}/written")
        assert "Read-only file system" in written.stderr
        begin = time.monotonic()
        process.terminate()
        process.wait(GRACE_SECONDS)
        print(f"{image.image.name}: {image.image.size}, ended after {time.monotonic() - begin:.1f} s")


@pytest.mark.lab("invocation")
def test_the_images_of_lab_1_greet(base: str, lab: Running) -> None:
    callee, caller = lab.app("callee-app"), lab.app("caller-app")
    with (
        built(ROOT / "callee_service", base) as greeter,
        built(ROOT / "caller_service", base) as asker,
        lab.otherwise(greeter.as_app(callee), asker.as_app(caller)),
    ):
        assert wait_until(lambda: readiness.is_ready(callee) and readiness.is_ready(caller), WELL_AGAIN_WITHIN)
        answer = lab.http.get(lab.url("caller-app", "/call-greet/Ada"))
        assert answer.json()["message"] == "Hello, Ada from callee-app!"
