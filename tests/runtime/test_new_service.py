"""A service that ./lab new made, beside another lab: it runs at once, joins, reloads, and is followed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from lab_shell import Foreground, LabShell

from labctl.stack import TEST_OFFSET, Stack
from labctl.up import processes
from labctl.up.processes import wait_until
from tests.docs import checkout

pytestmark = pytest.mark.lab("invocation")
STACK = Stack("new", TEST_OFFSET)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with a service of its reader."""
    folder = checkout.copy(tmp_path_factory.mktemp("new") / "labs")
    subprocess.run(["./lab", "new", "hello"], cwd=folder, env=checkout.environment(folder), check=True)
    return folder


@pytest.fixture
def shell(no_other_stack: None, copy: Path) -> Iterator[LabShell]:
    shell = LabShell(STACK, copy)
    shell.run("down", "--forget")  # another checkout's data cannot be read with the key of this one
    yield shell
    shell.run("down", "--forget")
    shell.assert_nothing_left()


def ask(port: int, path: str, method: str = "GET") -> httpx.Response:
    return httpx.request(method, f"http://127.0.0.1:{port + STACK.offset}{path}", timeout=30)


def apps() -> set[str]:
    return {one.name for one in processes.find(STACK) if one.kind == "app"}


def finished(name: str) -> dict[str, object]:
    """Order a greeting, and return the end of its workflow, which a job and an event lead to."""
    order = ask(8030, f"/greet-later/{name}", "POST").json()["order_id"]

    def progress() -> dict[str, object]:
        return ask(8030, f"/greetings/{order}").json()

    assert wait_until(lambda: progress().get("status") == "completed", 30), progress()
    return progress()


def test_a_new_service_calls_schedules_receives_and_finishes(shell: LabShell, copy: Path) -> None:
    up = shell.run("up", "hello", "--detach", "--reload")
    assert up.returncode == 0, up.stdout + up.stderr
    assert apps() == {"hello", "callee-app"}
    greeting = ask(8030, "/greet/Ada").json()["message"]
    assert "Ada" in greeting
    assert finished("Ada")["message"] == greeting
    log = shell.run("logs", "hello", "-n", "100").stdout
    assert "job fired" in log
    assert "event arrived" in log

    main = copy / "hello_service" / "main.py"
    main.write_text(main.read_text().replace("at once or later.", "now or later."))
    assert wait_until(lambda: "now or later" in (answer("/openapi.json") or ""), 20)
    assert "Eve" in str(finished("Eve")["message"]), "a reload connects the workflow worker again"


def answer(path: str) -> str | None:
    """Return the text that hello answers, or None while it reloads."""
    try:
        return ask(8030, path).text
    except httpx.TransportError:
        return None


def test_a_lab_joins_reloads_and_leaves_without_disturbing_the_first(shell: LabShell, copy: Path) -> None:
    main = copy / "callee_service" / "main.py"
    code = main.read_text()
    with shell.foreground("up", "invocation", "--reload") as first:
        assert first.wait_for("Ctrl-C stops all", 90), first.text()
        before = {one.name: one.pid for one in processes.find(STACK) if one.kind in ("app", "infrastructure")}
        with shell.foreground("up", "hello") as second, shell.foreground("logs", "-f") as logs:
            assert second.wait_for("Ctrl-C stops hello.", 60), second.text()
            assert "callee-app runs already." in second.text()
            main.write_text(code.replace("{name} from callee-app", "{name} from a changed callee-app"))
            assert wait_until(lambda: "from a changed" in str(greeting()), 20, 0.3)
            assert logs.wait_for("caller-app ", 5), logs.text()
            main.write_text(code)
            assert wait_until(lambda: "→ InvokeService/callee-app 200 " in logs.text(), 20)
            stop(logs)
            stop(second)
            assert "The other apps go on." in second.text()
        assert apps() == {"callee-app", "caller-app", "callee-grpc-app"}
        after = {one.name: one.pid for one in processes.find(STACK) if one.kind in ("app", "infrastructure")}
        assert after == before
        assert shell.run("kill", "callee-app").returncode == 0
        assert not processes.answers(8001 + STACK.offset), "the app that the reloader has started is killed too"
        assert first.process.poll() is None
        assert "unexpectedly" not in first.text()
        stop(first)


def greeting() -> str | None:
    try:
        return ask(8002, "/call-greet/Ada").json().get("message")
    except httpx.TransportError:
        return None


def stop(shown: Foreground) -> None:
    os.killpg(shown.process.pid, signal.SIGINT)
    assert shown.process.wait(40) == 130, shown.text()
