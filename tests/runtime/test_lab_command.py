"""./lab as a user types it: up, down, status, kill, restart; and the leftovers of a bad end (none)."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import psutil
import pytest
from lab_shell import LabShell

from labctl import runfile
from labctl.runfile import App
from labctl.stack import ROOT, TEST_OFFSET, Stack
from labctl.up import infrastructure, processes, readiness, remembered
from labctl.up.processes import wait_until
from tests.runtime.resp import Redis

pytestmark = pytest.mark.lab("invocation")


@pytest.fixture
def shell(no_other_stack: None) -> Iterator[LabShell]:
    shell = LabShell(Stack("command", TEST_OFFSET))
    shell.run("down")
    yield shell
    shell.run("down")
    shell.assert_nothing_left()


def greet(shell: LabShell) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{8002 + shell.stack.offset}/call-greet/Ada", timeout=30).status_code
    except httpx.TransportError:
        return 0


def test_up_status_logs_doctor_down(shell):
    up = shell.run("up", "invocation", "--detach", env={"COLUMNS": "60"})
    assert up.returncode == 0, up.stdout + up.stderr
    for app in runfile.select(runfile.read_apps(shell.stack), ["invocation"]):
        # Whole, however narrow the terminal is.
        assert app.app_id in up.stdout
        assert app.url in up.stdout
    assert greet(shell) == 200

    status = json.loads(shell.run("status", "--json").stdout)
    rows = {row["app_id"]: row for row in status["apps"]}
    assert all(rows[app]["ready"] for app in ("callee-app", "caller-app", "callee-grpc-app"))
    caller = rows["caller-app"]
    assert caller["lab"] == "invocation"
    assert caller["app_port"] == 8002 + shell.stack.offset
    assert caller["dapr_http_port"] == 3502 + shell.stack.offset
    assert psutil.Process(caller["sidecar_pid"]).name() == "daprd"
    assert psutil.pid_exists(caller["pid"])
    below = {row["name"]: row for row in status["infrastructure"]}
    assert set(below) == {"redis", "placement", "scheduler"}
    assert all(row["ours"] and psutil.pid_exists(row["pid"]) for row in below.values())

    logs = shell.run("logs", "callee-app")
    assert logs.returncode == 0
    assert logs.stdout.strip()
    assert "callee-app" in shell.run("logs", "callee-app", "--sidecar").stdout
    examined = json.loads(shell.run("doctor", "--json").stdout)
    assert {row["state"] for row in examined} <= {"ok", "note"}
    assert any("Dapr runtime" in row["what"] and "1.18.1" in row["found"] for row in examined)

    second = shell.run("up", "invocation")
    assert second.returncode == 0
    assert "callee-app runs already." in second.stdout
    assert greet(shell) == 200, "the second up must not disturb the first"

    down = shell.run("down")
    assert down.returncode == 0
    shell.assert_nothing_left()
    again = shell.run("down")
    assert again.returncode == 0
    assert "Nothing" in again.stdout


def test_ctrl_c_while_it_comes_up(shell):
    with shell.foreground("up", "invocation") as up:
        assert wait_until(lambda: any(one.kind == "sidecar" for one in processes.find(shell.stack)), 60, 0.05)
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(60) == 130
    shell.assert_nothing_left()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_closed_terminal_ends_it_as_ctrl_c_does(shell, stopped):
    pid, terminal = pty.fork()
    if not pid:
        os.execve(shell.root / "lab", ["lab", "up", "invocation"], shell.environment({"COLUMNS": "80"}))
    shown = b""
    while b"Ctrl-C stops all" not in shown:
        shown += os.read(terminal, 4096)
    # Narrow as a new window is, and still a bar.
    assert b"3 apps" in shown
    assert "━".encode() in shown, "the bar"
    if stopped:
        os.kill(pid, signal.SIGSTOP)  # as Ctrl-Z does
    os.close(terminal)
    assert wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 40)
    shell.assert_nothing_left()


def test_kill_9_of_labctl_and_of_the_dapr_cli_then_down(shell):
    with shell.foreground("up", "invocation") as up:
        assert up.wait_for("Ctrl-C stops all", 90)
        up.process.kill()
        up.process.wait(10)
    assert greet(shell) == 200, "the apps outlive labctl"
    for one in processes.find(shell.stack):
        if one.kind == "cli":
            one.process.kill()
    assert shell.run("down").returncode == 0
    shell.assert_nothing_left()


def test_down_keeps_what_was_stored_unless_told_to_forget_it(shell):
    assert shell.run("up", "invocation", "--detach").returncode == 0
    Redis(shell.stack.ports["redis"])("SET", "kept", "1")
    assert shell.run("down").returncode == 0
    assert shell.run("up", "invocation", "--detach").returncode == 0
    assert Redis(shell.stack.ports["redis"])("GET", "kept") == b"1"
    assert "Deleted what redis and scheduler had kept." in shell.run("down", "--forget").stdout
    assert shell.run("up", "invocation", "--detach").returncode == 0
    assert Redis(shell.stack.ports["redis"])("GET", "kept") is None
    assert "Nothing of ./lab was kept here" not in shell.run("down", "--forget").stdout
    assert "Nothing of ./lab was kept here; a Redis of your own" in shell.run("down", "--forget").stdout
    shell.assert_nothing_left()


def test_a_held_port_is_one_sentence(shell):
    with socket.create_server(("127.0.0.1", 8002 + shell.stack.offset)):
        up = shell.run("up", "invocation")
    assert up.returncode == 1
    assert f"port {8002 + shell.stack.offset}" in up.stderr
    assert f"pid {os.getpid()}" in up.stderr
    assert "Traceback" not in up.stderr
    shell.assert_nothing_left()


@pytest.mark.parametrize("command", [("up", "invocation"), ("serve", "callee-app")])
def test_an_app_that_cannot_start_is_named_with_its_log_and_leaves_nothing(shell, command):
    if command[0] == "serve":  # as Tilt does, which starts them first
        for name in infrastructure.names(shell.stack):
            infrastructure.start(shell.stack, name, remembered.find_runtime(shell.stack))
    failed = shell.run(*command, env={"MAX_FAILS_BEFORE_SUCCESS": "plenty"})
    assert failed.returncode == 1
    assert "callee-app" in failed.stderr
    assert "max_fails_before_success" in failed.stderr.lower(), "the last lines of its log"
    assert [one for one in processes.find(shell.stack) if one.kind != "infrastructure"] == []
    shell.run("down")
    shell.assert_nothing_left()


def test_a_crash_of_one_app_ends_up_with_its_name(shell):
    with shell.foreground("up", "invocation") as up:
        assert up.wait_for("Ctrl-C stops all", 90)
        victim = next(one for one in processes.find(shell.stack) if (one.kind, one.name) == ("app", "callee-app"))
        log = (shell.stack.logs / "callee-app.log").read_text().splitlines()
        victim.process.kill()  # behind labctl's back
        assert up.process.wait(40) == 1
        told = up.text()
        assert "callee-app ended unexpectedly" in told
        assert log[-1].removeprefix("== APP - callee-app == ").strip() in told, "the last lines of its log"
    shell.assert_nothing_left()


def test_what_ends_of_dapr_is_restarted_until_ctrl_c_stops_all(shell):
    with shell.foreground("up", "invocation") as up:
        assert up.wait_for("Ctrl-C stops all", 90)
        victims = [("sidecar", "caller-app", "caller-app's sidecar"), ("infrastructure", "placement", "placement")]
        for kind, name, what in victims:
            victim = next(one for one in processes.find(shell.stack) if (one.kind, one.name) == (kind, name))
            victim.process.kill()  # behind labctl's back
            assert up.wait_for(f"{what} ended unexpectedly; its log: /", 20), up.text()
            assert up.wait_for(f"{what} is ready again after", 40), up.text()
        assert greet(shell) == 200
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(40) == 130
        text = up.text()
    order = [text.index(f"stopping {what}") for what in ("apps: callee-app, callee-grpc-app", "sidecars", "placement")]
    assert order == sorted(order)
    shell.assert_nothing_left()


def test_kill_and_restart_leave_the_others_alone(shell):
    with shell.foreground("up", "invocation") as up:
        assert up.wait_for("Ctrl-C stops all", 90)
        before = {(one.kind, one.name): one.pid for one in processes.find(shell.stack)}

        assert "These run: callee-app, callee-grpc-app, caller-app" in shell.run("kill", "nobody").stderr
        killed = shell.run("kill", "callee-app")
        assert killed.returncode == 0
        assert "./lab restart callee-app" in killed.stdout
        assert greet(shell) in (502, 503, 504)
        restarted = shell.run("restart", "callee-app")
        assert restarted.returncode == 0, restarted.stderr
        assert greet(shell) == 200

        assert shell.run("kill", "caller-app", "--sidecar").returncode == 0
        assert greet(shell) == 503
        assert shell.run("restart", "caller-app", "--sidecar").returncode == 0
        assert wait_until(lambda: greet(shell) == 200, 20)

        assert shell.run("kill", "placement").returncode == 0
        assert shell.run("restart", "placement").returncode == 0

        after = {(one.kind, one.name): one.pid for one in processes.find(shell.stack)}
        changed = {key for key in before if before[key] != after.get(key) and key[0] != "cli"}
        assert changed == {
            ("app", "callee-app"), ("sidecar", "callee-app"), ("sidecar", "caller-app"), ("infrastructure", "placement")
        }  # fmt: skip
        assert up.process.poll() is None, "a watching ./lab up knows that it was meant"
        assert up.wait_for("placement was restarted by another command.", 5)
        said = re.findall(r"^\d\d:\d\d:\d\d (.*) by another command", up.text(), re.MULTILINE)
        assert "callee-app was stopped" in said
        assert "caller-app's sidecar was restarted" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up", "pizzza"), "There is no lab 'pizzza'"),
        (("kill", "nobody"), "nobody does not run here"),
        (("restart", "nobody"), "There is no app 'nobody'"),
        (("kill", "callee-app"), "The lab is not up: ./lab up invocation"),
        (("restart", "callee-app"), "The lab is not up: ./lab up invocation"),
        (("restart", "caller-app", "--sidecar"), "The lab is not up: ./lab up invocation"),
        (("restart", "redis"), "The lab is not up: ./lab up"),
        (("logs", "nobody"), "There is no app 'nobody'"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(shell, arguments, words):
    answer = shell.run(*arguments)
    assert answer.returncode == 1
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


@contextmanager
def plain_dapr_run(shell: LabShell, apps: list[App], *arguments: str) -> Iterator[str]:
    """Type `dapr run` with these arguments, beside the infrastructure of `dapr init`; then press Ctrl-C."""
    stack = shell.stack
    runtime = remembered.find_runtime(stack)
    for name in infrastructure.names(stack):
        infrastructure.start(stack, name, runtime)
    with shell.foreground("dapr", "run", *arguments) as run:
        assert wait_until(lambda: all(readiness.is_ready(app) for app in apps), 60), run.text()
        cli = psutil.Process(run.process.pid)
        started = cli.children(recursive=True)
        try:
            yield run.text()
        finally:
            os.killpg(cli.pid, signal.SIGINT)
            # The CLI ignores it now and then, and ./lab down would not know the processes that it started.
            wait_until(lambda: run.process.poll() is not None, 10)
            processes.end([*started, cli], grace=10)
    assert wait_until(lambda: not any(processes.answers(port) for app in apps for port in app.ports.values()), 20)


def test_plain_dapr_run_with_the_taught_flag_behind_it(shell):
    """`--resources-path` beside a run file is ignored by the CLI, and harmless."""
    apps = runfile.select(runfile.read_apps(shell.stack), ["invocation"])
    file = runfile.write_copy(shell.stack, apps)
    with plain_dapr_run(shell, apps, "-f", str(file), "--resources-path", "./components") as told:
        assert wait_until(lambda: greet(shell) == 200, 60)
        assert "ignored when using --run-file" in told
        port = 8001 + shell.stack.offset
        assert f"{port} is held by a `dapr run` of yours (pid " in shell.run("status").stdout


@pytest.mark.lab("pizza")
def test_plain_dapr_run_of_the_pizza_lab_alone(shell, monkeypatch):
    """`dapr run -f .` in pizza_services: that file, on the ports of this stack."""
    apps = runfile.read_apps(shell.stack, ROOT / "pizza_services" / "dapr.yaml")
    monkeypatch.chdir(runfile.write_copy(shell.stack, apps).parent)
    with plain_dapr_run(shell, apps, "-f", "."):
        url = runfile.find(apps, "pizza-workflow").url
        customer = {"name": "Ada Lovelace", "address": "12 St James's Square", "phone": "+44 20 7946 0000"}
        order_id = uuid4().hex
        order = {"order_id": order_id, "pizza_type": "pepperoni", "size": "large", "customer": customer}
        assert httpx.post(f"{url}/start-order", json=order).status_code == 202

        def status() -> str:
            return httpx.get(f"{url}/orders/{order_id}").json()["status"]

        assert wait_until(lambda: status() == "pending_validation", 60)
        assert httpx.post(f"{url}/validate-pizza", json={"order_id": order_id, "approved": True}).status_code == 202
        assert wait_until(lambda: status() == "delivered", 60)
