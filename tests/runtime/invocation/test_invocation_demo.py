"""./lab demo invocation shows callee's counts and caller's answers, and leaves the lab as it found it."""

from __future__ import annotations

import re

import pytest

from labctl.stack import Stack
from tests.runtime.invocation.conftest import Invocation
from tests.runtime.lab_shell import LabShell

pytestmark = pytest.mark.lab("invocation")


def test_the_story_is_told_and_the_lab_left_as_it_was(lab: Invocation) -> None:
    before = lab.pid("callee-app")
    done = LabShell(lab.stack).run("demo", "invocation")
    assert done.returncode == 0, done.stdout + done.stderr
    chapters = re.split(r"\n\n(?=c|the fault)", done.stdout)
    four_ways, twice, longer, gone, killed, back = chapters
    assert re.findall(r"^ (\w+) +.*Ada from", four_ways, re.MULTILINE) == ["url", "header", "sdk", "grpc"]
    assert re.findall(r"attempt (\d)", twice) == ["1", "2", "3"]
    assert "caller answers 200" in twice
    assert re.findall(r"attempt (\d) reached", longer) == ["1", "2", "3", "4"]
    assert "caller answers 502 callee-app answered 500" in longer
    assert "ERR_DIRECT_INVOKE" in longer
    assert "caller answers 200" in gone
    assert "caller answers 503" in killed
    assert "ERR_DIRECT_INVOKE" in killed
    assert "caller answers 200" in back
    assert lab.pid("callee-app") != before
    assert lab.http.get(lab.url("callee-app", "/faults")).json()["fail_next"] == 0


def test_without_a_running_lab_it_says_how_to_start_one() -> None:
    done = LabShell(Stack("nobody", 10050)).run("demo", "invocation")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(
        "lab: Not running: callee-app, caller-app, callee-grpc-app. Start the lab with ./lab up"
    )
    assert "Traceback" not in done.stderr
