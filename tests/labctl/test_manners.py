"""./lab answers a mistyped word, a question for its version, and one for help."""

from __future__ import annotations

import subprocess

import pytest
import typer

from labctl.make.installed import RUNTIME_VERSION
from labctl.stack import ROOT
from labctl.testing import sort_out

LABS = ["invocation", "jobs"]


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(ROOT / "lab"), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "chosen", "passed_on"),
    [
        ([], [], []),
        (["jobs", "invocation"], ["jobs", "invocation"], []),
        (["jobs", "-k", "greets and not bad", "-x"], ["jobs"], ["-k", "greets and not bad", "-x"]),
        (["tests/house/test_kit.py::test_the_kit_is_small"], [], ["tests/house/test_kit.py::test_the_kit_is_small"]),
        (["--maxfail=1", "tests"], [], ["--maxfail=1", "tests"]),
        (["secure", "-x"], [], ["tests/runtime/secure", "-x"]),
        (["images"], [], ["tests/runtime/images", "--full"]),
        (["kubernetes", "-x"], [], ["tests/kubernetes", "-x"]),
    ],
)
def test_labs_are_chosen_and_paths_and_options_go_to_pytest(
    arguments: list[str], chosen: list[str], passed_on: list[str]
) -> None:
    assert sort_out(arguments, LABS) == (chosen, passed_on)


@pytest.mark.parametrize(
    "arguments", [["nope"], ["jobs", "nope"], ["-k", "greets", "nope"], ["--maxfail=1", "nope"], ["tests/nope.py"]]
)
def test_any_other_word_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as refused:
        sort_out(arguments, LABS)
    assert refused.value.exit_code == 2
    assert f"There is no lab '{arguments[-1]}'. The labs are: invocation, jobs." in capsys.readouterr().err


def test_a_lab_that_does_not_exist_is_named_before_anything_is_made() -> None:
    answer = lab("test", "nope")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "There is no lab 'nope'. The labs are: invocation, jobs, chat, pizza, blocks, patterns." in answer.stderr


def test_the_version_is_that_of_the_labs_and_of_dapr() -> None:
    assert lab("--version").stdout.endswith(f", for Dapr {RUNTIME_VERSION}\n")
    assert lab("uv", "--version").stdout.startswith("uv ")


@pytest.mark.parametrize("command", [[], ["up"], ["test"], ["new"], ["logs"]])
def test_help_shows_no_type_at_a_flag(command: list[str]) -> None:
    shown = lab(*command, "-h").stdout
    assert "Show this message and exit." in shown
    assert "<bool>" not in shown
