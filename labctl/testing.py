"""./lab test: the tests of each service, in its own environment, and those of the repository."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from labctl import runfile, second_try
from labctl.make import redis_server, setup, uv
from labctl.make import runtime as dapr
from labctl.progress import Steps
from labctl.runfile import App
from labctl.stack import HOME, ROOT, TEST_OFFSET, Stack

ENVIRONMENT = HOME / "test-venv"
KIT = ROOT / "kit"


def ensure_environment(steps: Steps) -> Path:
    """Make the environment of tests/ from requirements-dev.txt if it is missing, and return its python."""
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
    """Run the chosen tests. Return the exit code: 0 when every part passed."""
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
        setup.make_environment(KIT, steps)
    failed: list[str] = []
    for name, command, folder, retried in _parts(apps, labs, python, full, unit_only, house_only):
        begin = time.monotonic()
        console.rule(name)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" or folder == ROOT}
        command += pytest_options
        if retried:
            code = second_try.run(command, folder, environment, console)
        else:
            code = second_try.call(command, folder, environment)
        if code:
            failed.append(name)
        console.print(f"[dim]{name}: {time.monotonic() - begin:.1f} s[/]")
    console.rule("[red]failed: " + ", ".join(failed) if failed else "[green]all passed")
    return 1 if failed else 0


def _parts(
    apps: Sequence[App], labs: Sequence[str], python: Path, full: bool, unit_only: bool, house_only: bool
) -> Iterator[tuple[str, list[str], Path, bool]]:
    """Yield the name, command and folder of each run of pytest, and whether a failed test gets a second try."""
    if unit_only:
        for folder in dict.fromkeys([KIT, *(app.folder for app in apps)]):
            yield f"{folder.relative_to(ROOT)}", [str(folder / ".venv/bin/python"), "-m", "pytest"], folder, False
        return
    # Otherwise tests/house runs the kit's tests, and the services' in copies of their folders. That takes minutes.
    fast = ["tests/house", "--ignore=tests/house/test_copied_out.py"]
    # In groups side by side, see tests/side_by_side.py.
    options = ["-n", "3", *(["--full"] if full else []), *(f"--lab={lab}" for lab in labs)]
    command = [str(python), "-m", "pytest", *(fast if house_only else ["tests"]), *options]
    yield "tests", command, ROOT, not house_only
