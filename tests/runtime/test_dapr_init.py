"""A machine whose user has run `dapr init`: the labs use that installation as it is, build nothing and leave it alone.

On the ports of the plan itself, since that is where `dapr init` puts its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from lab_shell import LabShell

from labctl import runfile
from labctl.make import runtime as dapr
from labctl.stack import Stack
from labctl.up import infrastructure, processes

# What `dapr init` leaves running: of the same ports as the default stack, and no part of it.
INSTALLED = Stack("dapr-init")
SHARED = {"redis", "placement", "scheduler"}


@pytest.fixture
def labs(request: pytest.FixtureRequest) -> list[str]:
    """The labs of this run; none named: all."""
    chosen: list[str] = request.config.getoption("--lab")
    return chosen


@pytest.fixture
def shell(no_other_stack: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabShell]:
    """The shell of a user with `dapr` on PATH, daprd in ~/.dapr/bin, and placement, scheduler and Redis running."""
    shell = LabShell(Stack())
    ports = [port for app in runfile.read_apps(shell.stack) for port in app.ports.values()]
    if held := [port for port in [*ports, *shell.stack.ports.values()] if processes.holder(port)]:
        pytest.skip(f"needs the labs' own ports, and something (a ./lab up?) holds {held[0]}")
    if elsewhere := sidecars_with(ports):
        pytest.skip(f"the CLI takes a port of any daprd in /proc for taken, and this machine has {elsewhere[0]}")
    runtime = dapr.pinned()
    assert runtime, "./lab test has built it"
    home, path = tmp_path / "home", tmp_path / "bin"
    shutil.copytree(runtime.path / ".dapr", home / ".dapr", symlinks=True)
    path.mkdir()
    (path / "dapr").symlink_to(runtime.cli)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(path), prepend=":")
    shutil.rmtree(INSTALLED.state, ignore_errors=True)
    try:
        for name in infrastructure.names(INSTALLED):
            infrastructure.start(INSTALLED, name, runtime)
        yield shell
        shell.run("down")
        assert processes.find(shell.stack) == []
    finally:
        processes.stop(INSTALLED)


def sidecars_with(ports: list[int]) -> list[str]:
    """Return the daprds that have one of these ports on their command line, those of other network namespaces too."""
    wanted = {str(port) for port in ports}
    every = [one.info for one in psutil.process_iter(["name", "pid", "cmdline"])]
    taken = {one["pid"]: wanted.intersection(one["cmdline"] or []) for one in every if one["name"] == "daprd"}
    return [f"daprd (pid {pid}) with port {min(shared)}" for pid, shared in taken.items() if shared]


def test_a_sidecar_of_another_network_namespace_is_named(tmp_path: Path):
    daprd = tmp_path / "daprd"
    daprd.write_text("#!/bin/sh\nread line\n")
    daprd.chmod(0o755)
    # It listens on no port here, as one in another namespace.
    with subprocess.Popen([daprd, "--dapr-http-port", "3599"], stdin=subprocess.PIPE) as process:
        assert processes.wait_until(lambda: sidecars_with([3598, 3599]) != [], 10)
        assert sidecars_with([3598, 3599]) == [f"daprd (pid {process.pid}) with port 3599"]
        assert sidecars_with([3598]) == []
    assert sidecars_with([3599]) == []


def test_up_runs_on_it_and_leaves_it_as_it_was(shell: LabShell, labs: list[str], tmp_path: Path):
    before = {one.name: one.pid for one in processes.find(INSTALLED)}
    found = {row["what"]: row["found"] for row in json.loads(shell.run("doctor", "--json").stdout)}
    assert "dapr init" in found["Dapr runtime"]

    up = shell.run("up", *labs, "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    apps = runfile.select(runfile.read_apps(shell.stack), labs)
    status = json.loads(shell.run("status", "--json").stdout)
    ready = {row["app_id"]: row for row in status["apps"] if row["ready"]}
    assert sorted(ready) == sorted(app.app_id for app in apps)
    for row in ready.values():
        assert psutil.Process(row["sidecar_pid"]).exe().startswith(str(tmp_path / "home")), "the user's own daprd"
    assert {row["name"]: row["ours"] for row in status["infrastructure"]} == dict.fromkeys(SHARED, False)
    if "callee-app" in ready:
        assert "Ada" in httpx.get("http://localhost:8002/call-greet/Ada", timeout=30).json()["message"]

    refused = shell.run("kill", "redis")
    assert refused.returncode == 1
    assert "is not ours" in refused.stderr
    assert shell.run("down").returncode == 0
    assert {one.name: one.pid for one in processes.find(INSTALLED)} == before
