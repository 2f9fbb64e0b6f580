"""Run a failed test on the real runtime again, alone, after all others.

Such a test may fail for a race of the runtime that no code here can end. If it passes alone, the run passes, and its
name and first failure are printed. A test that fails twice, or more than five such tests, fail the run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from labctl.stack import ROOT

# Tests on the real runtime, and the own tests of the kit and of services in copies, which start processes.
RETRIED = ("tests/runtime/", "tests/docs/", "tests/tilt/", "tests/house/test_copied_out.py", "tests/house/test_kit.py")
MOST = 5  # of some 2,600
_TESTS_FAILED = 1  # pytest's exit code


def run(command: Sequence[str], folder: Path, console: Console) -> int:
    """Run pytest by this command, and a second time for failed tests under RETRIED. Return the exit code."""
    report = folder / ".lab" / "test-report.xml"
    report.parent.mkdir(exist_ok=True)
    code = call([*command, f"--junitxml={report}"], folder)
    if code != _TESTS_FAILED:
        return code
    failures = read(report)
    alone = [test for test in failures if test.startswith(RETRIED)]
    if not failures or len(alone) < len(failures) or len(alone) > MOST:
        return code
    console.rule(f"second try, alone: {len(alone)} of them")
    options = ["-n", "0", "-p", "no:randomly", *(["--full"] if "--full" in command else [])]
    if call([*command[:3], *options, *alone], folder):
        return code
    console.rule("[yellow]passed on the second try")
    for test, text in failures.items():
        console.print(f"[bold]{escape(test)}[/] failed first with:\n{escape(text)}\n")
    return 0


def call(command: Sequence[str], folder: Path) -> int:
    """Run pytest by this command and return its exit code. After Ctrl-C, wait until its tests have cleaned up."""
    # Only the tests of the repository import labctl. A service's own must not find the repository's packages.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" or folder == ROOT}
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        try:
            return process.wait()
        except KeyboardInterrupt as interruption:
            if interruption.args == (signal.SIGTERM,):  # a terminal sends its signals to the tests itself
                process.send_signal(signal.SIGINT)
            process.wait()
            raise


def read(report: Path) -> dict[str, str]:
    """Return the failed tests in a JUnit report, and the last lines of each failure. A failed set-up counts too."""
    found: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        for outcome in (*case.iter("failure"), *case.iter("error")):
            test = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}"
            lines = [line for line in (outcome.text or "").splitlines() if line.strip()]
            found.setdefault(test, "\n".join(lines[-15:]))
    return found
