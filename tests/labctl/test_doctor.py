"""./lab doctor names each obstacle, with a command that mends it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil
import pytest

from labctl import runfile
from labctl.make import build
from labctl.stack import TEST_OFFSET, Stack
from labctl.up import doctor, infrastructure, processes

# Ports that no other stack of this machine has, below those that the system lends.
STACK = Stack("doctor-test", TEST_OFFSET + 400)
LISTEN = """\
import signal, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listens", flush=True)
signal.pause()
"""


@pytest.fixture
def stranger() -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Starts a program that listens on a port."""
    with ExitStack() as stack:

        def listen(port: int) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", LISTEN, str(port)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "listens\n"
            return process

        yield listen


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS tells root alone who holds a port")
@pytest.mark.parametrize("what", ["callee-app, Dapr HTTP", "placement-raft", "scheduler-etcd"])
def test_a_held_port_is_freed_by_the_command_it_says(stranger: Callable[[int], subprocess.Popen[str]], what: str):
    app = runfile.find(runfile.read_apps(STACK), "callee-app")
    port = {"callee-app, Dapr HTTP": app.http_port, **STACK.ports}[what]
    process = stranger(port)
    row = next(row for row in doctor.examine(STACK) if row.what == f"port {port} ({what})")
    assert row.state == "missing"
    assert f"pid {process.pid}" in row.found
    assert row.fix == f"kill {process.pid}"

    subprocess.run(row.fix.split(), check=True)
    process.wait(5)
    assert row.what not in {row.what for row in doctor.examine(STACK)}


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS tells root alone who holds a port")
def test_what_answers_on_the_port_of_redis_and_is_none_is_in_the_way(stranger: Callable[[int], subprocess.Popen[str]]):
    """The default stack uses the Redis that somebody runs, and takes nothing else for one."""
    stack = Stack("doctor-redis")
    stack.ports["redis"] = STACK.ports["redis"]
    process = stranger(stack.ports["redis"])
    rows = {row.what: row for row in doctor.examine(stack)}
    assert rows[f"redis on port {stack.ports['redis']}"].found == "not running"
    assert rows[f"port {stack.ports['redis']} (redis)"].fix == f"kill {process.pid}"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS tells root alone who holds a port")
def test_a_holder_is_named_though_the_first_process_is_hidden(
    stranger: Callable[[int], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
):
    """As macOS hides it. Where the system hides who holds a port, that may be any process."""
    port = STACK.ports["redis"]
    process, ask = stranger(port), psutil.Process.cmdline

    def cmdline(one: psutil.Process) -> list[str]:
        if one.pid == process.pid:
            return ask(one)
        raise psutil.AccessDenied(one.pid)

    monkeypatch.setattr(psutil.Process, "cmdline", cmdline)
    assert f"(pid {process.pid})" in str(processes.holder(port))
    monkeypatch.setattr(processes, "holder_pid", dict[int, int]().get)
    assert processes.holder(port) == f"another process (sudo lsof -i :{port})"


def test_a_port_that_linux_lent_to_a_connection_is_not_free_though_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())
        port = client.getsockname()[1]
        assert not processes.is_free(port)
        assert processes.holder(port) is None
        # The wait for it is not silent.
        monkeypatch.setattr(infrastructure, "SILENT_FOR", 0.1)
        monkeypatch.setattr(infrastructure, "LENT_FOR", 0.2)
        infrastructure.wait_for_lent("scheduler", port)
        assert f"scheduler waits up to 0.2 s for port {port}" in capsys.readouterr().err


def test_versions_are_compared_number_by_number():
    assert build.is_older("1.9.5", than="1.18.0")
    assert build.is_older("1.17.10", than="1.18.0")
    assert not build.is_older("1.18.0", than="1.18.0")
    assert not build.is_older("1.18.1-rc.1", than="1.18.0")
    assert not build.is_older("edge", than="1.18.0")
