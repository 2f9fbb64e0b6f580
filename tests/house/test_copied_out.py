"""A service folder stands alone: copied elsewhere it installs from its own locks, starts, and passes its own tests."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.uv import uv
from tests.house.repository import ROOT, below, services_by_lab

WITHIN = 300  # seconds; 5 to 15 when uv's cache is warm
# What would lead back here, or tell the service where some Dapr runs.
LEFT_OUT = ("PYTHON", "VIRTUAL_ENV", "LAB_", "DAPR_", "APP_", "PYTEST_", "FAULTS_", "SIMULATE_")


@pytest.fixture(params=services_by_lab())
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A service's files, and no others, in a folder that has no repository above it."""
    folder: Path = request.param
    target = tmp_path / folder.name
    for path in below(folder):
        there = target / path.relative_to(folder)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, there)
    return target


def run(copy: Path, *command: str) -> None:
    """Runs a command in the copied folder; its output is the failure."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    result = subprocess.run(
        command, cwd=copy, env=environment, timeout=WITHIN, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        pytest.fail(f"{shlex.join(command)}\n{result.stdout}{result.stderr}", pytrace=False)


def install(copy: Path, lock: str) -> str:
    """Makes `.venv` by the two uv commands of the service's README, and returns its python."""
    run(copy, str(uv()), "venv", "--quiet", "--python", sys.executable)
    run(copy, str(uv()), "pip", "sync", "--quiet", "--require-hashes", lock)
    return str(copy / ".venv" / "bin" / "python")


def test_it_passes_its_own_tests(copy: Path) -> None:
    run(copy, install(copy, "requirements-dev.txt"), "-m", "pytest", "-q")


def test_every_module_loads_with_what_the_image_installs(copy: Path) -> None:
    python = install(copy, "requirements.txt")
    modules = ", ".join(sorted(path.stem for path in copy.glob("*.py")))
    run(copy, python, "-c", f"import {modules}")
