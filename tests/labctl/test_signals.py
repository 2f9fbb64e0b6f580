"""Signals end each command in one way, and the end is not cut short."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labctl.stack import ROOT

# Ends once a second signal has arrived while it stops.
COMMAND = """
import os, signal, sys, time
from pathlib import Path
from labctl import signals

folder = Path(sys.argv[1])
signals.end_as_by_ctrl_c()
try:
    (folder / "begun").touch()
    time.sleep(60)
except KeyboardInterrupt:
    arrived, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup)
    with signals.uninterrupted():
        (folder / "stopping").touch()
        os.read(arrived, 1)
        print("Stopped.", flush=True)
        (folder / "stopped").touch()
    sys.exit(130)
"""


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_as_ctrl_c_does_and_a_second_one_does_not_cut_that_short(tmp_path: Path, first, second):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", COMMAND, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for(tmp_path / "begun", process)
        process.send_signal(first)
        wait_for(tmp_path / "stopping", process)
        process.send_signal(second)
        assert process.wait(10) == 130, process.stderr
        assert (tmp_path / "stopped").exists()


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path: Path):
    command = ["nohup", sys.executable, "-c", COMMAND, str(tmp_path)]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL) as process:
        wait_for(tmp_path / "begun", process)
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.terminate()
        wait_for(tmp_path / "stopping", process)
        process.terminate()
        assert process.wait(10) == 130


def wait_for(file: Path, process: subprocess.Popen[bytes]) -> None:
    while not file.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


def test_lab_test_passes_sigterm_on_to_the_tests_and_waits_until_they_have_cleaned_up(tmp_path: Path):
    tests = COMMAND.replace("os.read(arrived, 1)", "pass")
    call = f"second_try.call([sys.executable, '-c', {tests!r}, sys.argv[1]], Path(sys.argv[1]))"
    script = (
        f"import sys\nfrom pathlib import Path\nfrom labctl import second_try, terminal\nterminal.run(lambda: {call})"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LAB_ROOT": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=environment) as process:
        wait_for(tmp_path / "begun", process)
        process.terminate()
        process.wait(10)
        assert (tmp_path / "stopped").exists()
