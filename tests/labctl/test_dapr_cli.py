"""`./lab dapr` and `./lab uv` hand every word on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from labctl.cli import cli
from labctl.make.runtime import Runtime
from labctl.up import remembered


@pytest.mark.parametrize("command", ["dapr", "uv"])
def test_the_double_dash_before_a_command_is_passed_on(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["run", "--app-id", "a", "--", "uvicorn", "--port", "1", "--help"]
    started: list[list[str]] = []
    runtime = Runtime("fake", tmp_path / "dapr", tmp_path)
    monkeypatch.setattr(remembered, "find_runtime", lambda _: runtime)
    monkeypatch.setattr(os, "execv", lambda _, argv: started.append(argv))
    monkeypatch.setattr(sys, "argv", ["lab", command, *words])
    cli(standalone_mode=False)
    assert [one[1:] for one in started] == [words]
    assert Path(started[0][0]).name == command
