"""A mistake is answered within seconds, by one sentence that says what to do and the lines with the cause.

In a copy of the checkout, because each case breaks one of its files.
"""

from __future__ import annotations

import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from lab_shell import LabShell

from labctl import runfile
from labctl.stack import ROOT, TEST_OFFSET, Stack
from labctl.up import lifecycle, processes, readiness
from tests.runtime.conftest import STACK

pytestmark = pytest.mark.lab("invocation")
# Seconds, of which another port is heard for 4. The tests run beside others on few cores; a start may take 60 s.
WITHIN = 30
SERVICES = ("callee_service", "caller_service", "scheduler_app")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabShell]:
    """A shell in a copy of the checkout in which the lab `invocation` runs without a watching ./lab up."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("components", "config", "secrets", *SERVICES):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns(".venv", ".dapr", "__pycache__"))
    for name in ("dapr.yaml", "lab", "requirements.txt"):
        shutil.copy(ROOT / name, root)
    for name in ("labctl", "runtime"):
        (root / name).symlink_to(ROOT / name)
    for name in SERVICES:
        (root / name / ".venv").symlink_to(ROOT / name / ".venv")
    lifecycle.down(STACK)
    shell = LabShell(Stack("fail-fast", TEST_OFFSET), root)
    try:
        up = shell.run("up", "invocation", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        yield shell
    finally:
        shell.run("down")


@contextmanager
def replaced(file: Path, old: str, new: str) -> Iterator[None]:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    try:
        yield
    finally:
        file.write_text(text)


def edited(path: str, old: str, new: str) -> Callable[[LabShell], object]:
    return lambda shell: replaced(shell.root / path, old, new)


@contextmanager
def without_lock(shell: LabShell) -> Iterator[None]:
    folder = shell.root / "scheduler_app"
    for name in ("requirements-dev.txt", ".venv"):
        (folder / name).rename(folder / f"{name}.away")
    try:
        yield
    finally:
        for name in ("requirements-dev.txt", ".venv"):
            (folder / f"{name}.away").rename(folder / name)


def held(port: int) -> Callable[[LabShell], object]:
    return lambda shell: socket.create_server(("127.0.0.1", port + shell.stack.offset))


def redis_gets(signal_: signal.Signals) -> Callable[[LabShell], object]:
    @contextmanager
    def broken(shell: LabShell) -> Iterator[None]:
        redis = next(one.process for one in processes.find(shell.stack) if one.name == "redis")
        redis.send_signal(signal_)
        try:
            yield
        finally:
            if redis.is_running() and redis.status() == psutil.STATUS_STOPPED:
                redis.send_signal(signal.SIGCONT)
            else:
                answer = shell.run("restart", "redis")
                assert answer.returncode == 0, answer.stderr

    return broken


@pytest.mark.parametrize(
    ("broken", "command", "words"),
    [
        pytest.param(
            edited("callee_service/main.py", "app = ", "print(\napp = "),
            "restart callee-app",
            ["Mend callee_service/main.py, line ", "SyntaxError: ", "The whole log: "],
            id="syntax error",
        ),
        pytest.param(
            edited("callee_service/main.py", "app = ", "print(\napp = "),
            "restart callee-app --keep-sidecar",
            ["Mend callee_service/main.py, line ", "SyntaxError: "],
            id="syntax error under a running sidecar",
        ),
        pytest.param(
            edited("scheduler_app/main.py", "app = ", "print(\napp = "),
            "up jobs -d --reload",
            ["Mend scheduler_app/main.py, line ", "SyntaxError: "],
            id="syntax error under a reloader",
        ),
        pytest.param(
            edited("dapr.yaml", "uvicorn main:app --host", "uvicorn main:app --hots"),
            "restart callee-app",
            ["Mend its `command` in dapr.yaml", "No such option '--hots'"],
            id="wrong flag",
        ),
        pytest.param(
            edited("dapr.yaml", "--port $APP_PORT", "--port 18999"),
            "restart callee-app",
            ["callee-app listens on 18999, but its appPort is 8001 in dapr.yaml", "Use $APP_PORT"],
            id="port of another number",
        ),
        pytest.param(
            edited("components/statestore.yaml", "spec:", "spec: ["),
            "restart callee-app",
            ["Mend components/statestore.yaml, line "],
            id="YAML error",
        ),
        pytest.param(
            edited("components/resiliency.yaml", "maxRetries: 3", "maxRetries: one"),
            "restart caller-app --sidecar",
            ["Mend components/resiliency.yaml", "cannot unmarshal string", "maxRetries of type int"],
            id="a file that the sidecar ignores",
        ),
        pytest.param(
            without_lock, "up jobs -d", ["git restore scheduler_app/requirements-dev.txt"], id="missing lock"
        ),
        pytest.param(
            edited("dapr.yaml", "appPort: 8003", "appPort: 3503"),
            "up jobs -d",
            ["Mend dapr.yaml", "Port 3503 belongs to both scheduler-test-py (app) and scheduler-test-py (Dapr HTTP)"],
            id="wrong port",
        ),
        pytest.param(
            held(8003),
            "up jobs -d",
            [f"needs port {8003 + TEST_OFFSET} (app)", "End that process and try again"],
            id="held port",
        ),
        pytest.param(
            redis_gets(signal.SIGKILL),
            "restart callee-app",
            ["redis does not run", "./lab restart redis"],
            id="dead Redis",
        ),
        pytest.param(
            redis_gets(signal.SIGSTOP), "restart callee-app", ["redis hangs", "./lab restart redis"], id="hanging Redis"
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_at_once(copy, broken, command, words):
    with broken(copy):
        begin = time.monotonic()
        answer = copy.run(*command.split())
        seconds = time.monotonic() - begin
        print(f"{command}: {seconds:.1f} s\n{answer.stderr}")
    app = next((one for one in runfile.read_apps(copy.stack) if one.app_id in command), None)
    if app and not readiness.is_ready(app):
        mended = copy.run("restart", app.app_id)
        assert mended.returncode == 0, mended.stderr
    assert answer.returncode == 1, answer.stdout + answer.stderr
    sentence = answer.stderr.splitlines()[0]
    assert words[0] in sentence, answer.stderr
    assert [word for word in words if word not in answer.stderr] == []
    assert seconds < WITHIN
