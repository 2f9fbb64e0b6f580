"""./lab test: each service's own tests in an environment of its own, and the repository's."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from labctl import runfile
from labctl.make import redis_server, setup, uv
from labctl.make import runtime as dapr
from labctl.progress import Steps
from labctl.stack import HOME, ROOT, TEST_OFFSET, Stack

ENVIRONMENT = HOME / "test-venv"


def ensure_environment(steps: Steps) -> Path:
    """The environment of tests/, made from requirements-dev.txt; returns its python."""
    lock = ROOT / "requirements-dev.txt"
    with setup.checkout_lock("test-environment"):
        if not uv.is_made(ENVIRONMENT, lock):
            with steps.step("tests/: its Python environment"):
                uv.make(ENVIRONMENT, lock)
    return ENVIRONMENT / "bin" / "python"


def run(
    console: Console,
    labs: Sequence[str],
    *,
    full: bool = False,
    unit_only: bool = False,
    house_only: bool = False,
    pytest_options: Sequence[str] = (),
) -> int:
    """Runs the chosen tests and returns the exit code: 0 when every part passed."""
    steps = Steps(console)
    stack = Stack("test", TEST_OFFSET)
    apps = runfile.select(runfile.read_apps(stack), labs)
    python = ensure_environment(steps)
    if not (unit_only or house_only):
        # The first build of the runtime is set-up, not test time.
        dapr.ensure(steps, own=True)
        redis_server.ensure_redis(stack, steps)
    if not house_only:
        setup.set_up_environments(apps, steps)
    parts: list[tuple[str, list[str], Path]] = []
    # Otherwise tests/house/test_copied_out.py runs them, each in a copy of its service's folder.
    if unit_only:
        for folder in dict.fromkeys(app.folder for app in apps):
            parts.append((f"{folder.relative_to(ROOT)}", [str(folder / ".venv/bin/python"), "-m", "pytest"], folder))
    if not unit_only:
        # What installs every service and runs its tests is no matter of seconds.
        fast = ["tests/house", "--ignore=tests/house/test_copied_out.py"]
        where = fast if house_only else ["tests"]
        # In two halves side by side, see tests/halves.py.
        options = ["-n", "2", *(["--full"] if full else []), *(f"--lab={lab}" for lab in labs)]
        parts.append(("tests", [str(python), "-m", "pytest", *where, *options], ROOT))
    failed: list[str] = []
    for name, command, folder in parts:
        begin = time.monotonic()
        console.rule(name)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" or folder == ROOT}
        if _run([*command, *pytest_options], folder, environment):
            failed.append(name)
        console.print(f"[dim]{name}: {time.monotonic() - begin:.1f} s[/]")
    console.rule("[red]failed: " + ", ".join(failed) if failed else "[green]all passed")
    return 1 if failed else 0


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> int:
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # pytest has had the Ctrl-C too, and takes down what its tests have brought up.
            process.wait()
            raise
