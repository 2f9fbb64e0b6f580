"""Failure policies and breakdowns on the real scheduler: repeated callbacks, and which parts outlive which."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from labctl.up import control
from labctl.up.processes import wait_until

pytestmark = pytest.mark.lab("jobs")

APP = "scheduler-test-py"


@pytest.mark.parametrize(
    ("policy", "attempts", "seconds_apart"),
    [
        (None, 4, 1),
        ({"constant": {"interval": "2s", "maxRetries": 2}}, 3, 2),
        ({"drop": {}}, 1, None),
    ],
    ids=["default: 3 retries a second apart", "constant", "drop"],
)
def test_a_failed_callback_comes_again_as_the_policy_says(lab, policy, attempts, seconds_apart):
    lab.faults(fail_next=100)
    name = lab.schedule(due_time="1s", failure_policy=policy)
    runs = lab.wait_for_runs(name, attempts)
    lab.assert_no_more_runs(name, attempts, 4)
    assert [(run["attempt"], run["outcome"]) for run in runs] == [(n, "failed") for n in range(1, attempts + 1)]
    moments = [datetime.fromisoformat(run["fired_at"]) for run in runs]
    for earlier, later in pairwise(moments):
        assert later - earlier >= timedelta(seconds=seconds_apart - 0.1)


def test_to_dapr_a_404_is_done(lab):
    lab.faults(fail_next=100, status=404)
    name = lab.schedule(due_time="1s")
    lab.wait_for_runs(name, 1)
    lab.assert_no_more_runs(name, 1)
    assert not lab.exists(name)


def test_a_job_that_is_deleted_during_its_callback_is_not_tried_again(lab):
    lab.faults(fail_next=100, delay_ms=2_000)
    name = lab.schedule(schedule="@every 1s", repeats=None, due_time="1s")

    def begun() -> bool:
        return lab.http.get(lab.url(APP, "/faults")).json()["calls"] > calls

    calls = lab.http.get(lab.url(APP, "/faults")).json()["calls"]
    assert wait_until(begun, 10)
    assert lab.delete(name).status_code == 200
    lab.wait_for_runs(name, 1)
    lab.assert_no_more_runs(name, 1, 5)


@pytest.mark.parametrize("sidecar", [False, True], ids=["the app", "its sidecar"])
def test_a_job_outlives_a_kill_and_a_restart_of(lab, sidecar):
    name = lab.schedule(schedule="@every 1s", repeats=None)
    lab.wait_for_runs(name, 1)
    control.kill(lab.stack, APP, sidecar=sidecar)
    control.restart(lab.stack, APP, sidecar=sidecar)
    count = len(lab.runs(name))
    lab.wait_for_runs(name, count + 2)
    lab.delete(name)


def without_health_checks(app):
    entry = {key: value for key, value in app.entry.items() if "AppHealth" not in key and "appHealth" not in key}
    assert entry != app.entry
    return replace(app, entry=entry)


def test_without_health_checks_a_firing_is_lost_when_the_app_is_down(lab):
    with lab.otherwise(without_health_checks(lab.app(APP))):
        name = lab.schedule(due_time="3s")
        control.kill(lab.stack, APP)
        # Tried 4 times, a second apart, and then dropped.
        assert wait_until(lambda: not lab.exists(name), 30)
    lab.assert_no_more_runs(name, 0)


def test_a_policy_that_outlasts_the_gap_needs_no_health_checks(lab):
    unwatched = without_health_checks(lab.app(APP))
    with lab.otherwise(unwatched):
        name = lab.schedule(due_time="2s", failure_policy={"constant": {"interval": "1s"}})
        due = time.monotonic() + 2
        control.kill(lab.stack, APP)
        # Longer than the default policy would have gone on trying.
        wait_until(lambda: time.monotonic() > due + 6, 15)
        assert lab.exists(name)
        control.restart(lab.stack, APP, app=unwatched)
        lab.wait_for_runs(name, 1)
        # Delivered at least once, and then done.
        assert wait_until(lambda: not lab.exists(name), 10)


def is_made_up_for(lab, name):
    """Return whether each second has its tick, give or take a few, and those of the one outage came at once."""
    moments = [datetime.fromisoformat(run["fired_at"]) for run in lab.runs(name)]
    outage, back = max((later - earlier, later) for earlier, later in pairwise(moments))
    at_once = [moment for moment in moments if timedelta() <= moment - back < timedelta(seconds=3)]
    seconds = (moments[-1] - moments[0]).total_seconds()
    return (
        outage > timedelta(seconds=6)
        and abs(len(moments) - 1 - seconds) <= 2.5
        and len(at_once) >= outage.total_seconds() - 2.5
    )


def test_what_was_due_waits_also_for_an_app_that_comes_back_alone_under_its_living_sidecar(lab):
    sidecar = lab.pid(APP, "sidecar")
    name = lab.schedule(schedule="@every 1s", repeats=None)
    lab.wait_for_runs(name, 2)
    once = lab.schedule(due_time="2s")
    due = time.monotonic() + 2
    control.kill(lab.stack, APP)
    # Longer than the default policy would have gone on trying.
    wait_until(lambda: time.monotonic() > due + 6, 15)
    assert lab.exists(once)
    control.restart(lab.stack, APP, keep_sidecar=True)
    assert lab.pid(APP, "sidecar") == sidecar
    late = lab.wait_for_runs(once, 1)[0]
    assert (late["attempt"], late["outcome"]) == (1, "succeeded")
    assert late["lateness_ms"] > 6_000
    assert wait_until(lambda: not lab.exists(once), 10)
    # All that was held up, and it goes on.
    lab.wait_for_runs(name, 2 + 8 + 3)
    assert wait_until(lambda: is_made_up_for(lab, name), 20), lab.runs(name)
    lab.delete(name)
    control.restart(lab.stack, APP)  # so that no other test's events are late (test_job_events.py)
