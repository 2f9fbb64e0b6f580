"""A service folder stands alone: copied elsewhere it installs from its own locks, starts, and passes its own tests."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from labctl.make.uv import uv
from tests.house.repository import ROOT, below, services_by_lab

WITHIN = 900  # seconds a command has; 5 to 90 alone on two cores, when uv's cache is warm
# Variables that lead back here, or to some running Dapr.
LEFT_OUT = ("PYTHON", "VIRTUAL_ENV", "LAB_", "DAPR_", "APP_", "PYTEST_", "FAULTS_", "SIMULATE_")

# All of it happens in the set-up of the first test.
pytestmark = pytest.mark.timeout(3000)


class Copy:
    """A service's files, and no others, in a folder that has no repository above it."""

    def __init__(self, service: Path, folder: Path) -> None:
        self.folder = folder
        for path in below(service):
            there = folder / path.relative_to(service)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, there)

    def run(self, *command: str) -> None:
        """Run a command in the copied folder; its output is the failure."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
        result = subprocess.run(
            command, cwd=self.folder, env=environment, timeout=WITHIN, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            pytest.fail(f"{shlex.join(command)}\n{result.stdout}{result.stderr}", pytrace=False)

    def install(self, lock: str) -> str:
        """Make `.venv` by the two uv commands of the service's README, or make it again, and return its python."""
        if not (self.folder / ".venv").exists():
            self.run(str(uv()), "venv", "--quiet", "--python", sys.executable)
        self.run(str(uv()), "pip", "sync", "--quiet", "--require-hashes", lock)
        return str(self.folder / ".venv" / "bin" / "python")


def own_tests(copy: Copy) -> None:
    """Fail unless the service's tests pass with its lock for development."""
    copy.run(copy.install("requirements-dev.txt"), "-m", "pytest", "-q")


def modules(copy: Copy) -> None:
    """Fail unless every module of the image can be imported with the packages that the image installs."""
    paths = [path.relative_to(copy.folder) for path in copy.folder.rglob("*.py")]
    shipped = [path for path in paths if not {".venv", "tests", "fakes"} & set(path.parts)]
    names = ", ".join(sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in shipped))
    copy.run(copy.install("requirements.txt"), "-c", f"import {names}")


def check(copy: Copy) -> None:
    """Try both, one after the other in the same environment."""
    own_tests(copy)
    modules(copy)


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Future[None]]:
    """The services that this run has tests for. They are tried side by side, one for each core."""
    items = [one for one in request.session.items if isinstance(one, pytest.Function) and one.path == Path(__file__)]
    services = sorted({Path(str(item.callspec.params["service"])) for item in items})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {one: pool.submit(check, Copy(one, tmp_path_factory.mktemp(one.name))) for one in services}


@pytest.mark.parametrize("service", services_by_lab())
def test_it_passes_its_own_tests(service: Path, outcomes: dict[Path, Future[None]]) -> None:
    """And every module loads with what the image installs."""
    outcomes[service].result()
