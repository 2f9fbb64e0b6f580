"""./lab test: the tests of each service, in its own environment, and those of the repository."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import typer
from rich.console import Console

from labctl import runfile, second_try
from labctl.make import cluster, redis_server, setup
from labctl.make import runtime as dapr
from labctl.progress import Steps
from labctl.stack import HOME, ROOT, TEST_OFFSET, Stack
from labctl.terminal import plain, problems

ENVIRONMENT = HOME / "test-venv"
KIT = ROOT / "kit"
# What depends on the brokers and stores of labs 3 to 6: events, state, workflows and building blocks.
_ON_BROKERS = {
    "chat": ("chat_events", "chat_memory", "chat_replicas"),
    "pizza": ("pizza_story", "pizza_steering", "pizza_breakdowns"),
    "patterns": ("patterns", "patterns_kills"),
    "blocks": ("state", "outbox", "publishing", "subscription_kinds", "bulk", "actor", "digest_lock"),
}
_BROKER_TESTS = [f"tests/runtime/{lab}/test_{name}.py" for lab, names in _ON_BROKERS.items() for name in names]
# Not part of all tests: its programs are built for minutes.
CLUSTER = "tests/kubernetes"
# Words that stand for a part of the tests.
PARTS = {
    "secure": ("tests/runtime/secure",),
    "images": ("tests/runtime/images", "--full"),
    "kubernetes": (CLUSTER,),
    "brokers": ("tests/runtime/brokers", *_BROKER_TESTS),
}
# The part that runs once for each folder of variants/, and the variable in which its tests find the folder's name.
BROKERS, COMPONENTS = "brokers", "LAB_TEST_COMPONENTS"


def run(
    console: Console,
    labs: Sequence[str],
    *,
    full: bool = False,
    unit_only: bool = False,
    house_only: bool = False,
    variants: Sequence[str] = (),
    pytest_options: Sequence[str] = (),
) -> int:
    """Run the chosen tests, once for each of the variants. Return the exit code: 0 when every part passed."""
    steps = Steps(console)
    stack = Stack("test", TEST_OFFSET)
    apps = runfile.select(runfile.read_apps(stack), labs)
    python = setup.make_environment(ROOT, steps, ENVIRONMENT)
    if house_only:
        # In a second, and before the checkers of each file, which would fail on a missing one in many ways.
        roles = [str(python), "-m", "pytest", "-q", "--no-header", "tests/house/test_file_roles.py"]
        if code := second_try.call(roles, ROOT):
            return code
        command = [str(python), "-m", "pytest", "tests/house", "--ignore=tests/house/test_copied_out.py", "-n", "3"]
        return second_try.call([*command, *pytest_options], ROOT)
    setup.set_up_environments(apps, steps)
    setup.make_environment(KIT, steps)
    if unit_only:
        return _run_unit_tests(console, dict.fromkeys([KIT, *(app.folder for app in apps)]), pytest_options)
    # The first build of the runtime is set-up, not test time.
    dapr.ensure(steps, own=True)
    redis_server.ensure_redis(stack, steps)
    # In groups side by side, see tests/side_by_side.py. tests/house runs the services' own tests too.
    options = ["-n", "3", *(["--full"] if full else []), *(f"--lab={lab}" for lab in labs)]
    start = [] if any(option.startswith("tests/") for option in pytest_options) else ["tests", f"--ignore={CLUSTER}"]
    if CLUSTER in pytest_options:
        cluster.ensure(steps)
    command = [str(python), "-m", "pytest", *start, *options, *pytest_options]
    if not variants:
        return second_try.run(command, ROOT, console)
    return max(_run_on(variant, command, console) for variant in variants)


def _run_on(variant: str, command: Sequence[str], console: Console) -> int:
    """Run tests on the components of a variant, and print how long that took. Return the exit code."""
    console.rule(variant)
    os.environ[COMPONENTS], begin = variant, time.monotonic()
    # An event may return to its reader minutes later than on Redis (docs/brokers.md).
    code = second_try.run([*command, "--timeout=900"], ROOT, console)
    console.print(f"{variant}: {'failed' if code else 'passed'} in {(time.monotonic() - begin) / 60:.1f} min")
    return code


def sort_out(arguments: Sequence[str], labs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the labs among the arguments, and the paths and options for pytest. Exit with 2 for any other word.

    `secure` means the attacks on `./lab up --secure`, and `images` the images of all services. `brokers` means the
    tests on other brokers and stores, and `kubernetes` the manifests on a real API server.
    """
    arguments = [one for word in arguments for one in PARTS.get(word, (word,))]
    chosen = [word for word in arguments if word in labs]
    passed_on = [word for word in arguments if word not in labs]
    # The word after an option may be its value, as in `-k greet`. A path may name a test in a file.
    for before, word in pairwise(["", *arguments]):
        is_option = word.startswith("-") or (before.startswith("-") and "=" not in before)
        if word not in labs and not is_option and not Path(ROOT, word.partition("::")[0]).exists():
            problems.print(f"[bold red]lab:[/] {plain(runfile.no_lab(word, labs))}", soft_wrap=True)
            raise typer.Exit(2)
    return chosen, passed_on


def _run_unit_tests(console: Console, folders: Iterable[Path], pytest_options: Sequence[str]) -> int:
    failed: list[str] = []
    for folder in folders:
        name = str(folder.relative_to(ROOT))
        console.rule(name)
        if second_try.call([str(folder / ".venv/bin/python"), "-m", "pytest", *pytest_options], folder):
            failed.append(name)
    console.rule("[red]failed: " + ", ".join(failed) if failed else "[green]all passed")
    return 1 if failed else 0
