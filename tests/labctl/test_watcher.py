"""The watcher of ./lab up restarts crashed processes, but not forever, and none that was stopped on purpose."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labctl import runfile
from labctl.errors import LabError
from labctl.stack import Stack
from labctl.up import control, remembered, watcher
from labctl.up.watcher import AGAIN_AT_MOST, Part, watch

SIDECAR = Part("sidecar", "callee-app")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(Stack, "state", tmp_path)
    monkeypatch.setattr(watcher, "LOOK_EVERY", 0)
    return Stack("watched", 16000)


def test_what_does_not_stay_up_is_given_up(stack, monkeypatch):
    monkeypatch.setattr(watcher, "missing", lambda *_: [SIDECAR])
    monkeypatch.setattr(control, "restart", lambda *_, **__: 0.1)
    apps, said = runfile.select(runfile.read_apps(stack), ["invocation"]), []
    with pytest.raises(LabError, match="callee-app's sidecar ended unexpectedly for the 6th time"):
        watch(stack, apps, said.append)
    assert sum("is ready again" in line for line in said) == AGAIN_AT_MOST


@pytest.mark.parametrize("name", ["down", "callee-app"])
def test_what_was_ended_on_purpose_is_left_alone(stack, monkeypatch, name):
    looks = iter(range(3))

    def missing(*_):
        if next(looks, None) is None:
            remembered.intent(stack, "down").touch()
        return [SIDECAR]

    monkeypatch.setattr(watcher, "missing", missing)
    remembered.intent(stack, name).parent.mkdir()
    remembered.intent(stack, name).touch()
    watch(stack, runfile.select(runfile.read_apps(stack), ["invocation"]), pytest.fail)


def test_a_kill_and_a_restart_by_another_command_are_said_once_with_the_time(stack, monkeypatch):
    other = Part("app", "caller-app")
    looks = iter([{SIDECAR: 1, other: 7}, {SIDECAR: 1, other: 7}, {other: 7}, {other: 7}, {SIDECAR: 2, other: 7}])

    def living(_):
        if SIDECAR not in (now := next(looks, {})):
            remembered.note(remembered.intent(stack, SIDECAR.name), "killed")
        if not now:
            remembered.intent(stack, "down").touch()
        return now

    monkeypatch.setattr(watcher, "missing", lambda *_: [])
    monkeypatch.setattr(watcher, "_living", living)
    said: list[str] = []
    watch(stack, runfile.select(runfile.read_apps(stack), ["invocation"]), said.append)
    assert [re.sub(r"^\d\d:\d\d:\d\d ", "at ", line) for line in said] == [
        "at callee-app's sidecar was stopped by another command.",
        "at callee-app's sidecar was restarted by another command.",
    ]
