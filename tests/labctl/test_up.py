"""./lab up beside running labs, and the apps that it stops after an error."""

from __future__ import annotations

import io
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from rich.console import Console

from labctl import runfile
from labctl.errors import LabError
from labctl.make import setup
from labctl.stack import Stack
from labctl.up import commands, foreground, infrastructure, joining, lifecycle, machine, processes, readiness, watcher
from labctl.up.infrastructure import Infrastructure
from labctl.up.processes import Found

APPS = ["callee-app", "caller-app", "callee-grpc-app"]


def fail(*_: object, **__: object) -> None:
    raise ConnectionError


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Return a stack of which only the infrastructure runs."""
    stack = Stack("up", 16000)
    monkeypatch.setattr(Stack, "state", tmp_path)
    monkeypatch.setattr(Stack, "from_environment", lambda: stack)
    below = [Infrastructure(name, 1, 1, ours=True) for name in infrastructure.names(stack)]
    monkeypatch.setattr(infrastructure, "look", lambda _: below)
    return stack


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the stopped apps, and "all" for the whole stack."""
    names: list[str] = []
    leave = lambda _, apps: names.extend(app.app_id for app in apps)  # noqa: E731
    monkeypatch.setattr(joining, "leave", leave)
    monkeypatch.setattr(foreground, "leave", leave)
    monkeypatch.setattr(lifecycle, "down", lambda *_: names.append("all"))
    return names


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the ids of the apps that are ready, to be changed. `callee-app` runs in any case."""
    ready = {"callee-app"}
    found = lambda _: [Found("app", name, psutil.Process()) for name in {*ready, "callee-app"}]  # noqa: E731
    monkeypatch.setattr(processes, "find", found)
    monkeypatch.setattr(readiness, "is_ready", lambda app: app.app_id in ready)
    return ready


def test_apps_that_run_are_left_alone(stack, running, stopped, capsys):
    running |= set(APPS)
    commands.up(["invocation"])
    assert capsys.readouterr().out.splitlines() == [f"{name} runs already." for name in APPS]
    assert stopped == []


def test_an_app_that_runs_and_is_not_ready_is_named(stack, running):
    running.clear()
    with pytest.raises(LabError, match=r"callee-app runs, but is not ready: \./lab restart callee-app"):
        commands.up(["invocation"])


def test_while_another_up_starts_the_labs_nothing_is_started_or_stopped(stack, running, stopped):
    with FileLock(stack.state / "up.lock"), pytest.raises(LabError, match=r"Another \./lab up is starting just now"):
        commands.up(["invocation"])
    assert stopped == []


@pytest.mark.parametrize("option", ["secure", "own", "build", "reload"])
def test_an_option_that_running_labs_lack_is_refused(stack, running, option):
    running |= set(APPS)
    with pytest.raises(LabError, match=f"run already, without --{option}"):
        commands.up(["invocation"], **{option: True})


def test_a_failed_start_beside_running_labs_stops_only_what_it_has_started(stack, running, stopped, monkeypatch):
    monkeypatch.setattr(lifecycle, "add", fail)
    with pytest.raises(ConnectionError):
        commands.up(["invocation"], reload=True)
    assert stopped == APPS[1:]


def test_any_error_of_a_running_up_stops_all(stack, stopped, monkeypatch):
    monkeypatch.setattr(joining, "running", lambda _: set())
    monkeypatch.setattr(lifecycle, "up", lambda *_, **__: dict.fromkeys(APPS, 1.0))
    monkeypatch.setattr(watcher, "watch", fail)
    with pytest.raises(ConnectionError):
        commands.up(["invocation"])
    assert stopped == ["all"]


@pytest.mark.parametrize("error", [SystemExit, OSError, LabError])
def test_any_error_of_a_serve_stops_its_app(stack, stopped, monkeypatch, error):
    app = runfile.find(runfile.read_apps(stack), "callee-app")
    monkeypatch.setattr(setup, "set_up", lambda *_, **__: None)
    monkeypatch.setattr(machine, "refuse", lambda *_: None)

    def start(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(lifecycle, "dapr_run", start)
    with pytest.raises(error):
        foreground.serve(stack, app.app_id, Console(file=io.StringIO()))
    assert stopped == ["callee-app"]


def test_what_a_failed_start_has_ended_is_not_to_be_restarted(stack, stopped, monkeypatch):
    monkeypatch.setattr(setup, "set_up", lambda *_, **__: None)
    monkeypatch.setattr(machine, "refuse", lambda *_: None)
    monkeypatch.setattr(processes, "find", lambda _: [])
    monkeypatch.setattr(infrastructure, "start", lambda stack, *_: infrastructure.refuse_dead_redis(stack))
    with pytest.raises(LabError, match=r"redis hangs .*: \./lab up"):
        lifecycle.up(stack, [], Console(file=io.StringIO()))
    assert stopped == ["all"]


def test_one_look_without_an_answer_is_no_dead_redis_yet(stack, monkeypatch):
    answers = iter([False, True, False, False])
    monkeypatch.setattr(infrastructure, "serves", lambda *_: next(answers))
    infrastructure.refuse_dead_redis(stack, looks=2)
    with pytest.raises(LabError, match="redis hangs"):
        infrastructure.refuse_dead_redis(stack, looks=2)
