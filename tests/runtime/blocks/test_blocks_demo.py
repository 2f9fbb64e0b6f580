"""./lab demo blocks shows what the services answer, and leaves the lab as it found it."""

from __future__ import annotations

import re

import pytest

from labctl.up.resp import Redis
from tests.runtime.blocks.conftest import TASKS, Blocks
from tests.runtime.lab_shell import LabShell

pytestmark = pytest.mark.lab("blocks")


def test_the_story_of_a_task_is_told_and_the_lab_left_as_it_was(lab: Blocks) -> None:
    redis = Redis(lab.stack.ports["redis"])
    redis("SET", "feature-flag-x", "off||3")
    done = LabShell(lab.stack).run("demo", "blocks")
    assert done.returncode == 0, done.stdout + done.stderr
    created, reminded, changed, attached, mailed, switched = re.split(
        r"\n\n(?=two people|its attachment|its actor|the digest|a feature)", done.stdout
    )
    title = re.findall(r"Task created: (.+)", created)[0]
    assert re.findall(r"Task due .*: (.+)", reminded) == [title]
    assert sorted(re.findall(r"^PATCH .+: (\d+)", changed, re.MULTILINE)) == ["200", "412"]
    assert re.findall(r"read again, PATCH .+: (\d+)", changed) == ["200"]
    assert f"{title}, with cherries, done" in changed
    assert "three eggs" in attached
    # Another test may have mailed the digest of today before.
    assert mailed.count("Tasks of") == len(re.findall(r"\bSENT", mailed)) <= 1
    assert "feature-flag-x is on" in switched
    assert redis("GET", "feature-flag-x") == b"off||3"
    tasks = lab.http.get(lab.url(TASKS, "/tasks"), params={"limit": 200}).json()["tasks"]
    assert [task for task in tasks if title in task["title"]] == []
