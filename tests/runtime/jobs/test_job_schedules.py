"""When a job fires, on the real scheduler: interval, cron, due time, repeats, ttl, overwrite, delete."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import pairwise
from statistics import median

import pytest

from labctl.up.processes import wait_until

pytestmark = pytest.mark.lab("jobs")

# A job fires within this after it was due; on a machine that is busy with other tests too.
LATE_MS = 1500


def moments(runs):
    """Return the time of each run, in seconds since the epoch, by the app's clock."""
    return [datetime.fromisoformat(run["fired_at"]).timestamp() for run in runs]


def assert_apart(runs, seconds):
    """Check that they arrived at that interval, each as late as a job may be."""
    gaps = [later - earlier for earlier, later in pairwise(moments(runs))]
    assert abs(median(gaps) - seconds) < 0.3, gaps
    assert all(abs(gap - seconds) < LATE_MS / 1000 for gap in gaps), gaps


def test_an_interval_fires_as_often_as_it_repeats_and_is_gone(lab):
    name = lab.schedule(schedule="@every 1s", repeats=5, data={"order": 17})
    runs = lab.wait_for_runs(name, 5)
    lab.assert_no_more_runs(name, 5)
    assert [run["data"] for run in runs] == [{"order": 17}] * 5
    assert [(run["outcome"], run["attempt"]) for run in runs] == [("succeeded", 1)] * 5
    assert all(0 <= run["lateness_ms"] < LATE_MS for run in runs)
    assert_apart(runs, 1)
    assert lab.http.get(lab.url("scheduler-test-py", f"/get-job/{name}")).status_code == 404


def test_cron_has_seconds_first(lab):
    name = lab.schedule(schedule="*/2 * * * * *", repeats=5)
    runs = lab.wait_for_runs(name, 5)
    lab.assert_no_more_runs(name, 5)
    assert_apart(runs, 2)
    # Due at the even seconds, by the clock and not by the app's start.
    late = [moment % 2 for moment in moments(runs)]
    assert median(late) < 1, late
    assert all(one < LATE_MS / 1000 for one in late), late
    assert [run["lateness_ms"] for run in runs] == [pytest.approx(one * 1000, abs=0.2) for one in late]


def test_a_due_time_alone_is_a_one_shot(lab):
    begin = time.monotonic()
    name = lab.schedule(due_time="2s")
    assert lab.exists(name)
    (run,) = lab.wait_for_runs(name, 1)
    assert time.monotonic() - begin >= 2
    assert 0 <= run["lateness_ms"] < LATE_MS
    assert wait_until(lambda: not lab.exists(name), 20)
    lab.assert_no_more_runs(name, 1)


def test_a_ttl_ends_a_job_that_would_go_on_for_ever(lab):
    name = lab.schedule(schedule="@every 1s", repeats=None, ttl="3s")
    lab.wait_for_runs(name, 1)
    assert wait_until(lambda: not lab.exists(name), 15)
    count = len(lab.runs(name))
    assert 1 <= count <= 4
    lab.assert_no_more_runs(name, count)


def test_a_name_that_is_taken_needs_overwrite(lab):
    name = lab.schedule(schedule="@every 1h", repeats=1)
    refused = lab.ask(name, schedule="@every 1s", repeats=1)
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    lab.assert_no_more_runs(name, 0, 2)
    lab.schedule(name, schedule="@every 1s", repeats=1, overwrite=True)
    lab.wait_for_runs(name, 1)


def test_delete_ends_a_job_in_mid_run(lab):
    name = lab.schedule(schedule="@every 1s", repeats=None)
    lab.wait_for_runs(name, 2)
    assert lab.delete(name).status_code == 200
    assert not lab.exists(name)
    lab.assert_no_more_runs(name, len(lab.runs(name)))
    again = lab.delete(name)
    assert (again.status_code, "not found or already deleted" in again.text) == (200, True)


@pytest.mark.parametrize(
    "schedule", ["0 * * * *", "@every never", "99 * * * * *", "tomorrow", "TZ=Mars/Olympus 0 30 8 * * *"]
)
def test_a_schedule_that_cannot_be_parsed_is_422_with_the_reason(lab, schedule):
    answer = lab.ask("unparsable", schedule=schedule)
    assert answer.status_code == 422, answer.text
    assert "schedule" in answer.json()["detail"]
    assert len(answer.json()["detail"]) > len("schedule: ")
    assert not lab.exists("unparsable")
