"""Newer Pythons than the pinned one, where this machine has them: ./lab, and a service's own tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from labctl.make.uv import uv
from tests.house.repository import ROOT
from tests.house.test_copied_out import Copy, own_tests

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


@pytest.fixture(params=["3.12", "3.13", "3.14"])
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter of that version, from PATH or from pyenv, whose shims on PATH may be for no version."""
    version = str(request.param)
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in filter(None, [shutil.which(f"python{version}"), *map(str, installed)]):
        said = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False).stdout
        if said.startswith(f"Python {version}."):
            return candidate
    pytest.skip(f"this machine has no Python {version}")


def test_the_service_with_the_most_parts_passes_its_own_tests(python: str, tmp_path: Path) -> None:
    copy = Copy(Path("pizza_services/workflow_service"), tmp_path / "service")
    copy.run(str(uv()), "venv", "--quiet", "--python", python)
    own_tests(copy)


def test_labctl_runs_on_it(python: str, tmp_path: Path) -> None:
    environment = os.environ | {"LAB_PYTHON": python, "LAB_HOME": str(tmp_path), "UV_PYTHON_DOWNLOADS": "never"}
    doctor = subprocess.run(
        [str(ROOT / "lab"), "doctor"], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert version in doctor.stdout, doctor.stderr
