"""The topic schedule-job on the real runtime: events schedule jobs, once; those that never can are dead letters."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.jobs.conftest import APP
from tests.runtime.lab_shell import LabShell

pytestmark = pytest.mark.lab("jobs")

# After subscriptions were restarted, a reader that is gone has the first event of each topic. It is delivered again
# after `processingTimeout` of components/pubsub.yaml, 15 s, and a dead letter passes through two topics.
EVENT_WITHIN = 60


def publish(lab, payload):
    answer = lab.http.post(lab.sidecar(APP, "/v1.0/publish/pubsub/schedule-job"), json=payload)
    assert answer.status_code == 204


def publish_event(lab, event_id, data):
    """Publish a whole CloudEvent: publishing it twice equals a redelivery."""
    event = {"specversion": "1.0", "id": event_id, "source": "test", "type": "job.asked", "data": data}
    answer = lab.http.post(
        lab.sidecar(APP, "/v1.0/publish/pubsub/schedule-job"),
        json=event | {"datacontenttype": "application/json"},
        headers={"content-type": "application/cloudevents+json"},
    )
    assert answer.status_code == 204


def letters(lab, mark):
    """Return the dead letters with these words in them."""
    found = lab.http.get(lab.url(APP, "/dead-letters"), params={"limit": 50}).json()["dead_letters"]
    return [one for one in found if mark in str(one)]


def test_an_event_schedules_the_job_that_it_names(lab):
    publish(lab, {"job_name": "by-event", "schedule": "@every 1s", "repeats": 2, "overwrite": True})
    before = len(lab.runs("by-event"))
    lab.wait_for_runs("by-event", before + 2, EVENT_WITHIN)
    lab.assert_no_more_runs("by-event", before + 2)


def test_an_event_that_comes_again_neither_takes_a_job_back_nor_brings_it_back(lab):
    name = f"again-{uuid4().hex[:12]}"
    first, second = (
        {"job_name": name, "schedule": schedule, "overwrite": True, "repeats": None}
        for schedule in ("@hourly", "@daily")
    )

    def schedule():
        details = lab.http.get(lab.url(APP, f"/get-job/{name}")).json().get("job_details", {})
        return details.get("schedule")

    def everything_was_delivered():
        # Several are handled at once, so that the last may be done before the one before it: hence the second below.
        mark = f"bad-{time.time_ns()}"
        publish(lab, {"job_name": "a/b", "data": mark})
        return wait_until(lambda: len(letters(lab, mark)) == 1, EVENT_WITHIN)

    publish_event(lab, f"{name}-1", first)
    assert wait_until(lambda: schedule() == "@hourly", EVENT_WITHIN)
    publish_event(lab, f"{name}-2", second)
    assert wait_until(lambda: schedule() == "@daily", EVENT_WITHIN)
    publish_event(lab, f"{name}-1", first)
    assert everything_was_delivered()
    assert not wait_until(lambda: schedule() != "@daily", 1)
    lab.delete(name)
    publish_event(lab, f"{name}-2", second)
    assert everything_was_delivered()
    assert not wait_until(lambda: schedule() is not None, 1)


def test_a_bad_event_is_a_dead_letter_with_a_reason(lab):
    mark = f"bad-{time.time_ns()}"
    publish(lab, {"job_name": "a/b", "data": mark})
    assert wait_until(lambda: len(letters(lab, mark)) == 1, EVENT_WITHIN)
    (letter,) = letters(lab, mark)
    assert "job_name" in letter["reason"]
    assert letter["event"]["data"] == {"job_name": "a/b", "data": mark}
    assert (letter["event"]["id"], letter["event"]["topic"]) == (letter["event_id"], "schedule-job")
    assert not wait_until(lambda: len(letters(lab, mark)) != 1, 2)


@pytest.mark.parametrize("size", [70_000, 4 * 1024 * 1024 - 200])
def test_a_large_event_is_a_dead_letter_too(lab, size):
    mark = f"large-{time.time_ns()}"
    publish(lab, {"data": f"{mark}{'x' * (size - len(mark))}", "job_name": "large"})
    assert wait_until(lambda: len(letters(lab, mark)) == 1, EVENT_WITHIN)
    assert "8192 bytes" in letters(lab, mark)[0]["reason"]


def test_an_event_with_a_long_id_schedules_its_job(lab):
    name = f"long-{uuid4().hex[:12]}"
    publish_event(lab, name + "x" * 5_000, {"job_name": name, "due_time": "1s"})
    lab.wait_for_runs(name, 1, EVENT_WITHIN)


def test_no_event_is_lost_around_an_app_that_comes_back_alone_under_its_living_sidecar(lab):
    while_down, afterwards = (f"alone-{uuid4().hex[:12]}" for _ in range(2))
    control.kill(lab.stack, APP)
    publish(lab, {"job_name": while_down, "due_time": "1s"})
    control.restart(lab.stack, APP, keep_sidecar=True)
    publish(lab, {"job_name": afterwards, "due_time": "1s"})
    for name in (while_down, afterwards):
        lab.wait_for_runs(name, 1, EVENT_WITHIN)
    control.restart(lab.stack, APP)  # so that no other test's events are late


def test_the_command_line_publishes(lab, tmp_path):
    """Page 2's `./lab dapr publish`.

    It takes the first sidecar of the app id on this machine, which may be that of another stack: hence the socket.
    """
    name = f"by-cli-{uuid4().hex[:12]}"
    to = ["--publish-app-id", APP, "--pubsub", "pubsub", "--topic", "schedule-job"]
    with relayed(tmp_path / f"dapr-{APP}-http.socket", lab.sidecar(APP, "")):
        data = f'{{"job_name": "{name}", "due_time": "1s"}}'
        done = LabShell(lab.stack).run("dapr", "publish", *to, "--data", data, "--unix-domain-socket", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Event published successfully" in done.stdout
    lab.wait_for_runs(name, 1, EVENT_WITHIN)


@contextmanager
def relayed(socket: Path, url: str) -> Iterator[None]:
    """Open a Unix socket whose POST requests reach that URL."""

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = httpx.post(url + self.path, content=body, headers={"content-type": self.headers["content-type"]})
            self.send_response(answer.status_code)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with socketserver.UnixStreamServer(str(socket), Relay) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield
        finally:
            server.shutdown()
            serving.join()
