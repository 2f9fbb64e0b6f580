"""The logs of the Dapr CLI in a service's folder, which all stacks share: when they are deleted or followed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
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


def test_old_logs_are_deleted_at_a_start(app: App):
    old, recent = write_log(app, 1), write_log(app, int(time.time()) - 3600)
    logfiles.prune([app])
    assert (old.exists(), recent.exists()) == (False, True)


def test_following_a_log_goes_on_in_the_one_that_a_restart_opens(app: App, tmp_path: Path):
    write_log(app, 1, "before the restart\n")
    places = {"LAB_ROOT": str(tmp_path), "LAB_HOME": str(tmp_path / ".lab"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "labctl", "logs", "callee-app", "--follow"]
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
