"""./lab up --console, ./lab console and ./lab trace as a user types them. No lab needs the console."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
from lab_shell import LabShell

from labctl.runfile import CONSOLE, ZIPKIN
from labctl.stack import TEST_OFFSET, Stack
from labctl.up import processes
from labctl.up.processes import wait_until

pytestmark = pytest.mark.lab("invocation")

PAGES, SPANS = CONSOLE + TEST_OFFSET, ZIPKIN + TEST_OFFSET


@pytest.fixture
def shell(no_other_stack: None) -> Iterator[LabShell]:
    shell = LabShell(Stack("shown", TEST_OFFSET))
    shell.run("down")
    # The browser tests' console may hold its ports. It starts again with the next of them.
    if pid := processes.holder_pid(PAGES):
        processes.end([psutil.Process(pid)], grace=10)
    yield shell
    shell.run("down")
    shell.assert_nothing_left()
    assert [processes.holder(port) for port in (PAGES, SPANS)] == [None, None]


def page() -> int:
    try:
        return httpx.get(f"http://localhost:{PAGES}/", timeout=30).status_code
    except httpx.TransportError:
        return 0


def greet() -> int:
    return httpx.get(f"http://127.0.0.1:{8002 + TEST_OFFSET}/call-greet/Ada", timeout=30).status_code


def console_pid(shell: LabShell) -> int:
    return next(one.pid for one in processes.find(shell.stack) if one.name == "console")


def last_trace(shell: LabShell) -> list[dict[str, Any]]:
    return json.loads(shell.run("trace", "last", "--json").stdout)


def service(hop: dict[str, Any]) -> str:
    return hop["localEndpoint"]["serviceName"]


def test_up_with_the_console_then_without_it(shell):
    up = shell.run("up", "invocation", "--console", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    assert f"The console shows them: http://localhost:{PAGES}\n" in up.stdout
    assert page() == 200
    assert json.loads(shell.run("status", "--json").stdout)["console"]["url"] == f"http://localhost:{PAGES}"
    assert greet() == 200

    assert wait_until(lambda: "caller-app call callee-app" in shell.run("trace").stdout, 30, 0.5), "the sidecars' spans"
    # Each sidecar sends its spans every five seconds, so callee's may come later than caller's.
    assert wait_until(lambda: {"caller-app", "callee-app"} <= {service(hop) for hop in last_trace(shell)}, 30, 0.5)
    assert last_trace(shell)[0]["traceId"] in shell.run("trace", "--list").stdout

    assert shell.run("kill", "console").returncode == 0
    assert page() == 0
    assert greet() == 200
    assert "console: not running (./lab restart console)" in shell.run("status").stdout
    assert "./lab restart console" in shell.run("trace").stderr

    restarted = shell.run("restart", "console")
    assert restarted.returncode == 0, restarted.stderr
    assert page() == 200
    already = shell.run("console")
    assert (already.returncode, f"http://localhost:{PAGES}" in already.stdout) == (0, True)
    assert "The console receives the spans" in shell.run("zipkin").stderr
    assert shell.run("logs", "console").returncode == 0

    down = shell.run("down")
    assert down.returncode == 0
    assert page() == 0


def test_an_open_up_restarts_a_crashed_console(shell):
    with shell.foreground("up", "invocation", "--console") as up:
        assert up.wait_for("Ctrl-C stops all", 120), up.text()
        os.kill(console_pid(shell), signal.SIGKILL)
        assert up.wait_for("console is ready again", 90), up.text()
        assert page() == 200
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(60) == 130


def test_the_console_alone_says_who_holds_its_port_and_ends_on_ctrl_c(shell):
    with shell.foreground("console") as first:
        assert first.wait_for("Ctrl-C ends it", 90), first.text()
        assert f"The console: http://localhost:{PAGES}" in first.text()
        assert page() == 200
        held = shell.run("console")
        assert (held.returncode, f"The console needs port {PAGES}, which " in held.stderr) == (1, True)

        up = shell.run("up", "invocation", "--console", "--detach")
        assert up.returncode == 0, "a held port of the console keeps no lab from starting"
        assert "The labs start without the console" in up.stderr
        assert greet() == 200
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(30) == 0
    assert page() == 0
    assert greet() == 200
