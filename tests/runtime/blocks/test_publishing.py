"""Publishing on the real broker: metadata, expiry, raw bytes, many at once, and routes by type."""

from __future__ import annotations

import os
import signal
import time
from uuid import uuid4

import pytest

from labctl.up.processes import wait_until
from tests.runtime.blocks.conftest import ARRIVES_WITHIN, NOTIFICATIONS, PUBSUB, TASKS
from tests.runtime.conftest import STACK, on_redis

pytestmark = pytest.mark.lab("blocks")

BULK = f"/v1.0/publish/bulk/{PUBSUB}/announcements"


@on_redis
def test_an_announcement_has_the_id_and_type_that_the_app_chose(lab):
    text = uuid4().hex
    answer = lab.announce(message=text, user_id="ada")
    (event,) = lab.wait_for_events(text, 1, "announcements")
    assert (event["id"], event["type"], event["source"]) == (answer["id"], "task.announced", "task-api")
    lab.wait_for_notification(text)
    (found,) = lab.notifications(text)
    assert (found["user_id"], found["event_id"]) == ("ada", answer["id"])


@pytest.mark.skipif("rabbitmq" in STACK.components, reason="RabbitMQ has given it to the sidecar (docs/brokers.md)")
def test_an_expired_announcement_is_not_delivered(lab):
    late, kept = uuid4().hex, uuid4().hex
    sidecar = lab.pid(NOTIFICATIONS, "sidecar")
    os.kill(sidecar, signal.SIGSTOP)
    try:
        lab.announce(message=late, expires_in=1)
        lab.announce(message=kept, expires_in=60)
        # Until it expires. Its time is in seconds.
        time.sleep(2)
    finally:
        os.kill(sidecar, signal.SIGCONT)
    lab.wait_for_notification(kept)
    assert lab.notifications(late) == []


@on_redis
def test_raw_bytes_are_the_message(lab):
    text = uuid4().hex
    answer = lab.announce(message=text, raw=True)
    (event,) = lab.wait_for_events(text, 1, "announcements")
    assert event == {
        "specversion": "1.0",
        "id": answer["id"],
        "source": "task-api",
        "type": "task.announced",
        "datacontenttype": "application/json",
        "data": {"message": text, "user_id": "everyone"},
    }
    lab.wait_for_notification(text)


def test_a_hundred_announcements_in_one_call(lab):
    mark = uuid4().hex
    body = {"announcements": [{"message": f"{mark} {number}"} for number in range(100)]}
    answer = lab.http.post(lab.url(TASKS, "/announcements/bulk"), json=body)
    assert answer.status_code == 202, answer.text
    assert all(one["published"] for one in answer.json()["results"])
    assert wait_until(lambda: len(lab.notifications(mark)) == 100, ARRIVES_WITHIN)


@on_redis
def test_of_a_bulk_the_entry_that_the_broker_refuses_is_named(lab):
    mark = uuid4().hex
    texts = [f"{mark} 0", mark * 50_000, f"{mark} 2"]  # the second is larger than 1 MiB
    entries = [
        {"entryId": str(number), "event": {"message": text}, "contentType": "application/json"}
        for number, text in enumerate(texts)
    ]
    lab.redis("CONFIG", "SET", "proto-max-bulk-len", str(1024 * 1024))
    try:
        answer = lab.http.post(lab.sidecar(TASKS, BULK), json=entries)
    finally:
        lab.redis("CONFIG", "SET", "proto-max-bulk-len", str(512 * 1024 * 1024))
    assert answer.status_code == 500
    assert [one["entryId"] for one in answer.json()["failedEntries"]] == ["1"]
    assert wait_until(lambda: len(lab.notifications(mark)) == 2, ARRIVES_WITHIN)


@on_redis
def test_a_bulk_that_the_broker_refuses_names_the_component(lab):
    lab.redis("CONFIG", "SET", "maxmemory", "1")
    try:
        body = {"announcements": [{"message": "x"}, {"message": "y"}]}
        answer = lab.http.post(lab.url(TASKS, "/announcements/bulk"), json=body)
    finally:
        lab.redis("CONFIG", "SET", "maxmemory", "0")
    assert (answer.status_code, answer.json()["dependency"]) == (503, PUBSUB)


@pytest.mark.parametrize(
    ("kind", "route"), [("task.created", "/events/task-created"), ("task.renamed", "/events/task")]
)
def test_an_event_has_the_route_of_its_type(lab, kind, route):
    event_id = uuid4().hex
    lab.publish("task-events", {"event_type": kind, "task_id": "1", "title": event_id}, kind=kind, event_id=event_id)
    assert wait_until(lambda: f'"route": "{route}"' in lab.log_of(event_id), ARRIVES_WITHIN)
    lab.wait_for_notification(event_id)


def test_an_event_that_can_never_be_processed_is_a_dead_letter_with_its_reason(lab):
    event_id = uuid4().hex
    lab.publish("task-events", {"task_id": event_id}, kind="task.created", event_id=event_id)
    assert wait_until(lambda: lab.dead_letters(event_id) != [], ARRIVES_WITHIN)
    assert "event_type: Field required" in lab.dead_letters(event_id)[0]["reason"]
    assert '"message": "event dropped"' in lab.log_of(event_id)
