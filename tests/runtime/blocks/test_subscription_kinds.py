"""The four kinds of subscription on the real runtime: each event once, attempts, dead letters, and breakdowns."""

from __future__ import annotations

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.runtime.blocks.conftest import ARRIVES_WITHIN, mark
from tests.runtime.conftest import RETURNS_WITHIN

pytestmark = pytest.mark.lab("blocks")

APP = "notification-service"
ATTEMPTS = 13  # eventRetry of components/task-resiliency.yaml
DROPPED, RETRIED, PROCESSED = "event dropped", "event to be retried", "event processed"
TOPICS = {"declarative": "reminders", "in code": "snoozes", "streaming": "task-events", "bulk": "announcements"}
each_kind = pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)


def data_of(topic, text):
    """Return the data of a good event of a topic."""
    if topic == "announcements":
        return {"message": text}
    if topic == "task-events":
        return {"event_type": "task.changed", "task_id": text, "title": text}
    return {"task_id": text, "title": text}


def publish_to_all(lab):
    """Publish a good event to each topic; return their texts, which are their ids too."""
    texts = {topic: mark() for topic in TOPICS.values()}
    for topic, text in texts.items():
        lab.publish(topic, data_of(topic, text), event_id=text)
    return texts


@each_kind
def test_an_event_is_one_notification_however_often_it_is_delivered(lab, topic):
    text = mark()
    for number in range(1, 4):
        lab.publish(topic, data_of(topic, text), event_id=text)
        assert wait_until(lambda number=number: lab.handled(text) == [PROCESSED] * number, ARRIVES_WITHIN)
    found = lab.wait_for_notification(text)
    assert (found["topic"], found["event_id"]) == (topic, text)


def test_the_type_of_an_event_chooses_its_route(lab):
    due, other = mark(), mark()
    lab.publish("reminders", {**data_of("reminders", due), "due_at": "2026-01-02T03:04:05Z"}, kind="task.due")
    lab.publish("reminders", data_of("reminders", other))
    assert lab.wait_for_notification(due)["message"].startswith("Task due at 2026-01-02T03:04")
    assert lab.wait_for_notification(other)["message"].startswith("Reminder: ")


def test_an_event_that_keeps_failing_is_a_dead_letter_after_13_attempts_and_can_be_replayed(lab):
    lab.faults(APP, fail_next=1_000, status=503)
    texts = publish_to_all(lab)
    assert wait_until(lambda: all(lab.dead_letters(text) for text in texts.values()), ARRIVES_WITHIN)
    assert [lab.handled(text) for text in texts.values()] == [[RETRIED] * ATTEMPTS] * len(TOPICS)
    lab.faults(APP)
    for topic, text in texts.items():
        (letter,) = lab.dead_letters(text)
        assert (letter["topic"], letter["reason"][:19]) == (topic, "The event is valid.")
        path = lab.url(APP, f"/dead-letters/{letter['id']}/replay")
        assert [lab.http.post(path).status_code for _ in range(2)] == [200, 404]
        lab.wait_for_notification(text)
        assert lab.dead_letters(text) == []


@each_kind
def test_an_event_that_can_never_be_processed_is_a_dead_letter_after_one_attempt(lab, topic):
    text = mark()
    lab.publish(topic, {"poison": text}, event_id=text)
    assert wait_until(lambda: lab.dead_letters(text) != [] and lab.handled(text) != [], ARRIVES_WITHIN)
    assert lab.handled(text) == [DROPPED]
    (letter,) = lab.dead_letters(text)
    answer = lab.http.post(lab.url(APP, f"/dead-letters/{letter['id']}/replay"))
    assert (answer.status_code, "Field required" in answer.json()["detail"]) == (422, True)
    assert lab.dead_letters(text) == [letter]


def test_a_raw_payload_fits_a_bulk_and_a_subscription_in_code_but_no_rule_and_no_stream(lab):
    texts = {topic: mark() for topic in TOPICS.values()}
    for topic, text in texts.items():
        url = lab.sidecar("task-api", f"/v1.0/publish/taskpubsub/{topic}")
        lab.http.post(url, params={"metadata.rawPayload": "true"}, json=data_of(topic, text)).raise_for_status()
    for topic in ("snoozes", "announcements"):
        assert lab.wait_for_notification(texts[topic])["event_id"] == ""
    for topic in ("reminders", "task-events"):
        assert wait_until(lambda topic=topic: lab.dead_letters(texts[topic]) != [], ARRIVES_WITHIN), topic


def test_an_event_without_a_content_type_loses_its_data_on_a_stream_and_not_as_a_dead_letter(lab):
    text = mark()
    event = {"specversion": "1.0", "id": text, "source": "x", "type": "x", "data": data_of("task-events", text)}
    url, kind = lab.sidecar("task-api", "/v1.0/publish/taskpubsub/task-events"), "application/cloudevents+json"
    lab.http.post(url, json=event, headers={"content-type": kind}).raise_for_status()
    # Each of its 13 attempts may have to wait until Redis hands it out again (processingTimeout).
    assert wait_until(lambda: lab.dead_letters(text) != [], 60)
    (letter,) = lab.dead_letters(text)
    assert letter["event"]["data"] == event["data"]
    assert lab.http.post(lab.url(APP, f"/dead-letters/{letter['id']}/replay")).status_code == 200


def test_events_in_hand_survive_a_kill_of_the_app(lab):
    lab.faults(APP, delay_ms=5_000)
    before = lab.calls(APP)
    texts = publish_to_all(lab)
    assert wait_until(lambda: lab.calls(APP) >= before + len(TOPICS), 10)
    control.kill(lab.stack, APP)
    control.restart(lab.stack, APP, keep_sidecar=True)
    # A stream is opened again when the retries on the lost one are used up; then its events follow.
    for text in texts.values():
        assert wait_until(lambda text=text: PROCESSED in lab.handled(text), 20 + RETURNS_WITHIN), text
        assert lab.dead_letters(text) == []


def test_the_stream_is_opened_again_after_a_kill_of_the_sidecar(lab):
    app, text = lab.pid(APP), mark()
    control.kill(lab.stack, APP, sidecar=True)
    lab.publish("task-events", data_of("task-events", text), event_id=text)
    control.restart(lab.stack, APP, sidecar=True)
    assert wait_until(lambda: lab.handled(text) == [PROCESSED], 30)
    assert lab.pid(APP) == app
