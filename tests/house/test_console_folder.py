"""The console: tested and typed in its own environment, and no service needs it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from labctl.make.setup import make_environment
from labctl.progress import Steps
from tests.house.repository import ROOT, named, services, text
from tests.house.test_locks import LOCKS, made_by

FOLDER = Path("console")
LONGEST_FILE = 250  # lines


@pytest.fixture(scope="module")
def python() -> Path:
    """Return the interpreter of the console's own environment, made from its lock if it must be."""
    return make_environment(ROOT / FOLDER, Steps(Console(file=io.StringIO())))


def run(*command: str | Path, folder: Path = ROOT) -> None:
    """Run a checker. Its output is the failure."""
    result = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_console_passes_its_tests(python: Path) -> None:
    run(python, "-m", "pytest", "-q", folder=ROOT / FOLDER)


def test_types_of_the_console(python: Path) -> None:
    run(Path(sys.executable).with_name("pyright"), "--project", FOLDER, "--pythonpath", python)


def test_the_consoles_types_are_checked_strictly() -> None:
    settings = tomllib.loads(text(FOLDER / "pyproject.toml"))["tool"]["pyright"]
    assert settings["typeCheckingMode"] == "strict"
    assert not [name for name in settings if name.startswith("report")]
    assert settings["exclude"] == ["**/.*", "**/__pycache__", "tests"]


def test_the_locks_are_made_as_those_of_the_services() -> None:
    of_a_service = {lock.name: set(made_by(lock)) for lock in LOCKS if lock.parent == services()[0]}
    assert {lock.name: set(made_by(lock)) for lock in LOCKS if lock.parent == FOLDER} == of_a_service


def test_nothing_but_the_console_imports_it() -> None:
    imported = re.compile(r"^\s*(?:from|import) console(?:\.\w+)*(?: import (?!console\b).*)?$", re.MULTILINE)
    sources = [path for path in named("*.py") if path.parts[0] not in ("console", "tests", "docs")]
    assert [str(path) for path in sources if imported.search(text(path))] == []


def test_each_file_of_the_console_is_short() -> None:
    sources = [path for path in named("*.py") if path.parts[0] == "console"]
    assert [str(path) for path in sources if len(text(path).splitlines()) > LONGEST_FILE] == []
