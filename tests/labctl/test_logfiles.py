"""The logs of the Dapr CLI in a service's folder, which all stacks share: when they are deleted or followed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from labctl import runfile, stack
from labctl.runfile import App
from labctl.stack import ROOT, Stack
from labctl.up import logfiles


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    """callee-app in another checkout."""
    shutil.copy(ROOT / "dapr.yaml", tmp_path)
    (tmp_path / "callee_service" / ".dapr" / "logs").mkdir(parents=True)
    monkeypatch.setattr(stack, "HOME", tmp_path / ".lab")
    return runfile.find(runfile.read_apps(Stack(), tmp_path / "dapr.yaml"), "callee-app")


def write_log(app: App, second: int, text: str = "") -> Path:
    """Write a log as the CLI names it, last written to at that second."""
    path = app.folder / ".dapr" / "logs" / f"callee-app_app_20260101{second:010}.log"
    path.write_text(text)
    os.utime(path, (second, second))
    return path


@pytest.mark.parametrize("writer", ["dapr", "uvicorn"], ids=["the CLI's", "of an app that was restarted alone"])
def test_the_log_of_a_quiet_app_outlives_many_starts_of_other_stacks(app: App, writer: str):
    quiet = write_log(app, 1)
    left_over = write_log(app, 2)
    command = [writer, "-c", 'exec 3>>"$0"; echo open; read -r _', str(quiet)]
    with subprocess.Popen(
        command, executable="/bin/sh", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        newer = [write_log(app, second) for second in range(10, 60)]

        logfiles.prune([app])

        assert quiet.exists()
        assert not left_over.exists()
        assert [path for path in newer if path.exists()] == newer[-40:]
        process.communicate("end\n", timeout=5)

    logfiles.prune([app])
    assert not quiet.exists()


def test_the_log_of_an_ended_process_is_that_of_its_stack(app: App):
    mine = write_log(app, 1)
    logfiles.link(Stack(), [app])
    others = write_log(app, 2)
    assert logfiles.file(Stack(), app) == mine
    assert logfiles.file(Stack("other", 10000), app) == others


def test_following_a_log_goes_on_in_the_one_that_a_restart_opens(app: App, tmp_path: Path):
    write_log(app, 1, "before the restart\n")
    places = {"LAB_ROOT": str(tmp_path), "LAB_HOME": str(tmp_path / ".lab"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "labctl", "logs", "callee-app", "--follow", "--json"]
    with subprocess.Popen(command, env=os.environ | places, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        try:
            assert following.stdout.readline() == "before the restart\n"

            # What ./lab restart does when the app is ready again.
            write_log(app, 2, "after the restart\n")
            logfiles.link(Stack(), [app])

            assert following.stdout.readline() == "after the restart\n"
        finally:
            for tail in psutil.Process(following.pid).children():
                tail.terminate()


def test_a_log_that_has_grown_too_large_is_renamed_over_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logfiles, "LARGEST", 5)
    log = tmp_path / "redis.log"
    assert logfiles.rotate(log) == 0
    for text in ("first\n", "second\n"):
        log.write_text(text)
        assert logfiles.rotate(log) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["redis.1.log"]
    assert (tmp_path / "redis.1.log").read_text() == "second\n"
    log.write_text("third")
    assert logfiles.rotate(log) == 5
