"""The kit: within its budget, tested, and the same bytes in every service that uses it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from labctl import vendor
from labctl.make.setup import make_environment
from labctl.progress import Steps
from tests.house.repository import ROOT, named, services, text

LARGEST_KIT = 3_200  # lines, without its tests and fakes
SOURCES = [path for path in named("kit/**/*.py", "kit/*.py") if path.parts[0] == "kit" and path.parts[1] != "tests"]


@pytest.fixture(scope="module")
def python() -> Path:
    """Return the interpreter of the kit's own environment, made from its lock if it must be."""
    make_environment(ROOT / "kit", Steps(Console(file=io.StringIO())))
    return ROOT / "kit" / ".venv" / "bin" / "python"


@pytest.mark.parametrize("service", services(), ids=str)
def test_a_services_copy_equals_the_kit(service: Path) -> None:
    assert vendor.stale(ROOT, ROOT / service) == {}, "run ./lab vendor"


def test_the_page_of_faults_is_the_table() -> None:
    page, table = ROOT / "docs/dapr-faults.md", ROOT / "kit/engine/FAULTS.md"
    assert page.read_bytes() == table.read_bytes(), "run ./lab vendor"


def test_every_module_of_the_kit_is_used() -> None:
    used = {source for service in services() for source in vendor.plan(ROOT, ROOT / service).values()}
    assert [str(path) for path in SOURCES if ROOT / path not in used] == []


def test_the_kit_is_small() -> None:
    lines = sum(len(text(path).splitlines()) for path in SOURCES if path.parts[1] != "fakes")
    assert lines <= LARGEST_KIT


def test_the_kit_passes_its_tests(python: Path) -> None:
    result = subprocess.run(
        [str(python), "-m", "pytest", "-q"], cwd=ROOT / "kit", capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_types_of_the_kit(python: Path) -> None:
    pyright = str(Path(sys.executable).with_name("pyright"))
    command = [pyright, "--project", "kit", "--pythonpath", str(python)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
