"""TaskActor on the real runtime: a reminder and a timer through breakdowns, and one call at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from labctl.up import control, processes
from labctl.up.processes import wait_until
from tests.runtime.blocks.conftest import ARRIVES_WITHIN, mark

pytestmark = pytest.mark.lab("blocks")

APP = "task-api"


def after(seconds):
    """Return the time in some seconds, as a client writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def new_task(lab, title=None):
    """Create a task; return the path of its routes and its title."""
    # A title that the SDK's JSON would take for a date.
    title = title or f"2026-12-24 {mark()}"
    answer = lab.http.post(lab.url(APP, "/tasks"), json={"title": title})
    return lab.url(APP, f"/tasks/{answer.json()['id']}"), title


def remind(lab, task, seconds):
    """Set the reminder of a task."""
    answer = lab.http.put(f"{task}/reminder", json={"due_at": after(seconds)})
    assert answer.status_code == 200, answer.text


def about(lab, title, topic):
    """Return the messages about a task from one topic."""
    return [one["message"] for one in lab.notifications(title) if one["topic"] == topic]


def test_a_reminder_fires_once_although_app_and_sidecar_were_killed(lab):
    task, title = new_task(lab)
    remind(lab, task, 3)
    control.kill(lab.stack, APP)
    control.kill(lab.stack, APP, sidecar=True)
    control.restart(lab.stack, APP)
    assert wait_until(lambda: about(lab, title, "reminders") != [], ARRIVES_WITHIN)
    assert wait_until(lambda: lab.http.get(f"{task}/reminder").json().get("status") == "fired", 10)
    (message,) = about(lab, title, "reminders")
    assert message.startswith("Task due at ")


def test_reminders_of_a_replica_that_dies_fire_on_another(lab):
    with lab.replicas(APP):
        tasks = [new_task(lab) for _ in range(6)]
        for task, _ in tasks:
            remind(lab, task, 3)
        ports = lab.app(APP).app_port, lab.app(APP).http_port
        for one in [one for one in processes.find(lab.stack) if one.port in ports]:
            one.process.kill()
        for _, title in tasks:
            assert wait_until(lambda title=title: about(lab, title, "reminders") != [], 30), title
        assert [len(about(lab, title, "reminders")) for _, title in tasks] == [1] * 6


def test_a_timer_fires_but_does_not_survive_a_restart_of_the_sidecar(lab):
    fired, lost = new_task(lab), new_task(lab)
    for (task, _), seconds in ((fired, 1), (lost, 5)):
        assert lab.http.post(f"{task}/snooze", json={"seconds": seconds}).status_code == 202
    due = time.monotonic() + 5
    assert wait_until(lambda: about(lab, fired[1], "snoozes") != [], 5)
    control.kill(lab.stack, APP, sidecar=True)
    control.restart(lab.stack, APP, sidecar=True)
    assert not wait_until(lambda: about(lab, lost[1], "snoozes") != [], max(due - time.monotonic(), 0) + 2)
    assert about(lab, fired[1], "snoozes") == [f"Reminder: {fired[1]}"]


def test_a_reminder_that_was_moved_or_deleted_and_a_task_that_is_done_are_quiet(lab):
    moved, deleted, done, due = (new_task(lab) for _ in range(4))
    for task, _ in (moved, deleted, done, due):
        remind(lab, task, 2)
    remind(lab, moved[0], 60)
    assert lab.http.delete(f"{deleted[0]}/reminder").status_code == 204
    assert lab.http.delete(f"{deleted[0]}/reminder").status_code == 404
    etag = lab.http.get(done[0]).headers["etag"]
    lab.http.patch(done[0], json={"status": "done"}, headers={"if-match": etag}).raise_for_status()
    assert wait_until(lambda: lab.http.get(f"{done[0]}/reminder").json()["status"] == "fired", 10)
    assert wait_until(lambda: about(lab, due[1], "reminders") != [], ARRIVES_WITHIN)
    assert [about(lab, title, "reminders") for _, title in (moved, deleted, done)] == [[], [], []]
    assert lab.http.get(f"{moved[0]}/reminder").json()["status"] == "scheduled"
    assert lab.http.get(f"{deleted[0]}/reminder").status_code == 404


def test_an_actor_takes_one_call_at_a_time_and_two_actors_take_two(lab):
    one, other = new_task(lab)[0], new_task(lab)[0]
    lab.faults(APP, delay_ms=1_000)
    seconds = []
    with ThreadPoolExecutor() as pool:
        for pair in ((one, one), (one, other)):
            begin = time.monotonic()
            list(pool.map(lambda task: remind(lab, task, 60), pair))
            seconds.append(time.monotonic() - begin)
    assert seconds[0] >= 2
    assert seconds[1] < 1.9


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "field"),
    [
        ("PUT", "reminder", {"due_at": "2020-01-01T00:00:00Z"}, 422, "due_at"),
        ("PUT", "reminder", {"due_at": "2030-01-01T00:00:00"}, 422, "due_at"),
        ("PUT", "reminder", {}, 422, "due_at"),
        ("POST", "snooze", {"seconds": 0}, 422, "seconds"),
        ("GET", "reminder", None, 404, "no reminder"),
    ],
)
def test_bad_input_is_refused(lab, verb, path, body, status, field):
    answer = lab.http.request(verb, f"{new_task(lab)[0]}/{path}", json=body)
    assert (answer.status_code, field in answer.json()["detail"]) == (status, True), answer.text


def test_a_task_that_does_not_exist_has_no_reminder(lab):
    assert lab.http.put(lab.url(APP, "/tasks/none/reminder"), json={"due_at": after(5)}).status_code == 404


def test_the_probe_of_the_service_is_the_one_of_all_services(lab):
    assert lab.http.get(lab.url(APP, "/healthz")).json() == {"status": "ok"}
    assert lab.http.get(lab.url(APP, "/dapr/config")).json()["entities"] == ["TaskActor"]
