"""Dead letters: kept with the reason, listed, and processed on request."""

import base64
import json

import pytest
from conftest import event_of, letters, listed, problem_of

GOOD, BAD = {"task_id": "7", "title": "Water the plants"}, {"task_id": "7"}
MISSING = f"/dead-letters/{'0' * 32}/replay"


def bury(client, payload):
    """Deliver a payload from the dead-letter topic, as Dapr does for a subscription with rawPayload."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    answer = client.post("/events/dead", json={"id": "w", "data_base64": base64.b64encode(body).decode()})
    assert answer.json() == {"status": "SUCCESS"}


@pytest.mark.parametrize(
    ("topic", "data", "reason"),
    [
        ("reminders", BAD, "title: Field required"),
        ("task-events", {}, "event_type: Field required"),
        ("announcements", GOOD, "message: Field required"),
        ("elsewhere", GOOD, "topic: Field required"),
        ("snoozes", GOOD, "The event is valid."),
    ],
)
def test_a_dead_letter_is_kept_with_its_topic_and_the_reason(client, topic, data, reason):
    for _ in range(2):
        bury(client, event_of(data, topic=topic))
    (letter,) = letters(client)
    assert (letter["event_id"], letter["topic"], letter["event"]) == ("1", topic, event_of(data, topic=topic))
    assert reason in letter["reason"]


@pytest.mark.parametrize(
    ("expiration", "reason"),
    [
        ("2026-01-01T00:00:00Z", "expired"),
        ("2099-01-01T00:00:00Z", "valid"),
        ("2026-01-01T00:00:00", "valid"),
        (5, "valid"),
    ],
)
def test_a_late_event_has_another_reason_than_one_that_failed(client, expiration, reason):
    bury(client, event_of(GOOD) | {"expiration": expiration})
    assert reason in letters(client)[0]["reason"]


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"[]", b'"text"', b'{"topic": ["x"]}'])
def test_a_payload_of_any_form_is_kept(client, payload):
    bury(client, payload)
    (letter,) = letters(client)
    problem_of(client.post(f"/dead-letters/{letter['id']}/replay"), 422)


def test_a_replayed_letter_becomes_a_notification_and_is_gone(client):
    bury(client, event_of(GOOD, topic="snoozes"))
    path = f"/dead-letters/{letters(client)[0]['id']}/replay"
    assert client.post(path).json()["status"] == "processed"
    assert [one["message"] for one in listed(client)] == ["Reminder: Water the plants"]
    assert letters(client) == []
    problem_of(client.post(path), 404)


def test_a_letter_that_still_cannot_be_processed_stays(client):
    bury(client, event_of(BAD))
    path = f"/dead-letters/{letters(client)[0]['id']}/replay"
    assert "title: Field required" in problem_of(client.post(path), 422)
    assert len(letters(client)) == 1
    assert listed(client) == []


def test_a_letter_stays_while_the_store_is_down(client, sidecar):
    bury(client, event_of(GOOD))
    path = f"/dead-letters/{letters(client)[0]['id']}/replay"
    sidecar.is_down = True
    problem_of(client.post(path), 503)
    sidecar.is_down = False
    assert len(letters(client)) == 1


def test_a_letter_that_does_not_exist_cannot_be_replayed(client):
    assert "letter_id" in problem_of(client.post(MISSING), 404)
    assert "letter_id" in problem_of(client.post("/dead-letters/x/replay"), 422)


@pytest.mark.parametrize("size", [20_000, 300_000])
def test_of_a_large_event_the_beginning_is_shown(client, size):
    bury(client, event_of({**GOOD, "title": "x" * size}))
    (letter,) = letters(client)
    assert letter["reason"] == "title: String should have at most 500 characters"
    assert len(letter["event"]) < 5_000
    problem_of(client.post(f"/dead-letters/{letter['id']}/replay"), 422)
