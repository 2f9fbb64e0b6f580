"""The topic schedule-job on the real runtime: events schedule jobs, once; those that never can are dead letters."""

from __future__ import annotations

import socketserver
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.jobs.conftest import APP
from tests.runtime.lab_shell import LabShell
from tests.serving import serving

pytestmark = pytest.mark.lab("jobs")

# After subscriptions were restarted, a reader that is gone has the first event of each topic. It is delivered again
# after `processingTimeout` of components/pubsub.yaml, 15 s, and a dead letter passes through two topics.
EVENT_WITHIN = 60


def publish(lab, payload):
    answer = lab.http.post(lab.sidecar(APP, "/v1.0/publish/pubsub/schedule-job"), json=payload)
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


def test_a_bad_event_is_a_dead_letter_with_a_reason(lab):
    mark = f"bad-{time.time_ns()}"
    publish(lab, {"job_name": "a/b", "data": mark})
    assert wait_until(lambda: len(letters(lab, mark)) == 1, EVENT_WITHIN)
    (letter,) = letters(lab, mark)
    assert "job_name" in letter["reason"]
    assert letter["event"]["data"] == {"job_name": "a/b", "data": mark}
    assert (letter["event"]["id"], letter["event"]["topic"]) == (letter["event_id"], "schedule-job")
    assert not wait_until(lambda: len(letters(lab, mark)) != 1, 2)


@pytest.mark.parametrize("payload", ["not json {mark}", '["{mark}"]', '"{mark}"', '{{"job_name": "{mark}/x"}}'])
def test_a_payload_that_is_no_cloud_event_is_a_dead_letter_too(lab, payload):
    mark = f"raw-{time.time_ns()}"
    topic = lab.sidecar(APP, "/v1.0/publish/pubsub/schedule-job")
    headers = {"content-type": "text/plain"}
    sent = lab.http.post(
        topic, params={"metadata.rawPayload": "true"}, content=payload.format(mark=mark), headers=headers
    )
    assert sent.status_code == 204
    assert wait_until(lambda: len(letters(lab, mark)) == 1, EVENT_WITHIN)
    assert "job_name" in letters(lab, mark)[0]["reason"] or "valid" in letters(lab, mark)[0]["reason"]


@pytest.mark.parametrize("size", [70_000, 4 * 1024 * 1024 - 200])
def test_a_large_event_is_a_dead_letter_too(lab, size):
    mark = f"large-{time.time_ns()}"
    publish(lab, {"data": f"{mark}{'x' * (size - len(mark))}", "job_name": "large"})
    assert wait_until(lambda: len(letters(lab, mark)) == 1, EVENT_WITHIN)
    assert "8192 bytes" in letters(lab, mark)[0]["reason"]


def test_no_event_is_lost_around_an_app_that_comes_back_alone_under_its_living_sidecar(lab):
    while_down, afterwards = (f"alone-{uuid4().hex[:12]}" for _ in range(2))
    control.kill(lab.stack, APP)
    publish(lab, {"job_name": while_down, "due_time": "1s"})
    control.restart(lab.stack, APP, keep_sidecar=True)
    publish(lab, {"job_name": afterwards, "due_time": "1s"})
    for name in (while_down, afterwards):
        lab.wait_for_runs(name, 1, EVENT_WITHIN)
    control.restart(lab.stack, APP)  # so that no other test's events are late


def test_an_event_whose_ttl_ran_out_while_the_app_was_down_is_a_dead_letter(lab):
    mark, in_time = (f"ttl-{uuid4().hex[:12]}" for _ in range(2))
    log = lab.stack.logs / f"{APP}.sidecar.log"
    before = log.read_text().count("un-healthy")
    control.kill(lab.stack, APP)
    # From here on the sidecar takes no event: an event that it has already is retried, whatever its TTL.
    assert wait_until(lambda: log.read_text().count("un-healthy") > before, 10)
    topic = lab.sidecar(APP, "/v1.0/publish/pubsub/schedule-job")
    order = {"job_name": mark, "due_time": "1h"}
    assert lab.http.post(topic, params={"metadata.ttlInSeconds": "1"}, json=order).status_code == 204
    time.sleep(2)  # the TTL itself
    control.restart(lab.stack, APP, keep_sidecar=True)
    publish(lab, {"job_name": in_time, "due_time": "1h"})
    assert wait_until(lambda: lab.exists(in_time), EVENT_WITHIN)
    assert wait_until(lambda: "dropping expired pub/sub event" in log.read_text(), EVENT_WITHIN)
    assert wait_until(lambda: len(letters(lab, mark)) == 1, EVENT_WITHIN)
    assert not lab.exists(mark)
    control.restart(lab.stack, APP)  # so that no other test's events are late


def test_the_command_line_publishes(lab, tmp_path):
    """Page 2's `./lab dapr publish`.

    It takes the first sidecar of the app id on this machine, which may be that of another stack: hence the socket.
    """
    name = f"by-cli-{uuid4().hex[:12]}"
    to = ["--publish-app-id", APP, "--pubsub", "pubsub", "--topic", "schedule-job"]
    with serving(relay(tmp_path / f"dapr-{APP}-http.socket", lab.sidecar(APP, ""))):
        data = f'{{"job_name": "{name}", "due_time": "1s"}}'
        done = LabShell(lab.stack).run("dapr", "publish", *to, "--data", data, "--unix-domain-socket", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Event published successfully" in done.stdout
    lab.wait_for_runs(name, 1, EVENT_WITHIN)


def relay(socket: Path, url: str) -> socketserver.UnixStreamServer:
    """Return a server on a Unix socket whose POST requests reach that URL."""

    class Relay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = httpx.post(url + self.path, content=body, headers={"content-type": self.headers["content-type"]})
            self.send_response(answer.status_code)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return socketserver.UnixStreamServer(str(socket), Relay)
