"""./lab demo jobs shows the app's records, and leaves the lab as it found it."""

from __future__ import annotations

import re

import pytest

from tests.runtime.jobs.conftest import APP, Jobs
from tests.runtime.lab_shell import LabShell

pytestmark = pytest.mark.lab("jobs")


@pytest.mark.timeout(250)
def test_the_story_of_the_jobs_is_told_and_the_lab_left_as_it_was(lab: Jobs) -> None:
    before = lab.pid(APP)
    done = LabShell(lab.stack).run("demo", "jobs")
    assert done.returncode == 0, done.stdout + done.stderr
    thrice, failing, dead, killed = re.split(r"\n\n(?=its callback|the app is|the scheduler is)", done.stdout)
    assert re.findall(r"attempt (\d) +(\w+)", thrice) == [("1", "succeeded")] * 3
    assert re.findall(r"attempt (\d) +(\w+)", failing) == [("1", "failed"), ("2", "failed"), ("3", "succeeded")]
    assert re.findall(r"attempt (\d) +(\w+)", dead) == [("1", "succeeded")]
    assert re.findall(r"attempt (\d) +(\w+)", killed) == [("1", "succeeded")] * 4
    assert f"{APP} is back after" in dead
    assert "scheduler is back after" in killed
    assert lab.pid(APP) != before
    assert lab.http.get(lab.url(APP, "/faults")).json()["fail_next"] == 0
    names = set(re.findall(r"demo-[0-9a-f]{6}", done.stdout))
    assert len(names) == 4
    assert [name for name in names if lab.exists(name)] == []
