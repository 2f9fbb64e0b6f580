"""A failed test on the real runtime gets one second try, alone, and the run says so."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from labctl import second_try

PASSES_ALONE = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_flaky(number):
    seen = Path(__file__).with_name(f"seen-{{number}}")
    if not seen.exists():
        seen.touch()
        raise RuntimeError(f"race {{number}}")
"""
FAILS_ALWAYS = "def test_broken():\n    assert 1 == 2\n"


@pytest.fixture(autouse=True)
def few_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pytest of these files load what it needs. All plugins of the repository's tests take it seconds."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "xdist.plugin")


def run(folder: Path, **files: str) -> tuple[int, str]:
    """Run pytest on these files, of which those in tests/runtime get a second try."""
    for name, text in files.items():
        path = folder / "tests" / name / "test_it.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    said = Console(file=io.StringIO(), width=200)
    command = [sys.executable, "-m", "pytest", "tests", "-n", "1", "-q"]
    code = second_try.run(command, folder, said)
    assert isinstance(said.file, io.StringIO)
    return code, said.file.getvalue()


def test_a_test_that_passes_alone_passes_the_run_and_is_named(tmp_path: Path) -> None:
    code, said = run(tmp_path, runtime=PASSES_ALONE.format(count=2))
    assert code == 0
    assert "passed on the second try" in said
    assert "tests/runtime/test_it.py::test_flaky[1]" in said
    assert "race 1" in said


@pytest.mark.parametrize(
    "files",
    [
        {"runtime": FAILS_ALWAYS},
        {"runtime": PASSES_ALONE.format(count=6)},
        {"house": PASSES_ALONE.format(count=1)},
        {"runtime": PASSES_ALONE.format(count=1), "house": FAILS_ALWAYS},
    ],
    ids=["fails twice", "more than five", "no test of the runtime", "another failure beside it"],
)
def test_the_run_fails_all_the_same(tmp_path: Path, files: dict[str, str]) -> None:
    code, said = run(tmp_path, **files)
    assert code == 1
    assert "passed on the second try" not in said
